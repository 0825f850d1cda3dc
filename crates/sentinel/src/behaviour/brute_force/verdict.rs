//! From counts to findings: confidence by named parts, severity, the sentence for a person.
//!
//! The calibration is in README.md; each part is a noisy-or contribution `value · weight`.

use event::{Entity, EntityRef, Finding, Name, Role, ScorePart, Severity, TechniqueId};

use super::attempts::{Attempts, Login, NAMES_MAX, Weight};
use super::distinct::Distinct;
use super::limits::Limits;
use super::source::Source;
use crate::claim::{Claim, Evidence, Rule, counted, host_entities, on_host, part, spoken};

const DETECTOR: &str = super::NAME;
const GUESSING: Rule = Rule {
    detector: DETECTOR,
    id: "brute_force.password_guessing",
    title: "Password guessing from one source",
    techniques: &[TechniqueId::sub(1110, 1)],
};
const SPRAYING: Rule = Rule {
    detector: DETECTOR,
    id: "brute_force.password_spraying",
    title: "One source fails at many accounts",
    techniques: &[TechniqueId::sub(1110, 3)],
};
const DISTRIBUTED: Rule = Rule {
    detector: DETECTOR,
    id: "brute_force.distributed_guessing",
    title: "Many sources fail at one account",
    techniques: &[TechniqueId::new(1110)],
};
const SUCCESS: Rule = Rule {
    detector: DETECTOR,
    id: "brute_force.success_after_failures",
    title: "Login succeeded after failures from the same source",
    techniques: &[TechniqueId::new(1078), TechniqueId::new(1110)],
};

/// Every technique of this detector, sorted.
pub(super) const TECHNIQUES: &[TechniqueId] = &[
    TechniqueId::new(1078),
    TechniqueId::new(1110),
    TechniqueId::sub(1110, 1),
    TechniqueId::sub(1110, 3),
];

/// Confidence that a burst at the threshold is guessing, before any other part.
const BASE: f64 = 0.58;

/// A source guesses passwords at a host.
pub(super) fn guessing(source: &Source, host: &Name, state: &Attempts, limits: &Limits) -> Finding {
    let total = state.burst.total;
    let users = state.burst.users.len();
    let parts = parts(state, total, limits);
    let why = format!(
        "{source} failed {} for {}{}{}",
        counted(total.failures, "time"),
        users_text(state),
        on_host(host),
        weak_text(&total),
    );
    let severity = if total.tenths(limits.failures_tenths()) >= 4 * limits.failures_tenths() {
        Severity::High
    } else {
        Severity::Medium
    };
    GUESSING.finding(Claim {
        severity,
        parts,
        entities: entities(source, host, state),
        evidence: evidence(state),
        why,
        facts: vec![
            ("failures", number(total.failures)),
            ("distinct_users", number(users as u64)),
            ("success_after_failures", 0.0),
            ("window_s", number(limits.window().as_secs())),
        ],
    })
}

/// A login succeeded from a source that had failed before: `failures` are the weighted ones
/// before the login.
pub(super) fn success(
    (source, host): (&Source, &Name),
    state: &Attempts,
    login: &Login,
    failures: Weight,
    limits: &Limits,
) -> Finding {
    let users = state.burst.users.len();
    let threshold = limits.failures_tenths();
    let severity = match failures.tenths(threshold) {
        tenths if tenths >= 2 * threshold => Severity::Critical,
        tenths if tenths >= threshold || users > 1 => Severity::High,
        _ => Severity::Medium, // perhaps the person that mistypes most
    };
    let mut parts = parts(state, failures, limits);
    parts.push(part(
        "success",
        f64::from(u8::from(severity > Severity::Medium)),
        0.4,
    ));
    let mut entities = entities(source, host, state);
    entities.retain(|found| found.role != Role::Target);
    entities.push(EntityRef::new(
        Role::Target,
        Entity::User(login.user.clone()),
    ));
    let mut evidence = evidence(state);
    evidence.seen.push((login.time, login.id));
    evidence.total = evidence.total.saturating_add(1);
    evidence.spoofable |= login.spoofable;
    SUCCESS.finding(Claim {
        severity,
        parts,
        entities,
        evidence,
        why: format!(
            "{source} logged in as {}{} after {} for {}",
            login.user,
            on_host(host),
            counted(failures.failures, "failure"),
            users_text(state),
        ),
        facts: vec![
            ("failures", number(failures.failures)),
            ("distinct_users", number(users as u64)),
            ("success_after_failures", 1.0),
            ("window_s", number(limits.window().as_secs())),
        ],
    })
}

/// One source fails at `accounts` accounts.
pub(super) fn spraying(
    source: &Source,
    state: &Distinct,
    accounts: usize,
    limits: &Limits,
) -> Finding {
    let minimum = limits.sprayed_accounts_min;
    let mut entities = few_targets(&state.entities);
    entities.push(source.entity());
    SPRAYING.finding(Claim {
        severity: Severity::High,
        parts: vec![
            part("threshold_reached", 1.0, 0.8),
            part(
                "distinct_accounts",
                growth(accounts as u64, u64::from(minimum)),
                0.8,
            ),
        ],
        entities,
        evidence: state.evidence(),
        why: format!(
            "{source} failed at {} within {}",
            counted(accounts as u64, "account"),
            spoken(limits.window()),
        ),
        facts: vec![
            ("failures", number(state.failures)),
            ("distinct_users", number(accounts as u64)),
            ("success_after_failures", 0.0),
            ("window_s", number(limits.window().as_secs())),
        ],
    })
}

