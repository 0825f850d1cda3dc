//! Belief follows the world: lost replies, silence, flushes, orphans, foreign elements, clocks.

use super::*;
use event::Outcome;
use event::journal::JournalEntry;

const A: &str = "203.0.113.7";

fn ready() -> World {
    let mut world = World::new(act(), 1);
    world.give(Input::Tick);
    world.talk();
    world
}

#[test]
fn a_lost_reply_is_settled_by_a_dump() {
    let mut world = ready();
    world.chaos.lose_reply = 100;
    world.plan(1, 1, &[step("block", block(A), 600)]);
    assert_eq!(world.outcome(action_id(1, "block", 0)), None);
    assert_eq!(world.targets(), [A]);
    world.chaos.lose_reply = 0;
    world.pass(7, 1);
    assert_eq!(
        world.outcome(action_id(1, "block", 0)),
        Some(Outcome::Verified)
    );
    assert_eq!(
        world.operations, 1,
        "a dump is enough: nothing is asked twice"
    );
}

#[test]
fn without_any_answer_it_is_unknown_and_later_settled() {
    let mut world = ready();
    world.chaos.lose_reply = 100;
    world.plan(1, 1, &[step("block", block(A), 600)]);
    world.pass(40, 1);
    assert_eq!(
        world.outcome(action_id(1, "block", 0)),
        Some(Outcome::Unknown)
    );
    world.chaos.lose_reply = 0;
    world.pass(40, 1);
    assert_eq!(
        world.outcome(action_id(1, "block", 0)),
        Some(Outcome::Verified)
    );
}

#[test]
fn a_flush_is_repaired_at_once_when_the_generation_changes() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 600)]);
    world.flush_kernel(true);
    world.pass(2, 1);
    assert_eq!(world.targets(), [A]);
    world.flush_kernel(false);
    world.pass(31, 1);
    assert_eq!(world.targets(), [A]);
    assert_eq!(world.engine.counters().reasserted, 2);
}

#[test]
fn an_orphan_goes_after_its_grace_with_a_notice() {
    let mut world = World::new(act(), 1);
    world.plant(action_id(9, "old", 0), block(A), 5000);
    world.give(Input::Tick);
    world.talk();
    world.pass(55, 1);
    assert_eq!(world.targets(), [A]);
    world.pass(10, 1);
    assert_eq!(world.targets(), Vec::<String>::new());
    assert!(
        world
            .notices()
            .iter()
            .any(|text| text.starts_with("orphan"))
    );
    assert_eq!(world.engine.counters().orphans_removed, 1);
}

#[test]
fn a_clock_that_jumps_never_lengthens_containment() {
    for jump in [86_400_i64, -86_400, 3600, -3600] {
        let mut world = ready();
        world.plan(1, 1, &[step("block", block(A), 600)]);
        world.pass(100, 1);
        world.wall_shift_s = jump;
        world.pass(5, 1);
        assert_eq!(world.engine.counters().clock_jumps, 1, "jump {jump}");
        assert!(
            world
                .notices()
                .iter()
                .any(|text| text.contains("wall clock moved"))
        );
        if jump < 0 {
            assert_eq!(world.targets(), [A], "jump {jump}");
            assert!(world.kernel_left(A).unwrap() <= 496, "jump {jump}");
            world.restart();
            world.pass(5, 1);
            assert!(
                world.kernel_left(A).unwrap() <= 491,
                "jump {jump}, restarted"
            );
        }
        world.pass(495, 1);
        assert_eq!(world.targets(), Vec::<String>::new(), "jump {jump}");
        world.assert_over();
    }
}

#[test]
fn a_jump_while_the_engine_was_down_never_lengthens_either() {
    for jump in [86_400_i64, -86_400] {
        let mut world = ready();
        world.plan(1, 1, &[step("block", block(A), 600)]);
        world.pass(100, 1);
        world.wall_shift_s = jump;
        world.restart();
        world.pass(620, 1);
        assert_eq!(world.targets(), Vec::<String>::new(), "jump {jump}");
        world.assert_over();
    }
}

#[test]
fn replies_that_make_no_sense_are_counted() {
    let mut world = ready();
    let answer = Answer::Changed {
        results: Vec::new(),
    };
    world.give(Input::Reply(Reply { serial: 7, answer }));
    assert_eq!(world.engine.counters().replies_unexpected, 1);
    let wall = world.wall();
    let output = world.engine.step(
        Input::Plan(Box::new(plan(1, 1, wall, &[step("one", block(A), 60)]))),
        wall,
    );
    let change = output
        .requests
        .iter()
        .find(|r| matches!(r.verb, Verb::Change { .. }))
        .unwrap();
    let short = Answer::Changed {
        results: Vec::new(),
    };
    let serial = change.serial;
    let output = world.engine.step(
        Input::Reply(Reply {
            serial,
            answer: short,
        }),
        wall,
    );
    assert_eq!(output.receipts, []);
    assert_eq!(
        output.requests.len(),
        1,
        "a short answer is asked again: {output:?}"
    );
}

