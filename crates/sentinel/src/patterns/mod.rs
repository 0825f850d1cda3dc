//! The fast layer: judges one event at a time, in microseconds, before anything that counts.
//!
//! Log tampering, auditing switched off, refused and widened rights, new administrators, and the
//! missing self: a sensor that falls silent. Rules and limits: README.md beside this file.
//!
//! Absent on purpose: whether somebody is allowed to do it (tolerance is `immunity`'s), commands
//! in records other than those of sudo, su and their like.

mod command;
mod judge;
mod limits;
mod rules;
mod silence;

use event::body::{Account, AccountChange, Audit, AuditChange, Privilege};
use event::{Body, Detector, Entity, Event, EventId, Name, Out, Severity, SnapshotError, Time};
use serde::{Deserialize, Serialize};

use crate::DetectorEntry;
use crate::claim::{Evidence, Rule, counted, host_of, moment, on_host, spoken};
use crate::snapshot;
use crate::table::Table;
use judge::{Deed, judge, logging_service};
use limits::Limits;
pub use limits::Limits as PatternLimits;
use rules::{Scene, Weight, finding};
use silence::Pulse;

/// The detector's name.
const NAME: &str = "patterns";
/// Raised when the state's form changes.
const VERSION: u32 = 1;
/// Membership in one of these is as good as root.
const ADMINISTRATORS: [&str; 8] = [
    "admin",
    "docker",
    "incus-admin",
    "libvirt",
    "lxd",
    "root",
    "sudo",
    "wheel",
];
/// Silence is looked for this often, seconds of event time.
const CHECK_S: u64 = 10;

/// This detector's line in the list of all.
pub(crate) const PATTERNS: DetectorEntry = DetectorEntry {
    name: NAME,
    new: |settings| Box::new(Patterns::new(settings.patterns.clone())),
    techniques: rules::TECHNIQUES,
    description: "Log tampering, auditing off, privilege change, new administrator, silence",
};

/// See the module.
struct Patterns {
    limits: Limits,
    /// By host and account: refusals.
    refusals: Table<(Name, Name), Refusals>,
    /// By host and service: stopped and not yet started again.
    stopped: Table<(Name, String), Stops>,
    /// By host and stream.
    pulses: Table<(Name, Name), Pulse>,
    next_check: Time,
}

/// Refused attempts of one account, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Refusals {
    recent: Vec<(Time, EventId)>,
    spoofable: bool,
    told: Option<Time>,
}

/// The last stop and start of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stops {
    stopped: Option<Stop>,
    started: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stop {
    time: Time,
    id: EventId,
    by: Option<Name>,
    spoofable: bool,
}

#[derive(Serialize, Deserialize)]
struct State {
    refusals: Vec<((Name, Name), Refusals)>,
    stopped: Vec<((Name, String), Stops)>,
    pulses: Vec<((Name, Name), Pulse)>,
    next_check: Time,
}

impl Patterns {
    fn new(limits: Limits) -> Self {
        Self {
            refusals: Table::new(limits.keys_max),
            stopped: Table::new(limits.keys_max),
            pulses: Table::new(limits.keys_max),
            next_check: Time::EPOCH,
            limits,
        }
    }

    fn privilege(&mut self, event: &Event, privilege: &Privilege, out: &mut Out) {
        if !privilege.granted {
            self.refused(event, privilege, out);
            return;
        }
        let Some(command) = &privilege.command else {
            return;
        };
        let directory = privilege.directory.as_ref().map(Name::as_str);
        let host = host_of(event);
        let mut found = Vec::new();
        for deed in judge(command.as_str(), directory) {
            match deed {
                Deed::LoggingStopped { service } => {
                    self.stop(event, &service, Some(&privilege.actor));
                }
                Deed::LoggingStarted { service } => self.start(event, &service),
                other => {
                    found.extend(rules::of_deed(event, &privilege.actor, &host, other));
                }
            }
        }
        put_sorted(found, out);
    }

    fn refused(&mut self, event: &Event, privilege: &Privilege, out: &mut Out) {
        let host = host_of(event);
        let state = self.refusals.entry((host.clone(), privilege.actor.clone()));
        let reason = privilege.reason.as_ref().map_or("", Name::as_str);
        let stranger = reason.to_ascii_lowercase().contains("not in sudoers");
        let needed = if stranger {
            1
        } else {
            self.limits.refusals_min
        };
        let Some(evidence) = state.note(event, needed, &self.limits) else {
            return;
        };
        let (weight, why) = if stranger {
            (Weight(Severity::Medium, 0.6), " and is not in sudoers")
        } else {
            (Weight(Severity::Medium, 0.5), "")
        };
        let scene = Scene {
            host: &host,
            actor: Some(&privilege.actor),
            target: Some(Entity::User(privilege.target.clone())),
        };
        let why = format!(
            "{} was refused the rights of {}{} {}{why}",
            privilege.actor,
            privilege.target,
            on_host(&host),
            counted(evidence.total, "time"),
        );
        out.finding(finding(
            &rules::PRIVILEGE_REFUSED,
            weight,
            &scene,
            why,
            evidence,
        ));
    }