/// All entities, of the accounts only the first [`NAMES_MAX`].
fn few_targets(entities: &[EntityRef]) -> Vec<EntityRef> {
    let mut targets = 0;
    let entities = entities.iter().filter(|found| {
        targets += usize::from(found.role == Role::Target);
        found.role != Role::Target || targets <= NAMES_MAX
    });
    entities.cloned().collect()
}

/// `sources` sources fail at one account.
pub(super) fn distributed(
    (user, host): (&Name, &Name),
    state: &Distinct,
    sources: usize,
    limits: &Limits,
) -> Finding {
    let minimum = limits.distributed_sources_min;
    let mut entities = state.entities.clone();
    entities.push(EntityRef::new(Role::Target, Entity::User(user.clone())));
    entities.extend(host_entities(host));
    DISTRIBUTED.finding(Claim {
        severity: Severity::Medium,
        parts: vec![
            part("threshold_reached", 1.0, 0.7),
            part(
                "distinct_sources",
                growth(sources as u64, u64::from(minimum)),
                0.8,
            ),
        ],
        entities,
        evidence: state.evidence(),
        why: format!(
            "{} failed for {user}{} within {}",
            counted(sources as u64, "source"),
            on_host(host),
            spoken(limits.window()),
        ),
        facts: vec![
            ("failures", number(state.failures)),
            ("distinct_sources", number(sources as u64)),
            ("distinct_users", 1.0),
            ("success_after_failures", 0.0),
            ("window_s", number(limits.window().as_secs())),
        ],
    })
}

fn parts(state: &Attempts, weight: Weight, limits: &Limits) -> Vec<ScorePart> {
    let threshold = limits.failures_tenths();
    let tenths = weight.tenths(threshold);
    let reached = (tenths as f64 / threshold as f64).min(1.0);
    let share = weight.nonexistent as f64 / weight.failures.max(1) as f64;
    let many = (weight.nonexistent as f64 / f64::from(limits.failures_min.max(1))).min(1.0);
    let users = state.burst.users.len().saturating_sub(1) as f64 / 9.0;
    vec![
        part("threshold_reached", reached, BASE),
        part("volume", growth(tenths, threshold), 0.78),
        part("nonexistent_users", share * many, 0.8),
        part("distinct_users", users, 0.75),
        part("rate", rate(state, limits), 0.1),
    ]
}

/// 0 at the threshold, 1 at four times the threshold, even on a log scale.
fn growth(value: u64, threshold: u64) -> f64 {
    (value.max(1) as f64 / threshold.max(1) as f64).log(4.0)
}

/// 0 at one failure a minute and below, 1 at one a second and above, even on a log scale.
fn rate(state: &Attempts, limits: &Limits) -> f64 {
    let end = state.burst.newest;
    let mut inside = state.between(end.minus(limits.window()), end);
    let newest = inside.next().map_or(end, |held| held.time);
    let (mut count, mut oldest) = (1_u32, newest);
    for attempt in inside {
        count = count.saturating_add(1);
        oldest = attempt.time;
    }
    let minutes = newest.since(oldest).as_secs_f64().max(1.0) / 60.0;
    (f64::from(count.saturating_sub(1)) / minutes)
        .max(1.0)
        .log(60.0)
}

fn entities(source: &Source, host: &Name, state: &Attempts) -> Vec<EntityRef> {
    let mut entities = host_entities(host);
    entities.push(source.entity());
    let users = state.burst.names.iter().cloned();
    entities.extend(users.map(|user| EntityRef::new(Role::Target, Entity::User(user))));
    entities
}

fn evidence(state: &Attempts) -> Evidence {
    let newest = state.recent.iter().map(|held| (held.time, held.id));
    Evidence {
        seen: state.burst.oldest.iter().copied().chain(newest).collect(),
        total: state.burst.events,
        spoofable: state.burst.spoofable,
    }
}

/// `root`, or `14 users (root, admin, …)`.
fn users_text(state: &Attempts) -> String {
    let count = state.burst.users.len();
    match state.burst.names.as_slice() {
        [] => "no named user".to_owned(),
        [only] => only.to_string(),
        [first, second, rest @ ..] => {
            let more = if rest.is_empty() { "" } else { ", …" };
            format!("{count} users ({first}, {second}{more})")
        }
    }
}

fn weak_text(total: &Weight) -> String {
    if total.weak_tenths == 0 {
        return String::new();
    }
    format!(
        ", besides {} without a credential",
        counted(total.weak_tenths / 2, "attempt")
    )
}

/// Facts are numbers for conditions; above 2^53 the last digits do not matter.
const fn number(value: u64) -> f64 {
    value as f64
}
