//! The engine against a model of the world.

mod basics;
mod crash;
mod gates;
mod load;
mod random;
mod sim;
mod truth;
mod undo;

use event::actuate::{Answer, Reply, Verb};
use event::decision::{Decision, Wish};
use event::{
    Action, ActionId, BlastRadius, Confidence, Gate, IncidentId, Mode, OnError, Plan, PlanId,
    PlanStep, RuleDiff, Severity, Stage, Time, Ttl,
};

use super::{Engine, EngineConfig, Input};
use sim::World;

fn act() -> EngineConfig {
    EngineConfig {
        mode: Mode::Act,
        ..EngineConfig::default()
    }
}

fn in_mode(mode: Mode) -> EngineConfig {
    EngineConfig {
        mode,
        ..EngineConfig::default()
    }
}

fn block(address: &str) -> Action {
    Action::BlockIp {
        target: ipnet::IpNet::from(address.parse::<std::net::IpAddr>().unwrap()),
    }
}

fn rate(address: &str) -> Action {
    Action::RateLimit {
        address: address.parse().unwrap(),
        rate: "5/min".parse().unwrap(),
    }
}

/// A step of the plans below.
#[derive(Clone)]
struct Wanted {
    id: &'static str,
    action: Action,
    ttl: u64,
    gate: Gate,
    after: Vec<String>,
    on_error: OnError,
    relapse: u32,
}

fn step(id: &'static str, action: Action, ttl: u64) -> Wanted {
    Wanted {
        id,
        action,
        ttl,
        gate: Gate::Auto,
        after: Vec::new(),
        on_error: OnError::Compensate,
        relapse: 0,
    }
}

impl Wanted {
    fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    fn after(mut self, step: &str) -> Self {
        self.after.push(step.to_owned());
        self
    }

    fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    fn relapse(mut self, relapse: u32) -> Self {
        self.relapse = relapse;
        self
    }
}

fn plan_id(incident: u32) -> PlanId {
    PlanId::of(&[b"plan", &incident.to_le_bytes()])
}

fn action_id(incident: u32, step: &str, relapse: u32) -> ActionId {
    let plan = plan_id(incident);
    ActionId::of(&[plan.bytes(), step.as_bytes(), &relapse.to_le_bytes()])
}

fn plan(incident: u32, revision: u32, now: Time, steps: &[Wanted]) -> Plan {
    let resolved = steps.iter().map(|wanted| PlanStep {
        id: wanted.id.to_owned(),
        stage: Stage::Primary,
        action: wanted.action.clone(),
        action_id: action_id(incident, wanted.id, wanted.relapse),
        relapse: wanted.relapse,
        ttl: Ttl::new(wanted.ttl).unwrap(),
        after: wanted.after.clone(),
        on_error: wanted.on_error,
        gate: wanted.gate,
        gate_why: "by the test".to_owned(),
        blast: BlastRadius::default(),
        diff: RuleDiff {
            removed: Vec::new(),
            added: vec![format!("add {}", wanted.action.target())],
        },
        undo: format!("vertice undo --run {}", plan_id(incident)),
        sentence: format!("Stop {}", wanted.action.target()),
    });
    Plan {
        id: plan_id(incident),
        revision,
        incident: IncidentId::of(&[&incident.to_le_bytes()]),
        playbook: "brute_force_response".to_owned(),
        playbook_version: 1,
        key: format!("key {incident}"),
        sentence: "made by a test".to_owned(),
        severity: Severity::High,
        confidence: Confidence::ONE,
        spoofable: false,
        created: now,
        deadline: now.plus(std::time::Duration::from_secs(7200)),
        actions_max: 20,
        steps: resolved.collect(),
        hash: format!("hash {incident} {revision}"),
    }
}

fn decision(world: &World, who: &str, wish: Wish) -> Decision {
    Decision {
        who: who.to_owned(),
        time: world.wall(),
        reason: "by the test".to_owned(),
        wish,
    }
}

impl World {
    fn plan(&mut self, incident: u32, revision: u32, steps: &[Wanted]) {
        let plan = plan(incident, revision, self.wall(), steps);
        self.give(Input::Plan(Box::new(plan)));
        self.talk();
    }

    fn decide(&mut self, ticket: i64, who: &str, wish: Wish) {
        let decision = decision(self, who, wish);
        self.give(Input::Decision { ticket, decision });
        self.talk();
    }

    fn answer_to(&self, ticket: i64) -> (bool, &str) {
        let mut answers = self.answers.iter().rev();
        let (_, answer) = answers
            .find(|(number, _)| *number == ticket)
            .expect("an answer");
        (answer.accepted, &answer.detail)
    }

    /// Everything is over and nothing is left.
    fn assert_over(&self) {
        assert_eq!(self.targets(), Vec::<String>::new());
        assert!(
            self.engine.tables.runs.is_empty(),
            "{:?}",
            self.engine.tables.runs
        );
        assert!(self.engine.tables.actions.is_empty());
        assert!(self.engine.tables.effects.is_empty());
        assert!(self.engine.tables.receipts.is_empty());
        assert!(self.engine.tables.timers.is_empty());
        assert!(self.engine.waiting().is_empty());
    }
}

/// Seeds to run: 50, or as many as the environment asks for.
fn seeds() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's size is the caller's choice"
    )]
    let asked = std::env::var("VERTICE_SEEDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(50)
}
