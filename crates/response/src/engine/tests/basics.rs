//! One effect's life, order and failure, modes, relapse, leases.

use super::*;
use event::Outcome;

const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";

fn ready() -> World {
    let mut world = World::new(act(), 1);
    world.give(Input::Tick);
    world.talk();
    world
}

#[test]
fn a_block_is_intended_then_read_back_then_expires() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 600)]);
    let id = action_id(1, "block", 0);
    assert_eq!(world.outcome(id), Some(Outcome::Verified));
    assert_eq!(world.targets(), [A]);
    assert_eq!(world.engine.standing().len(), 1);
    let receipt = world.receipt(id).unwrap();
    assert_eq!(
        receipt.expires,
        Some(world.wall().plus(std::time::Duration::from_secs(600)))
    );
    assert_eq!(receipt.diff.added, ["203.0.113.7 timeout 600s"]);
    assert_eq!(
        world
            .engine
            .relapses("brute_force_response", "key 1", "block"),
        0
    );
    world.pass(590, 1);
    assert_eq!(world.targets(), [A]);
    world.pass(13, 1);
    assert_eq!(world.outcome(id), Some(Outcome::Expired));
    assert_eq!(
        world
            .engine
            .relapses("brute_force_response", "key 1", "block"),
        1
    );
    world.assert_over();
}

#[test]
fn an_external_block_is_held_and_an_internal_one_is_leased() {
    let mut world = ready();
    let internal = step("slow", rate("10.1.2.3"), 7000);
    world.plan(1, 1, &[step("block", block(A), 7000), internal]);
    assert_eq!(world.kernel_left(A), Some(7000));
    assert_eq!(world.kernel_left("10.1.2.3"), Some(900));
    for _ in 0..6300 {
        world.pass(1, 1);
        let left = world.kernel_left("10.1.2.3").expect("the lease is renewed");
        assert!((590..=900).contains(&left), "lease has {left} s left");
    }
    let changes = world.operations;
    assert!(
        changes < 2 + 25,
        "renewed every 5 min, not {changes} operations"
    );
    world.pass(710, 1);
    assert_eq!(world.targets(), Vec::<String>::new());
}

#[test]
fn observe_simulates_and_never_sends_a_request() {
    let mut world = World::new(in_mode(Mode::Observe), 1);
    let second = step("slow", rate(A), 60).after("block");
    world.plan(1, 1, &[step("block", block(A), 600), second]);
    world.pass(120, 1);
    assert_eq!(
        world.outcome(action_id(1, "block", 0)),
        Some(Outcome::Simulated)
    );
    assert_eq!(
        world.outcome(action_id(1, "slow", 0)),
        Some(Outcome::Simulated)
    );
    assert_eq!(world.requests, 0);
    world.restart();
    world.pass(60, 1);
    assert_eq!(world.requests, 0);
    world.assert_over();
}

#[test]
fn steps_keep_their_order_and_a_failure_takes_back_what_was_done() {
    let mut world = ready();
    world.failing.insert(B.to_owned());
    let steps = [
        step("first", block(A), 600),
        step("second", block(B), 600).after("first"),
        step("third", rate(A), 600).after("second"),
    ];
    world.plan(1, 1, &steps);
    assert_eq!(
        world.outcome(action_id(1, "first", 0)),
        Some(Outcome::Verified)
    );
    world.pass(15, 1);
    assert_eq!(
        world.outcome(action_id(1, "second", 0)),
        Some(Outcome::Failed)
    );
    assert_eq!(
        world.outcome(action_id(1, "third", 0)),
        Some(Outcome::Failed)
    );
    assert_eq!(
        world.outcome(action_id(1, "first", 0)),
        Some(Outcome::Undone)
    );
    world.assert_over();
}

