//! Finds password guessing, spraying, distributed guessing and logins that follow failures
//! (ATT&CK T1110, T1078). Method, calibration and limits: README.md beside this file.
//!
//! Absent on purpose: allow-lists, blocking, judging whether an account exists (the record says
//! so or it is unknown), and attempts without a peer.

mod attempts;
mod distinct;
mod limits;
mod source;
mod verdict;

use event::body::{Auth, AuthOutcome};
use event::{Detector, Entity, EntityRef, Event, Name, Out, Role, SnapshotError, Time};
use serde::{Deserialize, Serialize};

use crate::DetectorEntry;
use crate::claim::{digest, host_entities, host_of, moment, next_level};
use crate::snapshot;
use crate::table::Table;
use attempts::{Attempt, Attempts, Kind, Login};
use distinct::{Distinct, Failure};
pub use limits::Limits;
use source::Source;

/// The detector's name.
const NAME: &str = "brute_force";
/// Raised when the state's form changes.
const VERSION: u32 = 1;
/// The most that one record may claim ("message repeated 5 times").
const COUNT_MAX: u32 = 1000;

/// This detector's line in the list of all.
pub(crate) const ENTRY: DetectorEntry = DetectorEntry {
    name: NAME,
    new: |settings| Box::new(BruteForce::new(settings.brute_force.clone())),
    techniques: verdict::TECHNIQUES,
    description: "Password guessing, spraying, distributed guessing, success after failures",
};

/// See the module.
struct BruteForce {
    limits: Limits,
    /// By source and host: guessing and success.
    sources: Table<(Source, Name), Attempts>,
    /// By source: the accounts that it failed at.
    sprays: Table<Source, Distinct>,
    /// By user and host: the sources that failed at it.
    accounts: Table<(Name, Name), Distinct>,
}

#[derive(Serialize, Deserialize)]
struct State {
    sources: Vec<((Source, Name), Attempts)>,
    sprays: Vec<(Source, Distinct)>,
    accounts: Vec<((Name, Name), Distinct)>,
}

impl BruteForce {
    fn new(limits: Limits) -> Self {
        let few = limits.keys_max / 2;
        Self {
            sources: Table::new(limits.keys_max),
            sprays: Table::new(few),
            accounts: Table::new(few),
            limits,
        }
    }

    fn failed(&mut self, event: &Event, auth: &Auth, source: Source, out: &mut Out) {
        let kind = kind_of(auth);
        let mut attempt = attempt_of(event, auth, kind);
        let key = (source, host_of(event));
        let Some(count) = self.guessed(&key, attempt, auth.user.as_ref(), out) else {
            return; // seen before
        };
        attempt.count = count;
        if kind != Kind::Weak
            && let Some(user) = &auth.user
        {
            self.sprayed(&key, user, &attempt, out);
            if !attempt.nonexistent {
                self.distributed(&key, user, &attempt, out);
            }
        }
    }

    /// How often the attempt counts; `None` if it was seen before.
    fn guessed(
        &mut self,
        key: &(Source, Name),
        attempt: Attempt,
        user: Option<&Name>,
        out: &mut Out,
    ) -> Option<u32> {
        let state = self.sources.entry(key.clone());
        let count = state.note(attempt, user, &self.limits)?;
        if guessing_is_due(state, attempt.time, &self.limits) {
            out.finding(verdict::guessing(&key.0, &key.1, state, &self.limits));
        }
        if state
            .logins
            .last()
            .is_some_and(|login| login.time >= attempt.time)
        {
            judge_logins(key, state, &self.limits, out); // a failure that arrived late
        }
        Some(count)
    }

    fn sprayed(
        &mut self,
        (source, host): &(Source, Name),
        user: &Name,
        attempt: &Attempt,
        out: &mut Out,
    ) {
        let entities = || {
            let mut entities = host_entities(host);
            entities.push(EntityRef::new(Role::Target, Entity::User(user.clone())));
            entities
        };
        let failure = failure_of(attempt, digest(&(host, user)), &entities);
        let state = self.sprays.entry(source.clone());
        let due = state.note(&failure, self.limits.sprayed_accounts_min, &self.limits);
        if let Some(accounts) = due {
            out.finding(verdict::spraying(source, state, accounts, &self.limits));
        }
    }

    fn distributed(
        &mut self,
        (source, host): &(Source, Name),
        user: &Name,
        attempt: &Attempt,
        out: &mut Out,
    ) {
        let entities = || vec![source.entity()];
        let failure = failure_of(attempt, digest(source), &entities);
        let state = self.accounts.entry((user.clone(), host.clone()));
        let due = state.note(&failure, self.limits.distributed_sources_min, &self.limits);
        if let Some(sources) = due {
            out.finding(verdict::distributed(
                (user, host),
                state,
                sources,
                &self.limits,
            ));
        }
    }

    fn accepted(&mut self, event: &Event, auth: &Auth, source: Source, out: &mut Out) {
        let Some(user) = auth.user.clone() else {
            return;
        };
        let key = (source, host_of(event));
        let state = self.sources.entry(key.clone());
        let login = Login {
            time: moment(event),
            id: event.id,
            user,
            spoofable: event.spoofable,
            told: false,
        };
        if state.note_login(login) {
            judge_logins(&key, state, &self.limits, out);
        }
    }
}