    fn audit(&mut self, event: &Event, audit: &Audit, out: &mut Out) {
        let object = audit.object.as_str();
        let service = logging_service(object).unwrap_or_else(|| object.to_owned());
        match audit.change {
            AuditChange::Started => self.start(event, &service),
            AuditChange::Stopped => self.stop(event, &service, audit.by.as_ref()),
            AuditChange::Cleared => {
                let what = format!("{} was cleared", audit.object);
                out.finding(of_audit(event, audit, (&rules::LOG_TAMPERING, what)));
            }
            AuditChange::Disabled => {
                let what = format!("{} was switched off", audit.object);
                out.finding(of_audit(event, audit, (&rules::AUDIT_OFF, what)));
            }
        }
    }

    fn stop(&mut self, event: &Event, service: &str, by: Option<&Name>) {
        let time = moment(event);
        let state = self.stopped.entry((host_of(event), service.to_owned()));
        if state.started.is_some_and(|started| started >= time) {
            return; // its start came first, out of order
        }
        state.stopped.get_or_insert_with(|| Stop {
            time,
            id: event.id,
            by: by.cloned(),
            spoofable: event.spoofable,
        });
    }

    fn start(&mut self, event: &Event, service: &str) {
        let time = moment(event);
        let state = self.stopped.entry((host_of(event), service.to_owned()));
        state.started = state.started.max(Some(time));
        state.stopped.take_if(|stop| stop.time <= time);
    }

    fn account(event: &Event, account: &Account, out: &mut Out) {
        let host = host_of(event);
        let group = account.group.as_ref().map_or("", Name::as_str);
        let (rule, weight, what) = match account.change {
            AccountChange::Created | AccountChange::Modified
                if account.uid == Some(0) && account.user.as_str() != "root" =>
            {
                let what = "has the user id of root".to_owned();
                (&rules::NEW_ROOT, Weight(Severity::Critical, 0.9), what)
            }
            AccountChange::AddedToGroup if ADMINISTRATORS.contains(&group) => {
                let what = format!("was put into the group {group}");
                (
                    &rules::NEW_ADMINISTRATOR,
                    Weight(Severity::Medium, 0.6),
                    what,
                )
            }
            _ => return,
        };
        let scene = Scene {
            host: &host,
            actor: account.by.as_ref(),
            target: Some(Entity::User(account.user.clone())),
        };
        let why = format!("{} {what}{}", account.user, on_host(&host));
        out.finding(finding(rule, weight, &scene, why, Evidence::one(event)));
    }

    /// Services that stopped long ago and did not start again.
    fn unreturned(&mut self, watermark: Time, out: &mut Out) {
        let restart = self.limits.restart();
        let mut found = Vec::new();
        for ((host, service), state) in self.stopped.iter_mut() {
            let due = state
                .stopped
                .take_if(|stop| stop.time.plus(restart) < watermark);
            if let Some(stop) = due {
                found.push(of_stop(host, service, stop, &self.limits));
            }
        }
        put_sorted(found, out);
    }

    fn silent(&mut self, watermark: Time, out: &mut Out) {
        let mut found = Vec::new();
        for ((host, stream), pulse) in self.pulses.iter_mut() {
            if let Some((silent, usual)) = pulse.missed(watermark, &self.limits) {
                let what = format!(
                    "{stream}{} has been silent for {}, its usual gap is {}",
                    on_host(host),
                    spoken(silent),
                    spoken(usual),
                );
                found.push(of_pulse(host, stream, pulse, what));
            }
        }
        put_sorted(found, out);
    }
}

impl Detector for Patterns {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, event: &Event, out: &mut Out) {
        let key = (host_of(event), event.origin.stream.clone());
        let pulse = self.pulses.entry(key);
        pulse.beat(moment(event), event.id, event.spoofable);
        match &event.body {
            Body::Privilege(privilege) => self.privilege(event, privilege, out),
            Body::Account(account) => Self::account(event, account, out),
            Body::Audit(audit) => self.audit(event, audit, out),
            Body::Auth(_) | Body::Session(_) | Body::Flow(_) | Body::Alert(_) | Body::Other(_) => {}
        }
    }

    /// `Time::MAX` means the end of the input, after which nobody knows what time it is: nothing
    /// is missed then.
    fn advance(&mut self, watermark: Time, out: &mut Out) {
        if watermark < self.next_check || watermark == Time::MAX {
            return;
        }
        self.next_check = watermark.plus(std::time::Duration::from_secs(CHECK_S));
        self.unreturned(watermark, out);
        self.silent(watermark, out);
    }

    fn snapshot(&self) -> Vec<u8> {
        let state = State {
            refusals: self.refusals.to_vec(),
            stopped: self.stopped.to_vec(),
            pulses: self.pulses.to_vec(),
            next_check: self.next_check,
        };
        snapshot::write(NAME, VERSION, state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::new(self.limits.clone());
        let state: State = snapshot::read(NAME, VERSION, bytes)?;
        self.refusals.refill(state.refusals);
        self.stopped.refill(state.stopped);
        self.pulses.refill(state.pulses);
        self.next_check = state.next_check;
        Ok(())
    }

    fn size(&self) -> (usize, u64) {
        let keys = self.refusals.len() + self.stopped.len() + self.pulses.len();
        let evicted = self.refusals.evicted() + self.stopped.evicted() + self.pulses.evicted();
        (keys, evicted)
    }
}

