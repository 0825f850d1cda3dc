//! Stories nobody thought of: random plans, revisions, decisions and failures on few addresses.
//! Whatever happens, the caps hold, nothing stands unwanted, and everything ends.

use super::*;
use event::journal::JournalEntry;
use event::{Outcome, Receipt};

use crate::engine::state::Phase;

const BLOCKS_PER_MINUTE: u32 = 4;

fn config() -> EngineConfig {
    let mut config = act();
    config.caps.ip_blocks_per_minute = BLOCKS_PER_MINUTE;
    config.caps.live_blocks = 6;
    config
}

fn any_gate(random: &mut sim::Random) -> Gate {
    match random.below(8) {
        0 => Gate::Veto { seconds: 5 },
        1 => Gate::Ratify { seconds: 10 },
        2 => Gate::Approve {
            persons: 2,
            seconds: 20,
        },
        3 => Gate::Deny,
        _ => Gate::Auto,
    }
}

fn any_steps(world: &mut World, incident: u32) -> Vec<Wanted> {
    const IDS: [&str; 3] = ["one", "two", "three"];
    let mut steps: Vec<Wanted> = Vec::new();
    for id in IDS.into_iter().take(1 + world.random.below(3) as usize) {
        let address = format!("203.0.113.{}", world.random.below(6));
        let action = if world.random.percent(70) {
            block(&address)
        } else {
            rate(&address)
        };
        let key = format!("key {incident}");
        let relapse = world.engine.relapses("brute_force_response", &key, id);
        let mut wanted = step(id, action, 20 + world.random.below(60)).relapse(relapse);
        wanted = wanted.gate(any_gate(&mut world.random));
        if world.random.percent(30) {
            wanted = wanted.on_error(OnError::Continue);
        }
        if let Some(before) = steps.last().filter(|_| world.random.0.is_multiple_of(2)) {
            wanted = wanted.after(before.id);
        }
        steps.push(wanted);
    }
    steps
}

fn any_decision(world: &mut World, ticket: i64) {
    let incident = world.random.below(5) as u32;
    let waiting: Vec<(ActionId, String)> = world
        .engine
        .waiting()
        .iter()
        .map(|approval| (approval.id, approval.plan_hash.clone()))
        .collect();
    let chosen = waiting
        .get(world.random.below(waiting.len() as u64) as usize)
        .cloned();
    let newest = world.receipts.last().map(|receipt| receipt.id);
    let who = ["cli:root", "console:ana", "console:bea"][world.random.below(3) as usize];
    let wish = match (world.random.below(10), chosen, newest) {
        (0, ..) => Wish::UndoAll,
        (1 | 2, ..) => Wish::UndoRun {
            plan: plan_id(incident),
        },
        (3, _, Some(receipt)) => Wish::Undo { receipt },
        (4, Some((action, _)), _) => Wish::Deny { action },
        (_, Some((action, plan_hash)), _) => Wish::Approve { action, plan_hash },
        _ => return,
    };
    world.decide(ticket, who, wish);
}

fn any_event(world: &mut World, revisions: &mut [u32; 5], second: u64) {
    match world.random.below(10) {
        0..=2 => {
            let incident = world.random.below(5) as usize;
            revisions[incident] += 1;
            let steps = any_steps(world, incident as u32);
            let mut plan = plan(incident as u32, revisions[incident], world.wall(), &steps);
            for step in &mut plan.steps {
                let target = step.action.target() + step.action.kind().word();
                let parts = [
                    plan.id.bytes().as_slice(),
                    step.id.as_bytes(),
                    target.as_bytes(),
                ];
                let relapse = step.relapse.to_le_bytes();
                step.action_id = ActionId::of(&[parts.as_slice(), &[&relapse]].concat());
            }
            world.give(Input::Plan(Box::new(plan)));
            world.talk();
        }
        3 | 4 => any_decision(world, second as i64),
        5 => {
            let target = format!("203.0.113.{}", world.random.below(6));
            match world.random.below(3) {
                0 => world.railed.insert(target),
                1 => world.failing.insert(target),
                _ => world.railed.remove(&target) || world.failing.remove(&target),
            };
        }
        _ => {}
    }
}

