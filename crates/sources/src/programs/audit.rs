//! Logging and auditing that starts, stops or is switched off, as the system itself says it.
//!
//! Absent on purpose: commands that do such things (`sudo` lines are `Privilege`), and log
//! rotation (`rsyslogd was HUPed`), which is no tampering.

use event::body::{Audit, AuditChange};
use event::{Body, Name};

/// The services that matter, by the words units and descriptions use for them.
const SERVICES: [(&str, &str); 9] = [
    ("auditd", "auditd"),
    ("Security Auditing Service", "auditd"),
    ("rsyslog", "rsyslog"),
    ("System Logging Service", "rsyslog"),
    ("syslog-ng", "syslog-ng"),
    ("System Logger Daemon", "syslog-ng"),
    ("systemd-journald", "systemd-journald"),
    ("Journal Service", "systemd-journald"),
    ("auditd.service", "auditd"),
];

/// Reads a message of a system program; `None` if it is about something else.
pub(super) fn read(program: &str, text: &str) -> Option<Body> {
    let (change, object) = match program {
        "systemd" => unit(text)?,
        "rsyslogd" | "syslogd" | "syslog-ng" => (logger(text)?, logger_name(program)),
        "auditd" | "auditctl" => (auditing(text)?, "auditd"),
        "systemd-journald" => (journal(text)?, "systemd-journald"),
        _ => (kernel(text)?, "kernel audit"),
    };
    Some(Body::Audit(Audit {
        change,
        object: Name::new(object),
        by: None,
    }))
}

/// `Stopped rsyslog.service - System Logging Service.`, `Stopping System Logging Service...`.
fn unit(text: &str) -> Option<(AuditChange, &'static str)> {
    let (verb, rest) = text.split_once(' ')?;
    let change = match verb {
        "Stopped" | "Stopping" => AuditChange::Stopped,
        "Started" => AuditChange::Started,
        _ => return None,
    };
    let rest = rest.trim_end_matches('.');
    let rest = rest.split_once(" - ").map_or(rest, |(unit, _)| unit);
    let rest = rest.strip_suffix(".service").unwrap_or(rest);
    let known = SERVICES.iter().find(|(word, _)| *word == rest)?;
    Some((change, known.1))
}

fn logger_name(program: &str) -> &'static str {
    match program {
        "syslog-ng" => "syslog-ng",
        "syslogd" => "syslogd",
        _ => "rsyslog",
    }
}

/// `[origin software="rsyslogd" …] exiting on signal 15.`, `… start`, `syslogd 1.4.1: restart.`.
fn logger(text: &str) -> Option<AuditChange> {
    let text = text.split_once("] ").map_or(text, |(_, said)| said);
    if text.starts_with("exiting on signal") || text.starts_with("syslog-ng shutting down") {
        Some(AuditChange::Stopped)
    } else if text == "start" || text.ends_with(": restart.") || text == "restart." {
        Some(AuditChange::Started)
    } else {
        text.starts_with("syslog-ng starting up")
            .then_some(AuditChange::Started)
    }
}

fn auditing(text: &str) -> Option<AuditChange> {
    if text.starts_with("The audit daemon is exiting") {
        Some(AuditChange::Stopped)
    } else if text.starts_with("Init complete") || text.contains("listening for events") {
        Some(AuditChange::Started)
    } else {
        enabled_flag(text)
    }
}

fn journal(text: &str) -> Option<AuditChange> {
    if text == "Journal stopped" || text.starts_with("Received SIGTERM") {
        Some(AuditChange::Stopped)
    } else {
        (text == "Journal started").then_some(AuditChange::Started)
    }
}

/// `audit: type=1305 audit(…): audit_enabled=0 old=1 …`.
fn kernel(text: &str) -> Option<AuditChange> {
    let text = text.split_once("] ").map_or(text, |(_, said)| said);
    text.starts_with("audit: ").then(|| enabled_flag(text))?
}

fn enabled_flag(text: &str) -> Option<AuditChange> {
    let (_, rest) = text.split_once("audit_enabled=")?;
    match rest.split(' ').next()? {
        "0" => Some(AuditChange::Disabled),
        "1" => Some(AuditChange::Started),
        _ => None,
    }
}
