//! An invented afternoon on a small network, in documentation addresses: for the preview and for
//! tests. Nothing of it was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use event::body::{Auth, AuthOutcome, Peer};
use event::decision::{Approval, ApprovalState};
use event::journal::{JournalEntry, JournalRecord};
use event::{
    Action, ActionId, BlastRadius, Body, Confidence, Entity, EntityRef, Event, Finding, FindingId,
    Gate, Incident, IncidentId, IncidentState, JoinReason, Name, OnError, Origin, Outcome, Plan,
    PlanId, PlanStep, Rate, Receipt, ReceiptId, Role, RuleDiff, RuleRef, ScorePart, Severity,
    Stage, Tactic, TechniqueId, Time, TimeQuality, TimelineEntry, TimelineKind, Ttl,
};
use store::{Change, HopStatus, SourceStatus, Status, Store, StoreError};

/// What an incident is about; the rest is made from it.
pub(crate) struct Case {
    /// Seeds all ids.
    pub(crate) key: String,
    /// One sentence.
    pub(crate) title: String,
    /// How bad.
    pub(crate) severity: Severity,
    /// Where it stands.
    pub(crate) state: IncidentState,
    /// Minutes before now at which it began.
    pub(crate) began_min: u64,
    /// The attacker's address.
    pub(crate) source: &'static str,
    /// What its finding says.
    pub(crate) why: String,
    /// What the log line said.
    pub(crate) raw: String,
    /// The gate of its one step; `None` = no plan.
    pub(crate) gate: Option<Gate>,
    /// Put into every other text field: names, notes, commands.
    pub(crate) words: Option<String>,
    /// What became of the step.
    pub(crate) outcome: Option<Outcome>,
}

/// The cases of the preview.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = open_cases();
    cases.extend(past_cases());
    cases
}

fn open_cases() -> Vec<Case> {
    let approve = Gate::Approve {
        persons: 1,
        seconds: 900,
    };
    vec![
        Case {
            key: "guessing".into(),
            title: "Password guessing by 203.0.113.7 against root on web01 succeeded after 212 failures".into(),
            severity: Severity::Critical,
            state: IncidentState::Open,
            began_min: 47,
            source: "203.0.113.7",
            why: "212 failed logins of root within 9 min from 203.0.113.7, then one that was let in".into(),
            raw: "Nov 25 02:21:07 web01 sshd[41822]: Failed password for root from 203.0.113.7 port 50122 ssh2".into(),
            words: None,
            gate: Some(approve),
            outcome: None,
        },
        Case {
            key: "scan".into(),
            title: "Scan of 1,024 ports on gw01 by 198.51.100.23".into(),
            severity: Severity::Medium,
            state: IncidentState::Open,
            began_min: 12,
            source: "198.51.100.23",
            why: "1,024 ports of gw01 tried within 40 s, 1,019 of them without an answer".into(),
            raw: r#"{"event_type":"flow","src_ip":"198.51.100.23","dest_ip":"192.0.2.1","dest_port":3389}"#.into(),
            words: None,
            gate: Some(Gate::Veto { seconds: 300 }),
            outcome: None,
        },
    ]
}

fn past_cases() -> Vec<Case> {
    vec![
        Case {
            key: "spray".into(),
            title: "One password tried on 38 accounts of mail01 by 192.0.2.144".into(),
            severity: Severity::High,
            state: IncidentState::Contained,
            began_min: 190,
            source: "192.0.2.144",
            why: "38 accounts tried once each within 6 min from 192.0.2.144, 31 of them do not exist".into(),
            raw: "Nov 25 00:11:40 mail01 sshd[2290]: Invalid user oracle from 192.0.2.144 port 41210".into(),
            words: None,
            gate: Some(Gate::Ratify { seconds: 600 }),
            outcome: Some(Outcome::Verified),
        },
        Case {
            key: "slow".into(),
            title: "Slow guessing of deploy on web02 by 2001:db8:77::19, 41 tries in 11 h".into(),
            severity: Severity::Medium,
            state: IncidentState::Contained,
            began_min: 700,
            source: "2001:db8:77::19",
            why: "41 failed logins of deploy in 11 h, one every 16 min, from 2001:db8:77::19".into(),
            raw: "Nov 25 01:40:02 web02 sshd[991]: Failed password for deploy from 2001:db8:77::19 port 60102 ssh2".into(),
            words: None,
            gate: Some(Gate::Auto),
            outcome: Some(Outcome::Verified),
        },
        Case {
            key: "probe".into(),
            title: "Connections without a login from 203.0.113.200 to web01".into(),
            severity: Severity::Low,
            state: IncidentState::Closed,
            began_min: 1100,
            source: "203.0.113.200",
            why: "19 connections closed before authentication".into(),
            raw: "Nov 24 09:03:11 web01 sshd[702]: Connection closed by 203.0.113.200 port 4022 [preauth]".into(),
            words: None,
            gate: Some(Gate::Auto),
            outcome: Some(Outcome::Expired),
        },
    ]
}

