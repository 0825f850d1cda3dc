//! Nouns for tests: small, complete, told apart by a number.

use event::body::{Body, Other};
use event::decision::{Approval, ApprovalState, Decision, DecisionAnswer, Wish};
use event::journal::{JournalEntry, JournalRecord};
use event::{
    Action, ActionId, BlastRadius, Confidence, Entity, EntityRef, Event, Finding, Gate, Incident,
    IncidentId, IncidentState, JoinReason, Name, OnError, Origin, Outcome, Plan, PlanId, PlanStep,
    Receipt, ReceiptId, Role, RuleDiff, RuleRef, ScorePart, Severity, Stage, Tactic, TechniqueId,
    Time, TimeQuality, TimelineEntry, TimelineKind, Ttl,
};

use crate::{Change, DeadLetter, Session, User, UserRole};

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_seconds(1_790_000_000 + seconds)
}

pub(crate) fn event(number: u64) -> Event {
    let raw = format!("kernel: line {number} with \u{1b}[2J and \"quotes\"");
    Event {
        id: Event::id_of("auth.log", number, raw.as_bytes()),
        time: at(1),
        time_quality: TimeQuality::NoYear,
        observed: at(2),
        origin: Origin {
            stream: Name::new("auth.log"),
            parser: Name::new("syslog"),
            position: number,
        },
        host: Some(Name::new("gate")),
        body: Body::Other(Other::default()),
        spoofable: false,
        raw,
    }
}

pub(crate) fn finding(number: u64) -> Finding {
    let evidence = vec![event(number).id];
    let address = "2001:db8::7".parse().unwrap();
    Finding {
        id: Finding::id_of("brute_force", "brute_force.password_guessing", &evidence),
        time: at(i64::try_from(number).unwrap()),
        first: at(0),
        detector: Name::new("brute_force"),
        rule: RuleRef {
            id: Name::new("brute_force.password_guessing"),
            title: Name::new("Password guessing"),
        },
        severity: Severity::High,
        confidence: Confidence::new(0.1 + 0.2).unwrap(),
        techniques: vec![TechniqueId::sub(1110, 1)],
        entities: vec![EntityRef::new(Role::Source, Entity::Ip(address))],
        evidence,
        evidence_total: 1,
        why: "212 failures in 60 s".to_owned(),
        parts: vec![ScorePart {
            name: Name::new("rate"),
            value: 1.0 / 3.0,
            weight: 0.7,
        }],
        facts: [("failures".to_owned(), 212.0)].into(),
        spoofable: false,
    }
}

pub(crate) fn incident_id(number: u64) -> IncidentId {
    IncidentId::of(&[&number.to_le_bytes()])
}

pub(crate) fn incident(number: u64, state: IncidentState, severity: Severity) -> Incident {
    let latest = finding(number);
    Incident {
        id: incident_id(number),
        revision: 1,
        title: format!("Password guessing {number}"),
        state,
        severity,
        confidence: Confidence::new(0.9).unwrap(),
        stage: Some(Tactic::CredentialAccess),
        first: at(0),
        last: at(1),
        entities: latest.entities.clone(),
        techniques: latest.techniques.clone(),
        findings: vec![latest.id],
        findings_total: 1,
        joins: vec![JoinReason {
            finding: latest.id,
            why: "seed".to_owned(),
            score: 0.123_456_789_012_345_67,
        }],
        timeline: vec![TimelineEntry {
            time: at(1),
            kind: TimelineKind::Finding,
            text: "212 failures".to_owned(),
            reference: latest.id.to_string(),
        }],
        latest,
        spoofable: false,
    }
}

pub(crate) fn plan_id(number: u64) -> PlanId {
    PlanId::of(&[&number.to_le_bytes()])
}

pub(crate) fn action_id(number: u64) -> ActionId {
    ActionId::of(&[&number.to_le_bytes()])
}

pub(crate) fn action() -> Action {
    Action::BlockIp {
        target: "203.0.113.7/32".parse().unwrap(),
    }
}