impl Refusals {
    /// The evidence when `needed` refusals lie within the window; once a window.
    fn note(&mut self, event: &Event, needed: u32, limits: &Limits) -> Option<Evidence> {
        let time = moment(event);
        if self.recent.iter().any(|(_, id)| *id == event.id) {
            return None;
        }
        let at = self.recent.partition_point(|held| *held < (time, event.id));
        self.recent.insert(at, (time, event.id));
        self.spoofable |= event.spoofable;
        let newest = self.recent.last().map_or(time, |(newest, _)| *newest);
        let from = newest.minus(limits.refusals_window());
        let old = self.recent.partition_point(|(held, _)| *held < from);
        let surplus = self.recent.len().saturating_sub(16);
        self.recent.drain(..old.max(surplus));
        let enough = self.recent.len() as u64 >= u64::from(needed.clamp(1, 16));
        if !enough || self.told.is_some_and(|told| told >= from) {
            return None;
        }
        self.told = Some(newest);
        Some(Evidence {
            seen: self.recent.clone(),
            total: self.recent.len() as u64,
            spoofable: self.spoofable,
        })
    }
}

fn of_audit(event: &Event, audit: &Audit, (rule, what): (&Rule, String)) -> event::Finding {
    let host = host_of(event);
    let scene = Scene {
        host: &host,
        actor: audit.by.as_ref(),
        target: Some(Entity::Process(audit.object.clone())),
    };
    let by = audit.by.as_ref().map(|by| format!(" by {by}"));
    let why = format!("{what}{}{}", by.unwrap_or_default(), on_host(&host));
    finding(
        rule,
        Weight(Severity::High, 0.85),
        &scene,
        why,
        Evidence::one(event),
    )
}

fn of_stop(host: &Name, service: &str, stop: Stop, limits: &Limits) -> event::Finding {
    let scene = Scene {
        host,
        actor: stop.by.as_ref(),
        target: rules::process(service),
    };
    let why = format!(
        "{} was stopped{} and did not start again within {}",
        event::hostile(service),
        on_host(host),
        spoken(limits.restart()),
    );
    let evidence = Evidence {
        seen: vec![(stop.time, stop.id)],
        total: 1,
        spoofable: stop.spoofable,
    };
    let weight = Weight(Severity::High, 0.7);
    finding(rules::service_rule(service), weight, &scene, why, evidence)
}

fn of_pulse(host: &Name, stream: &Name, pulse: &Pulse, why: String) -> event::Finding {
    let scene = Scene {
        host,
        actor: None,
        target: Some(Entity::File(stream.clone())),
    };
    let evidence = Evidence {
        seen: pulse
            .last_id
            .map(|id| (pulse.last, id))
            .into_iter()
            .collect(),
        total: 1,
        spoofable: pulse.spoofable,
    };
    let weight = Weight(Severity::Medium, 0.5);
    finding(&rules::SENSOR_SILENCE, weight, &scene, why, evidence)
}

/// In order of id, for tables promise no order. Findings of one rule on the same evidence (two logs
/// removed by one command) are one finding that names all its targets.
fn put_sorted(mut found: Vec<event::Finding>, out: &mut Out) {
    found.sort_by_key(|finding| finding.id);
    let mut found = found.into_iter().peekable();
    while let Some(mut finding) = found.next() {
        let mut more = 0_u64;
        while let Some(same) = found.next_if(|next| next.id == finding.id) {
            more += 1;
            finding.severity = finding.severity.max(same.severity);
            if same.confidence > finding.confidence {
                (finding.confidence, finding.parts) = (same.confidence, same.parts);
            }
            finding.entities.extend(same.entities);
        }
        finding.entities.sort_unstable();
        finding.entities.dedup();
        if more > 0 {
            finding.why = format!("{}, and {more} more", finding.why);
        }
        out.finding(finding);
    }
}

#[cfg(test)]
mod tests;