#[test]
fn compensation_takes_the_last_back_first() {
    let mut world = ready();
    world.failing.insert("203.0.113.99".to_owned());
    let mut steps: Vec<Wanted> = Vec::new();
    let names = ["a", "b", "c", "d"];
    for (index, name) in names.into_iter().enumerate() {
        let mut wanted = step(name, block(&format!("203.0.113.{}", 20 - index)), 600);
        if let Some(before) = index.checked_sub(1).and_then(|at| names.get(at)) {
            wanted = wanted.after(before);
        }
        steps.push(wanted);
    }
    steps.push(step("e", block("203.0.113.99"), 600).after("d"));
    world.plan(1, 1, &steps);
    world.pass(15, 1);
    let undone: Vec<String> = world
        .receipts
        .iter()
        .filter(|receipt| receipt.outcome == Outcome::Undone)
        .map(|receipt| receipt.step.clone())
        .collect();
    assert_eq!(undone, ["d", "c", "b", "a"]);
    world.assert_over();
}

#[test]
fn continue_lets_the_rest_stand() {
    let mut world = ready();
    world.railed.insert(B.to_owned());
    let may_fail = step("second", block(B), 600).on_error(OnError::Continue);
    world.plan(1, 1, &[step("first", block(A), 600), may_fail]);
    assert_eq!(
        world.outcome(action_id(1, "second", 0)),
        Some(Outcome::Failed)
    );
    assert!(
        world
            .receipt(action_id(1, "second", 0))
            .unwrap()
            .detail
            .contains("as told")
    );
    assert_eq!(world.targets(), [A]);
}

#[test]
fn rt8_with_the_actuator_unreachable_nothing_says_success() {
    let mut world = World::new(act(), 1);
    world.give(Input::ActuatorLost);
    world.reachable = false;
    let steps = [
        step("one", block(A), 600),
        step("two", block(B), 600).after("one"),
    ];
    world.plan(1, 1, &steps);
    world.pass(120, 1);
    assert_eq!(world.outcome(action_id(1, "one", 0)), Some(Outcome::Failed));
    assert_eq!(world.outcome(action_id(1, "two", 0)), Some(Outcome::Failed));
    let success = world.receipts.iter().any(|receipt| {
        matches!(
            receipt.outcome,
            Outcome::Applied | Outcome::Verified | Outcome::Partial | Outcome::Simulated
        )
    });
    assert!(!success, "{:?}", world.receipts);
}

#[test]
fn a_revision_extends_what_stands_and_applies_anew_what_has_ended() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 600)]);
    world.pass(300, 1);
    world.plan(1, 2, &[step("block", block(A), 600)]);
    assert_eq!(world.kernel_left(A), Some(600));
    world.plan(1, 3, &[step("block", block(A), 600).relapse(1)]);
    assert_eq!(
        world.engine.standing().len(),
        1,
        "one claim, whatever the planner counted"
    );
    world.pass(605, 1);
    assert_eq!(world.targets(), Vec::<String>::new());
    assert_eq!(
        world
            .engine
            .relapses("brute_force_response", "key 1", "block"),
        1
    );
    world.plan(1, 4, &[step("block", block(A), 2400).relapse(1)]);
    assert_eq!(world.kernel_left(A), Some(2400));
    assert_eq!(
        world.outcome(action_id(1, "block", 1)),
        Some(Outcome::Verified)
    );
}

#[test]
fn a_redelivered_or_older_plan_changes_nothing() {
    let mut world = ready();
    world.plan(1, 2, &[step("block", block(A), 60)]);
    world.plan(1, 2, &[step("block", block(A), 60)]);
    world.plan(1, 1, &[step("block", block(B), 60)]);
    assert_eq!(world.engine.counters().plans_repeated, 2);
    assert_eq!(world.targets(), [A]);
    world.pass(65, 1);
    world.assert_over();
    world.plan(1, 2, &[step("block", block(A), 60)]);
    assert_eq!(
        world.targets(),
        Vec::<String>::new(),
        "nor after the run has closed"
    );
    world.restart();
    world.plan(1, 2, &[step("block", block(A), 60)]);
    assert_eq!(world.targets(), Vec::<String>::new(), "nor after a restart");
}