#[test]
fn a_stale_fence_verifies_nothing() {
    let mut world = ready();
    let wall = world.wall();
    let mut old = Engine::new(EngineConfig { fence: 0, ..act() });
    let output = old.step(Input::Tick, wall);
    for request in output.requests {
        let serial = request.serial;
        let reason = "fence 0 is stale".to_owned();
        old.step(
            Input::Reply(Reply {
                serial,
                answer: Answer::Refused { reason },
            }),
            wall,
        );
    }
    let output = old.step(
        Input::Plan(Box::new(plan(1, 1, wall, &[step("one", block(A), 60)]))),
        wall,
    );
    assert!(
        output
            .records
            .iter()
            .any(|r| matches!(r.entry, JournalEntry::Intent { .. }))
    );
    assert!(
        !output
            .requests
            .iter()
            .any(|r| matches!(r.verb, Verb::Change { .. }))
    );
    world.pass(1, 1);
}

/// Answers a request by hand.
fn answer(world: &mut World, serial: u64, answer: Answer) -> super::super::Output {
    let wall = world.wall();
    world
        .engine
        .step(Input::Reply(Reply { serial, answer }), wall)
}

#[test]
fn a_dump_does_not_judge_what_was_asked_after_it_began() {
    let mut world = ready();
    world.pass(29, 1);
    let wall = world.wall().plus(std::time::Duration::from_secs(1));
    let output = world.engine.step(Input::Tick, wall);
    let dump = output
        .requests
        .iter()
        .find(|r| matches!(r.verb, Verb::Dump { .. }))
        .unwrap();
    let block = Box::new(plan(1, 1, wall, &[step("block", block(A), 600)]));
    let output = world.engine.step(Input::Plan(block), wall);
    let change = output
        .requests
        .iter()
        .find(|r| matches!(r.verb, Verb::Change { .. }))
        .unwrap();
    let nothing = Answer::Standing {
        elements: Vec::new(),
        next: None,
    };
    let present = event::actuate::OperationResult::Present {
        expires_s: 600,
        shown: String::new(),
    };
    let output = answer(
        &mut world,
        change.serial,
        Answer::Changed {
            results: vec![present],
        },
    );
    assert_eq!(output.receipts.len(), 1);
    let output = answer(&mut world, dump.serial, nothing);
    assert_eq!(
        output.requests,
        [],
        "the older dump says nothing about the newer block"
    );
    assert_eq!(world.engine.counters().reasserted, 0);
}

#[test]
fn a_second_claim_is_verified_by_a_read_back_of_its_own() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 600)]);
    let wall = world.wall();
    let second = Box::new(plan(2, 1, wall, &[step("block", block(A), 60)]));
    let output = world.engine.step(Input::Plan(second), wall);
    assert_eq!(
        output.receipts,
        [],
        "what was read back before does not count"
    );
    assert_eq!(output.requests.len(), 1);
    world.carry(output);
    world.talk();
    assert_eq!(
        world.outcome(action_id(2, "block", 0)),
        Some(Outcome::Verified)
    );
}

#[test]
fn a_standing_effect_that_cannot_be_asserted_again_is_said_to_be_lost() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 600)]);
    world.railed.insert(A.to_owned());
    world.flush_kernel(true);
    world.pass(5, 1);
    let id = action_id(1, "block", 0);
    assert_eq!(world.outcome(id), Some(Outcome::Failed));
    assert!(
        world
            .receipt(id)
            .unwrap()
            .detail
            .contains("could not be asserted again")
    );
    world.restart();
    world.railed.clear();
    world.pass(60, 1);
    assert_eq!(world.outcome(id), Some(Outcome::Verified));
    assert_eq!(world.targets(), [A]);
    world.pass(600, 5);
    world.assert_over();
}

#[test]
fn a_foreign_element_is_left_alone() {
    let mut world = World::new(act(), 1);
    let wall = world.wall();
    let output = world.engine.step(Input::Tick, wall);
    let dump = output
        .requests
        .iter()
        .find(|r| matches!(r.verb, Verb::Dump { .. }))
        .unwrap();
    let foreign = event::actuate::Element {
        action_id: None,
        action: block(A),
        expires_s: 1000,
    };
    let output = answer(
        &mut world,
        dump.serial,
        Answer::Standing {
            elements: vec![foreign],
            next: None,
        },
    );
    assert_eq!(output.requests, []);
    assert_eq!(world.engine.counters().foreign, 1);
    assert!(output.records.iter().any(|record| {
        matches!(&record.entry, JournalEntry::Notice { text } if text.contains("not ours"))
    }));
}