/// As many open cases as wanted, all waiting: a bad day.
pub(crate) fn many(count: usize) -> Vec<Case> {
    let copies = (0..count).filter_map(|number| {
        let mut case = open_cases().into_iter().next()?;
        case.key = format!("many-{number}");
        Some(case)
    });
    copies.collect()
}

/// Writes `cases` into an empty store.
///
/// # Errors
/// When the store refuses.
pub(crate) fn fill(store: &dyn Store, cases: &[Case], now: Time) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for case in cases {
        push(&mut changes, case, now);
    }
    store.commit(changes)
}

fn push(changes: &mut Vec<Change>, case: &Case, now: Time) {
    let event = event_of(case, now);
    let finding = finding_of(case, &event, now);
    let incident = incident_of(case, &finding, now);
    let id = incident.id;
    changes.push(Change::Evidence(event));
    changes.push(Change::Incident(incident));
    changes.push(Change::Finding {
        incident: id,
        finding: finding.clone(),
    });
    let Some(gate) = case.gate else { return };
    let plan = plan_of(case, id, gate, now);
    let waits = !matches!(gate, Gate::Auto | Gate::Deny);
    if waits {
        changes.push(journal(now, gate_entry(case, &plan, gate, now)));
    }
    if let Some(outcome) = case.outcome {
        let receipt = receipt_of(&plan, finding.id, outcome, now);
        changes.push(journal(
            now,
            JournalEntry::Receipt {
                receipt: Box::new(receipt),
            },
        ));
    }
    let planned = JournalEntry::Planned {
        plan: Box::new(plan),
    };
    changes.push(journal(now, planned));
}

fn journal(time: Time, entry: JournalEntry) -> Change {
    Change::Journal(JournalRecord {
        time,
        who: "engine".into(),
        entry,
    })
}

/// The incident's id of a case.
pub(crate) fn incident_id(key: &str) -> IncidentId {
    IncidentId::of(&[key.as_bytes()])
}

/// The action's id of a case.
pub(crate) fn action_id(key: &str) -> ActionId {
    ActionId::of(&[key.as_bytes()])
}

fn began(case: &Case, now: Time) -> Time {
    now.minus(Duration::from_secs(case.began_min * 60))
}

fn event_of(case: &Case, now: Time) -> Event {
    let time = began(case, now);
    Event {
        id: Event::id_of("auth.log", case.began_min, case.raw.as_bytes()),
        time,
        time_quality: TimeQuality::Exact,
        observed: time,
        origin: Origin {
            stream: Name::new(&said(case, "/var/log/auth.log")),
            parser: Name::new("sshd"),
            position: 48_120 + case.began_min,
        },
        host: Some(Name::new("web01")),
        body: Body::Auth(Auth {
            outcome: AuthOutcome::Failed,
            service: Name::new("sshd"),
            method: Some(Name::new("password")),
            user: Some(Name::new("root")),
            user_exists: Some(true),
            peer: Some(Peer::new(case.source, Some(50_122))),
            pid: Some(41_822),
            count: 1,
        }),
        spoofable: false,
        raw: case.raw.clone(),
    }
}

fn finding_of(case: &Case, event: &Event, now: Time) -> Finding {
    let part = |name: &str, value: f64, weight: f64| ScorePart {
        name: Name::new(name),
        value,
        weight,
    };
    Finding {
        id: FindingId::of(&[case.key.as_bytes()]),
        time: began(case, now).plus(Duration::from_secs(540)),
        first: began(case, now),
        detector: Name::new(&said(case, "brute_force")),
        rule: RuleRef {
            id: Name::new(&said(case, "brute_force.password_guessing")),
            title: Name::new(&said(case, "Many failed logins of one account")),
        },
        severity: case.severity,
        confidence: Confidence::clamped(0.97),
        techniques: vec![TechniqueId::sub(1110, 1)],
        entities: entities(case),
        evidence: vec![event.id],
        evidence_total: 213,
        why: case.why.clone(),
        parts: vec![
            part(&said(case, "failures"), 0.98, 0.5),
            part("rate against the host's own baseline", 0.91, 0.3),
            part("success after failures", 1.0, 0.2),
        ],
        facts: BTreeMap::new(),
        spoofable: false,
    }
}