#[test]
fn new_rails_free_what_stands_against_them() {
    let mut world = ready();
    world.plan(1, 1, &[step("one", block(A), 600)]);
    world.plan(2, 1, &[step("one", block(B), 600)]);
    let rails = crate::rails::Rails {
        never_block: vec![("203.0.113.7/32".parse().unwrap(), "operator".to_owned())],
        ..crate::rails::Rails::default()
    };
    world.give(Input::Rails(rails));
    world.talk();
    assert_eq!(world.targets(), [B]);
    assert_eq!(world.outcome(action_id(1, "one", 0)), Some(Outcome::Undone));
    world.plan(3, 1, &[step("one", block(A), 600)]);
    assert_eq!(world.outcome(action_id(3, "one", 0)), Some(Outcome::Failed));
    assert_eq!(world.targets(), [B]);
}

#[test]
fn the_run_ends_at_its_deadline() {
    let mut world = ready();
    let waits = step("two", block(B), 600).gate(Gate::Approve {
        persons: 1,
        seconds: 60_000,
    });
    world.plan(1, 1, &[step("one", block(A), 20_000), waits]);
    world.pass(7201, 1);
    assert_eq!(world.outcome(action_id(1, "two", 0)), Some(Outcome::Failed));
    assert_eq!(world.targets(), [A], "what stands is held by its own time");
}

#[test]
fn the_budget_of_a_run_holds() {
    let mut world = ready();
    let mut small = plan(
        1,
        1,
        world.wall(),
        &[step("one", block(A), 600), step("two", block(B), 600)],
    );
    small.actions_max = 1;
    world.give(Input::Plan(Box::new(small)));
    world.talk();
    assert_eq!(world.targets(), [A]);
    assert_eq!(world.outcome(action_id(1, "two", 0)), Some(Outcome::Denied));
}

#[test]
fn bad_plans_are_refused_with_a_notice() {
    let mut world = ready();
    let mut late = plan(1, 1, world.wall(), &[step("one", block(A), 600)]);
    late.deadline = world.wall();
    world.give(Input::Plan(Box::new(late)));
    let unknown = step("one", block(B), 600).after("nobody");
    world.plan(2, 1, &[unknown]);
    let itself = step("one", block(B), 600).after("one");
    world.plan(3, 1, &[itself]);
    world.pass(7300, 10);
    assert_eq!(world.engine.counters().plans_refused, 1);
    assert_eq!(world.outcome(action_id(2, "one", 0)), Some(Outcome::Failed));
    assert_eq!(world.outcome(action_id(3, "one", 0)), Some(Outcome::Failed));
    world.assert_over();
}

#[test]
fn a_plan_made_while_the_block_ends_is_applied_after_it() {
    let mut world = ready();
    world.plan(1, 1, &[step("block", block(A), 60)]);
    world.pass(59, 1);
    world.chaos.lose_reply = 100;
    world.pass(2, 1);
    world.plan(1, 2, &[step("block", block(A), 60)]);
    world.chaos.lose_reply = 0;
    world.pass(8, 1);
    assert_eq!(
        world.targets(),
        [A],
        "the end was on its way when the plan came"
    );
    assert_eq!(
        world
            .engine
            .relapses("brute_force_response", "key 1", "block"),
        1
    );
}

#[test]
fn the_finding_that_moved_a_run_is_in_its_receipts_also_after_a_restart() {
    let mut world = ready();
    let finding = event::FindingId::of(&[b"finding"]);
    let wall = world.wall();
    let plan = plan(1, 1, wall, &[step("block", block(A), 60)]);
    let output = world.engine.step_plan(plan, finding, wall);
    world.carry(output);
    world.talk();
    world.restart();
    world.pass(65, 1);
    let findings: Vec<_> = world
        .receipts
        .iter()
        .map(|receipt| receipt.finding)
        .collect();
    assert_eq!(findings, [finding, finding]);
}

#[test]
fn a_flood_of_revisions_that_say_the_same_is_not_a_flood_of_records() {
    let mut world = ready();
    for revision in 1..=100 {
        let mut same = plan(1, revision, world.wall(), &[step("block", block(A), 600)]);
        same.hash = "the same steps".to_owned();
        world.give(Input::Plan(Box::new(same)));
        world.talk();
        world.pass(1, 1);
    }
    assert_eq!(
        world.engine.counters().plans,
        2,
        "the first, and one extension after a minute"
    );
    assert!(world.journal.len() <= 6, "{} records", world.journal.len());
    assert_eq!(world.kernel_left(A), Some(560));
}