pub(crate) fn step(number: u64) -> PlanStep {
    PlanStep {
        id: "block".to_owned(),
        stage: Stage::Primary,
        action: action(),
        action_id: action_id(number),
        relapse: 0,
        ttl: Ttl::new(600).unwrap(),
        after: vec!["slow".to_owned()],
        on_error: OnError::Compensate,
        gate: Gate::Veto { seconds: 120 },
        gate_why: "internal".to_owned(),
        blast: BlastRadius {
            addresses: 1,
            internal: false,
            notes: vec!["3 connections".to_owned()],
        },
        diff: RuleDiff {
            removed: Vec::new(),
            added: vec!["add element".to_owned()],
        },
        undo: "vertice undo".to_owned(),
        sentence: "Block 203.0.113.7 for 10 min".to_owned(),
    }
}

pub(crate) fn plan(number: u64, incident: u64, revision: u32) -> Plan {
    Plan {
        id: plan_id(number),
        revision,
        incident: incident_id(incident),
        playbook: "brute_force_response".to_owned(),
        playbook_version: 1,
        key: "203.0.113.7".to_owned(),
        sentence: "because".to_owned(),
        severity: Severity::High,
        confidence: Confidence::new(0.93).unwrap(),
        spoofable: false,
        created: at(i64::try_from(number).unwrap()),
        deadline: at(3600),
        actions_max: 3,
        steps: vec![step(number)],
        hash: "00".repeat(32),
    }
}

pub(crate) fn approval(number: u64, state: ApprovalState) -> Approval {
    Approval {
        id: action_id(number),
        plan: plan_id(number),
        plan_hash: "00".repeat(32),
        incident: incident_id(number),
        title: "Password guessing".to_owned(),
        step: step(number),
        gate: Gate::Approve {
            persons: 1,
            seconds: 900,
        },
        asked: at(i64::try_from(number).unwrap()),
        ends: at(900 - i64::try_from(number).unwrap()),
        approved_by: vec!["cli:root".to_owned()],
        state,
        ended: None,
    }
}

pub(crate) fn receipt(serial: u64, action_number: u64, outcome: Outcome) -> Receipt {
    let id = action_id(action_number);
    Receipt {
        id: ReceiptId::of(&[id.bytes(), outcome.word().as_bytes(), &serial.to_le_bytes()]),
        action_id: id,
        plan: plan_id(1),
        incident: incident_id(1),
        finding: finding(1).id,
        step: "block".to_owned(),
        action: action(),
        outcome,
        detail: "read back: present".to_owned(),
        intended: at(10),
        time: at(11),
        expires: outcome.stands().then(|| at(611)),
        diff: RuleDiff::default(),
        undo: "vertice undo".to_owned(),
    }
}

pub(crate) fn record(entry: JournalEntry) -> Change {
    Change::Journal(JournalRecord {
        time: at(12),
        who: "engine".to_owned(),
        entry,
    })
}

pub(crate) fn receipt_record(serial: u64, action_number: u64, outcome: Outcome) -> Change {
    record(JournalEntry::Receipt {
        receipt: Box::new(receipt(serial, action_number, outcome)),
    })
}

pub(crate) fn notice(text: &str) -> Change {
    record(JournalEntry::Notice {
        text: text.to_owned(),
    })
}

pub(crate) fn decision(reason: &str) -> Decision {
    Decision {
        who: "cli:root".to_owned(),
        time: at(20),
        reason: reason.to_owned(),
        wish: Wish::Approve {
            action: action_id(1),
            plan_hash: "00".repeat(32),
        },
    }
}

pub(crate) fn answer(detail: &str) -> DecisionAnswer {
    DecisionAnswer {
        accepted: true,
        detail: detail.to_owned(),
    }
}

pub(crate) fn user(name: &str, role: UserRole) -> User {
    User {
        name: name.to_owned(),
        role,
        password_hash: format!("$argon2id${name}"),
        created: at(0),
    }
}

pub(crate) fn session(number: u8, user: &str, role: UserRole) -> Session {
    Session {
        token_hash: [number; 32],
        user: user.to_owned(),
        role,
        csrf: "token".to_owned(),
        created: at(0),
        expires: at(i64::from(number)),
    }
}

pub(crate) fn letter(position: u64, bytes: &[u8]) -> DeadLetter {
    DeadLetter {
        id: 0,
        time: at(5),
        stage: "sshd".to_owned(),
        reason: "not understood".to_owned(),
        stream: "auth.log".to_owned(),
        position,
        bytes: bytes.to_vec(),
    }
}