fn entities(case: &Case) -> Vec<EntityRef> {
    let source = case
        .source
        .parse()
        .map_or_else(|_| Entity::Domain(Name::new(case.source)), Entity::Ip);
    vec![
        EntityRef::new(Role::Source, source),
        EntityRef::new(
            Role::Destination,
            Entity::Host(Name::new(&said(case, "web01"))),
        ),
        EntityRef::new(Role::Target, Entity::User(Name::new(&said(case, "root")))),
    ]
}

fn incident_of(case: &Case, finding: &Finding, now: Time) -> Incident {
    Incident {
        id: incident_id(&case.key),
        revision: 3,
        title: case.title.clone(),
        state: case.state,
        severity: case.severity,
        confidence: Confidence::clamped(0.97),
        stage: Some(Tactic::CredentialAccess),
        first: finding.first,
        last: finding.time,
        entities: finding.entities.clone(),
        techniques: vec![TechniqueId::sub(1110, 1), TechniqueId::new(1078)],
        findings: vec![finding.id],
        findings_total: 4,
        latest: finding.clone(),
        joins: vec![JoinReason {
            finding: finding.id,
            why: said(case, "first of its kind"),
            score: 0.0,
        }],
        timeline: timeline(case, finding, now),
        spoofable: false,
    }
}

fn timeline(case: &Case, finding: &Finding, now: Time) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    let mut say = |seconds: u64, kind: TimelineKind, text: String| {
        entries.push(TimelineEntry {
            time: began(case, now).plus(Duration::from_secs(seconds)),
            kind,
            text: said(case, &text),
            reference: finding.id.to_string(),
        });
    };
    say(
        0,
        TimelineKind::Finding,
        format!("{} opens the first connection to web01", case.source),
    );
    say(
        95,
        TimelineKind::Finding,
        format!("{} tries 30 passwords of root within 90 s", case.source),
    );
    say(540, TimelineKind::Finding, case.why.clone());
    if case.gate.is_some() {
        say(
            541,
            TimelineKind::Plan,
            "brute_force_response v1 plans: rate limit, then block".into(),
        );
        say(
            542,
            TimelineKind::Receipt,
            format!("Rate limit of {} to 5/min: read back, stands", case.source),
        );
    }
    if case.outcome.is_some() {
        say(
            2400,
            TimelineKind::Decision,
            "ana ratified the block: \"known scanner\"".into(),
        );
    }
    entries
}

fn plan_of(case: &Case, incident: IncidentId, gate: Gate, now: Time) -> Plan {
    Plan {
        id: PlanId::of(&[case.key.as_bytes()]),
        revision: 1,
        incident,
        playbook: said(case, "brute_force_response"),
        playbook_version: 1,
        key: case.source.into(),
        sentence: format!("{} guessed passwords on web01", case.source),
        severity: case.severity,
        confidence: Confidence::clamped(0.97),
        spoofable: false,
        created: now.minus(Duration::from_secs(200)),
        deadline: now.plus(Duration::from_secs(86_400)),
        actions_max: 20,
        steps: vec![step_of(case, gate)],
        hash: plan_hash(&case.key),
    }
}

/// The hash of a case's plan.
pub(crate) fn plan_hash(key: &str) -> String {
    format!("hash-of-{key}")
}

/// `usual`, or what the case puts everywhere.
fn said(case: &Case, usual: &str) -> String {
    case.words.clone().unwrap_or_else(|| usual.to_owned())
}

fn step_of(case: &Case, gate: Gate) -> PlanStep {
    let blocks = !matches!(gate, Gate::Veto { .. });
    let address = case.source;
    let (action, rule, sentence) = effect_of(case, blocks);
    PlanStep {
        id: said(case, if blocks { "block" } else { "limit" }),
        stage: if blocks {
            Stage::Primary
        } else {
            Stage::Reflex
        },
        action,
        action_id: action_id(&case.key),
        relapse: 0,
        ttl: Ttl::new(if blocks { 3600 } else { 600 }).expect("between 1 s and 30 days"),
        after: Vec::new(),
        on_error: OnError::Compensate,
        gate,
        gate_why: said(
            case,
            "severity critical, confidence 97 %, one address outside: the matrix asks one person",
        ),
        blast: BlastRadius {
            addresses: 1,
            internal: false,
            notes: vec![
                said(
                    case,
                    "1 connection is open to it now: ssh to web01, 38 min old",
                ),
                "never seen as benign in the last 30 days".into(),
                "not on an allow-list, no CDN range".into(),
            ],
        },
        diff: RuleDiff {
            removed: vec![said(case, &format!("element limit4 {{ {address} }}"))],
            added: vec![said(case, &rule)],
        },
        undo: said(
            case,
            &format!("vertice undo {}", ReceiptId::of(&[case.key.as_bytes()])),
        ),
        sentence: said(case, &sentence),
    }
}