/// No minute sees more automatic new blocks than the cap.
fn assert_caps(world: &World, what: &str) {
    let mut blocks: Vec<Time> = Vec::new();
    let mut open: std::collections::BTreeSet<ActionId> = std::collections::BTreeSet::new();
    let mut verified = open.clone(); // lost later, it keeps its claim
    let mut kinds = std::collections::BTreeMap::new();
    for record in &world.journal {
        match &record.entry {
            JournalEntry::Planned { plan } => {
                let steps = plan.steps.iter();
                kinds.extend(steps.map(|step| (step.action_id, step.action.clone())));
            }
            JournalEntry::Intent {
                action, approved, ..
            } => {
                let held = open.iter().any(|other| kinds[other] == kinds[action]);
                let fresh = open.insert(*action) && !held;
                if fresh && !approved && matches!(kinds[action], Action::BlockIp { .. }) {
                    blocks.push(record.time);
                }
            }
            JournalEntry::UndoIntent { action, .. } => {
                open.remove(action);
            }
            JournalEntry::Receipt { receipt } => {
                let lost =
                    receipt.outcome == Outcome::Failed && verified.contains(&receipt.action_id);
                if receipt.outcome == Outcome::Verified {
                    verified.insert(receipt.action_id);
                } else if ends(receipt) && !lost {
                    open.remove(&receipt.action_id);
                    verified.remove(&receipt.action_id);
                }
            }
            _ => {}
        }
    }
    for (index, time) in blocks.iter().enumerate() {
        let later = blocks.iter().skip(index);
        let minute = later
            .take_while(|other| other.since(*time).as_secs() < 60)
            .count();
        assert!(
            minute <= BLOCKS_PER_MINUTE as usize,
            "{what}: {minute} blocks in a minute"
        );
    }
}

fn ends(receipt: &Receipt) -> bool {
    !matches!(
        receipt.outcome,
        Outcome::Applied | Outcome::Verified | Outcome::Unknown
    )
}

/// What is called verified stands, and the other way round.
fn assert_true(world: &World, what: &str) {
    let targets = world.targets();
    for action in world.engine.tables.actions.values() {
        if action.phase == Phase::Standing {
            let target = action.step.action.target();
            assert!(
                targets.contains(&target),
                "{what}: {target} is said to stand"
            );
        }
    }
}

/// Open waits; a veto's end is left out, for a restart gives it anew.
fn waits(engine: &Engine) -> Vec<(ActionId, String, Vec<String>, Option<Time>)> {
    let waits = engine.waiting().into_iter().cloned();
    let shown = waits.map(|wait| {
        let ends = (!matches!(wait.gate, Gate::Veto { .. })).then_some(wait.ends);
        (wait.id, wait.plan_hash, wait.approved_by, ends)
    });
    shown.collect()
}

/// The journal alone says the same as the engine that wrote it.
fn assert_fold(world: &World, what: &str) {
    let mut folded = Engine::restore(config(), world.journal.clone());
    folded.step(Input::Tick, world.wall());
    let live = |engine: &Engine| -> Vec<(ActionId, Time, bool)> {
        let actions = engine.tables.actions.iter();
        let claiming = actions.filter(|(_, action)| action.phase.claims());
        claiming
            .map(|(id, action)| (*id, action.until, action.approved))
            .collect()
    };
    let refused = |engine: &Engine| -> Vec<ActionId> {
        let actions = engine.tables.actions.iter();
        actions
            .filter(|(_, action)| action.refused)
            .map(|(id, _)| *id)
            .collect()
    };
    assert_eq!(live(&folded), live(&world.engine), "{what}");
    assert_eq!(refused(&folded), refused(&world.engine), "{what}");
    assert_eq!(waits(&folded), waits(&world.engine), "{what}");
    assert_eq!(folded.tables.held, world.engine.tables.held, "{what}");
    for incident in 0..5 {
        let key = format!("key {incident}");
        for id in ["one", "two", "three"] {
            let count = |engine: &Engine| engine.relapses("brute_force_response", &key, id);
            assert_eq!(count(&folded), count(&world.engine), "{what}: {key} {id}");
        }
    }
}

fn run(seed: u64, chaos: sim::Chaos) {
    let what = format!("seed {seed}");
    let mut world = World::new(config(), seed);
    world.chaos = chaos;
    world.unwanted_max_s = 140;
    world.late_max_s = 40;
    let mut revisions = [0; 5];
    for second in 0..150 {
        any_event(&mut world, &mut revisions, second);
        world.pass(1, 1);
    }
    world.chaos = sim::Chaos::default();
    world.give(Input::Tick);
    assert_fold(&world, &what);
    world.railed.clear();
    world.failing.clear();
    world.pass(45, 1);
    assert_true(&world, &what);
    assert_caps(&world, &what);
    world.pass(7400, 60);
    world.assert_over();
}

#[test]
fn whatever_happens_the_caps_hold_and_everything_ends() {
    for seed in 0..seeds() {
        run(seed, sim::Chaos::default());
    }
}

#[test]
fn whatever_happens_amid_chaos_and_crashes_too() {
    let chaos = sim::Chaos {
        lose_reply: 10,
        die_between: 3,
        hang: 3,
        flush: 3,
        crash: 2,
    };
    for seed in 5000..5000 + seeds() {
        run(seed, chaos);
    }
}
