//! The rules of the fast layer, and the findings that they make.

use event::{Entity, EntityRef, Event, Finding, Name, Role, Severity, TechniqueId, hostile};

use super::judge::Deed;
use crate::claim::{Claim, Evidence, Rule, host_entities, on_host, part};

const DETECTOR: &str = super::NAME;

/// Every technique of this detector, sorted.
pub(super) const TECHNIQUES: &[TechniqueId] = &[
    TechniqueId::sub(1070, 2),
    TechniqueId::sub(1070, 3),
    TechniqueId::sub(1098, 7),
    TechniqueId::sub(1136, 1),
    TechniqueId::sub(1548, 1),
    TechniqueId::sub(1548, 3),
    TechniqueId::new(1562),
    TechniqueId::sub(1562, 1),
    TechniqueId::sub(1562, 12),
];

macro_rules! rules {
    ($($name:ident, $id:literal, $title:literal, $technique:expr;)*) => {$(
        pub(super) const $name: Rule = Rule {
            detector: DETECTOR,
            id: $id,
            title: $title,
            techniques: &[$technique],
        };
    )*};
}

rules! {
    LOG_TAMPERING, "patterns.log_tampering", "Log removed or emptied", TechniqueId::sub(1070, 2);
    HISTORY_REMOVED, "patterns.history_removed", "Shell history removed or switched off", TechniqueId::sub(1070, 3);
    AUDIT_OFF, "patterns.audit_off", "Auditing switched off", TechniqueId::sub(1562, 12);
    LOGGING_OFF, "patterns.logging_off", "Logging service stopped", TechniqueId::sub(1562, 1);
    PRIVILEGE_REFUSED, "patterns.privilege_refused", "Rights of another account refused", TechniqueId::sub(1548, 3);
    SETUID, "patterns.setuid", "File made to run with its owner's rights", TechniqueId::sub(1548, 1);
    NEW_ADMINISTRATOR, "patterns.new_administrator", "Account put into a group of administrators", TechniqueId::sub(1098, 7);
    NEW_ROOT, "patterns.new_root_account", "Account with the rights of root", TechniqueId::sub(1136, 1);
    SENSOR_SILENCE, "patterns.sensor_silence", "A regular stream fell silent", TechniqueId::new(1562);
}

/// Who did it, where, and to whom or what.
pub(super) struct Scene<'a> {
    pub(super) host: &'a Name,
    pub(super) actor: Option<&'a Name>,
    pub(super) target: Option<Entity>,
}

/// How bad and how sure.
pub(super) struct Weight(pub(super) Severity, pub(super) f64);

/// The finding of `rule` on `evidence`.
pub(super) fn finding(
    rule: &Rule,
    Weight(severity, confidence): Weight,
    scene: &Scene<'_>,
    why: String,
    evidence: Evidence,
) -> Finding {
    let mut entities = host_entities(scene.host);
    let actor = scene.actor.cloned().map(Entity::User);
    entities.extend(actor.map(|actor| EntityRef::new(Role::Actor, actor)));
    let target = scene.target.clone();
    entities.extend(target.map(|target| EntityRef::new(Role::Target, target)));
    rule.finding(Claim {
        severity,
        parts: vec![part("pattern", 1.0, confidence)],
        entities,
        evidence,
        why,
        facts: Vec::new(),
    })
}

/// The finding that a deed makes at once; `None` for one that may be half of a restart.
pub(super) fn of_deed(event: &Event, actor: &Name, host: &Name, deed: Deed) -> Option<Finding> {
    let (rule, weight, target, what) = match deed {
        Deed::LogRemoved { path, system } => {
            let weight = if system {
                Weight(Severity::High, 0.85)
            } else {
                Weight(Severity::Low, 0.4)
            };
            let what = format!("removed or emptied {}", hostile(&path));
            (&LOG_TAMPERING, weight, file(&path), what)
        }
        Deed::JournalRemoved => {
            let what = "threw away the journal".to_owned();
            (&LOG_TAMPERING, Weight(Severity::High, 0.8), None, what)
        }
        Deed::HistoryRemoved => {
            let what = "removed or switched off the shell's history".to_owned();
            (&HISTORY_REMOVED, Weight(Severity::Medium, 0.7), None, what)
        }
        Deed::AuditDisabled => {
            let what = "switched auditing off".to_owned();
            (&AUDIT_OFF, Weight(Severity::High, 0.85), None, what)
        }
        Deed::LoggingDisabled { service } => {
            let what = format!("disabled or killed {}", hostile(&service));
            (
                service_rule(&service),
                Weight(Severity::High, 0.8),
                process(&service),
                what,
            )
        }
        Deed::SetUid { path } => {
            let what = format!("made {} run with its owner's rights", hostile(&path));
            (&SETUID, Weight(Severity::High, 0.75), file(&path), what)
        }
        Deed::LoggingStopped { .. } | Deed::LoggingStarted { .. } => return None,
    };
    let scene = Scene {
        host,
        actor: Some(actor),
        target,
    };
    let why = format!("{actor} {what}{}", on_host(host));
    Some(finding(rule, weight, &scene, why, Evidence::one(event)))
}

/// auditd has a technique of its own.
pub(super) fn service_rule(service: &str) -> &'static Rule {
    if service == "auditd" {
        &AUDIT_OFF
    } else {
        &LOGGING_OFF
    }
}

pub(super) fn process(service: &str) -> Option<Entity> {
    Some(Entity::Process(Name::new(service)))
}

fn file(path: &str) -> Option<Entity> {
    Some(Entity::File(Name::new(path)))
}