/// Action, rule and sentence.
fn effect_of(case: &Case, blocks: bool) -> (Action, String, String) {
    let address = case.source;
    match address.parse() {
        Ok(address) if !blocks => (
            Action::RateLimit {
                address,
                rate: Rate {
                    packets: 5,
                    per_seconds: 60,
                },
            },
            format!("add element inet vertice limit4 {{ {address} timeout 10m }}"),
            format!("Limit {address} to 5 new packets a minute for 10 min"),
        ),
        Ok(address) => (
            Action::BlockIp {
                target: event::Address::ip(address).into(),
            },
            format!("add element inet vertice block4 {{ {address} timeout 1h }}"),
            format!("Block {address} on web01 for 1 h"),
        ),
        Err(_) => (
            Action::BlockIp {
                target: std::net::IpAddr::from([203, 0, 113, 99]).into(),
            },
            format!("add element inet vertice block4 {{ {address} }}"),
            format!("Block {address}"),
        ),
    }
}

fn gate_entry(case: &Case, plan: &Plan, gate: Gate, now: Time) -> JournalEntry {
    let seconds = match gate {
        Gate::Ratify { seconds } | Gate::Veto { seconds } | Gate::Approve { seconds, .. } => {
            seconds
        }
        Gate::Auto | Gate::Deny => 0,
    };
    let asked = now.minus(Duration::from_secs(u64::from(seconds) / 3));
    JournalEntry::Gate {
        approval: Box::new(Approval {
            id: action_id(&case.key),
            plan: plan.id,
            plan_hash: plan.hash.clone(),
            incident: plan.incident,
            title: case.title.clone(),
            step: step_of(case, gate),
            gate,
            asked,
            ends: asked.plus(Duration::from_secs(u64::from(seconds))),
            approved_by: Vec::new(),
            state: ApprovalState::Waiting,
            ended: None,
        }),
    }
}

/// The receipt of a plan's only step.
pub(crate) fn receipt_of(plan: &Plan, finding: FindingId, outcome: Outcome, now: Time) -> Receipt {
    let step = plan.steps.first().expect("every plan here has one step");
    let stands = outcome.stands();
    Receipt {
        id: ReceiptId::of(&[plan.key.as_bytes(), outcome.word().as_bytes()]),
        action_id: step.action_id,
        plan: plan.id,
        incident: plan.incident,
        finding,
        step: step.id.clone(),
        action: step.action.clone(),
        outcome,
        detail: if stands {
            "read back: the element stands in the set".into()
        } else {
            "read back: absent".into()
        },
        intended: now.minus(Duration::from_secs(181)),
        time: now.minus(Duration::from_secs(180)),
        expires: stands.then(|| now.plus(Duration::from_secs(2710))),
        diff: step.diff.clone(),
        undo: step.undo.clone(),
    }
}

/// A node that is well, but for one silent source.
pub(crate) fn status(now: Time) -> Status {
    let source = |name: &str, ago: u64, lines: u64, dropped: u64, bad: u64| SourceStatus {
        name: name.into(),
        last_seen: Some(now.minus(Duration::from_secs(ago))),
        lines,
        kept: lines - dropped - bad,
        dropped,
        bad,
    };
    let hop = |name: &str, rate: f64, queue_bytes: u64, p99_ms: f64| HopStatus {
        name: name.into(),
        rate,
        queue_bytes,
        queue_limit_bytes: 64 << 20,
        drops: 0,
        p99_ms,
    };
    Status {
        node: "gw01".into(),
        version: "0.1.0".into(),
        mode: event::Mode::Ask,
        started: now.minus(Duration::from_secs(372_000)),
        now,
        uptime_s: 372_000,
        ready: true,
        actuator: store::ActuatorStatus {
            state: "ready, table inet vertice".into(),
            reachable: true,
            generation: 2,
        },
        sources: vec![
            source("/var/log/auth.log", 2, 1_204_332, 911, 3),
            source("/var/log/suricata/eve.json", 1, 8_820_120, 20_411, 0),
            source("udp 192.0.2.1:514", 2_400, 55_210, 0, 12),
        ],
        events_total: 10_058_325,
        findings_total: 391,
        events_per_s: 214.6,
        late_events: 18,
        hops: vec![
            hop("sources", 214.6, 12_288, 0.4),
            hop("detectors", 214.6, 96_000, 0.9),
            hop("fusion", 0.2, 0, 0.3),
            hop("response", 0.1, 0, 1.8),
            hop("actuator", 0.0, 0, 4.2),
        ],
        log_bytes: 3_400_120_330,
        dead_letters: 15,
        ..Status::default()
    }
}