impl Detector for BruteForce {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, event: &Event, out: &mut Out) {
        let Some(auth) = event.as_auth() else { return };
        let Some(peer) = &auth.peer else { return };
        match auth.outcome {
            AuthOutcome::Echo => {}
            AuthOutcome::Accepted => self.accepted(event, auth, Source::of(peer), out),
            AuthOutcome::Failed
            | AuthOutcome::Refused
            | AuthOutcome::UnknownUser
            | AuthOutcome::Probe => self.failed(event, auth, Source::of(peer), out),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        let state = State {
            sources: self.sources.to_vec(),
            sprays: self.sprays.to_vec(),
            accounts: self.accounts.to_vec(),
        };
        snapshot::write(NAME, VERSION, state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::new(self.limits.clone());
        let state: State = snapshot::read(NAME, VERSION, bytes)?;
        self.sources.refill(state.sources);
        self.sprays.refill(state.sprays);
        self.accounts.refill(state.accounts);
        Ok(())
    }

    fn size(&self) -> (usize, u64) {
        let keys = self.sources.len() + self.sprays.len() + self.accounts.len();
        let evicted = self.sources.evicted() + self.sprays.evicted() + self.accounts.evicted();
        (keys, evicted)
    }
}

/// Is a finding due? The first of a burst needs a full window and the pause after the last
/// finding of the burst before; each later one needs four times the weight of the one before.
fn guessing_is_due(state: &mut Attempts, time: Time, limits: &Limits) -> bool {
    let threshold = limits.failures_tenths();
    let tenths = state.burst.total.tenths(threshold);
    if tenths < state.burst.next_tenths.max(threshold) {
        return false; // the usual way out
    }
    if state.burst.findings == 0 {
        let paused = |told: Time| state.burst.newest >= told.plus(limits.cool_down());
        if !state.told.is_none_or(paused) || state.full_window(time, limits).is_none() {
            return false;
        }
    }
    state.burst.findings = state.burst.findings.saturating_add(1);
    let level = state.burst.next_tenths.max(threshold);
    state.burst.next_tenths = next_level(level, tenths).unwrap_or(u64::MAX);
    state.told = Some(state.burst.newest);
    true
}

/// Reports each login that follows enough failures, once. Looked at again when a failure arrives
/// late, for the order of arrival must not matter.
fn judge_logins(key: &(Source, Name), state: &mut Attempts, limits: &Limits, out: &mut Out) {
    for at in 0..state.logins.len() {
        let Some(login) = state.logins.get(at).filter(|login| !login.told).cloned() else {
            continue;
        };
        let before = previous_login(state, at);
        let window_start = login.time.minus(limits.window());
        let from = before.map_or(window_start, |before| before.max(window_start));
        let mut failures = state.weight(from, login.time);
        if failures.tenths(limits.failures_tenths()) * 2 < limits.failures_tenths() {
            continue;
        }
        if from == window_start && state.burst.newest <= login.time {
            failures = state.burst.total; // also those that the recent ones no longer hold
        }
        if let Some(held) = state.logins.get_mut(at) {
            held.told = true;
        }
        out.finding(verdict::success(
            (&key.0, &key.1),
            state,
            &login,
            failures,
            limits,
        ));
    }
}

/// When the same user last logged in from the same source before login number `at`: what failed
/// before that is forgiven, or somebody who mistypes now and then would add up.
fn previous_login(state: &Attempts, at: usize) -> Option<Time> {
    let login = state.logins.get(at)?;
    let earlier = state.logins.get(..at)?.iter().rev();
    let same_user = earlier.filter(|held| held.user == login.user);
    same_user.map(|held| held.time).next()
}

/// How much an attempt weighs. A public key that is not accepted is weak: an agent offers all
/// that it has before the right one.
fn kind_of(auth: &Auth) -> Kind {
    let by_key = auth
        .method
        .as_ref()
        .is_some_and(|method| method.as_str() == "publickey");
    match auth.outcome {
        AuthOutcome::Probe => Kind::Weak,
        AuthOutcome::Failed if by_key => Kind::Weak,
        AuthOutcome::UnknownUser => Kind::Unknown,
        _ => Kind::Judged,
    }
}

fn attempt_of(event: &Event, auth: &Auth, kind: Kind) -> Attempt {
    Attempt {
        time: moment(event),
        id: event.id,
        user: auth.user.as_ref().map_or(0, digest),
        pid: auth.pid,
        kind,
        count: auth.count.clamp(1, COUNT_MAX),
        nonexistent: kind == Kind::Unknown || auth.user_exists == Some(false),
        spoofable: event.spoofable,
    }
}

fn failure_of<'a>(
    attempt: &Attempt,
    member: u64,
    entities: &'a dyn Fn() -> Vec<EntityRef>,
) -> Failure<'a> {
    Failure {
        member,
        time: attempt.time,
        id: attempt.id,
        count: u64::from(attempt.count),
        spoofable: attempt.spoofable,
        entities,
    }
}

#[cfg(test)]
mod tests;
