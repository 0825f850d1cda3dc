//! What is remembered of one source at one host: its recent attempts in order of time, and the
//! burst that they belong to.
//!
//! Weights are whole tenths of a failure, so that sums do not depend on the order of arrival and
//! survive a snapshot exactly.

use event::{EventId, Name, Time};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::claim::{EVIDENCE_OLDEST, LATENESS};

/// Attempts kept of one source at one host; the oldest gives way.
pub(super) const ATTEMPTS_MAX: usize = 64;
/// Distinct users of a burst that are told apart; more count as this many.
pub(super) const USERS_MAX: usize = 256;
/// User names of a burst that are kept for the reader.
pub(super) const NAMES_MAX: usize = 8;
/// Successful logins kept, in case that the failures before them arrive late.
const LOGINS_MAX: usize = 4;

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) time: Time,
    pub(super) id: EventId,
    /// Digest of the user's name, 0 without one.
    pub(super) user: u64,
    /// Joins the lines of one connection.
    pub(super) pid: Option<u32>,
    pub(super) kind: Kind,
    /// Times that it counts, 0..=1000; 0 if its partner of the same process counts for it.
    pub(super) count: u32,
    pub(super) nonexistent: bool,
    pub(super) spoofable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A credential was wrong, or refused by policy.
    Judged,
    /// The account does not exist; a judged attempt of the same process may follow or precede.
    Unknown,
    /// Nothing was judged, or a key of an agent was tried: weak.
    Weak,
}

/// A successful login.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) time: Time,
    pub(super) id: EventId,
    pub(super) user: Name,
    pub(super) spoofable: bool,
    /// Already judged to be, or reported as, a success after failures.
    pub(super) told: bool,
}

/// Sums over some attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weight {
    pub(super) judged_tenths: u64,
    pub(super) weak_tenths: u64,
    /// Failures as a person counts them: judged ones.
    pub(super) failures: u64,
    pub(super) nonexistent: u64,
}

impl Weight {
    fn add(&mut self, attempt: &Attempt) {
        let count = u64::from(attempt.count);
        if attempt.kind == Kind::Weak {
            self.weak_tenths = self.weak_tenths.saturating_add(2 * count);
            return;
        }
        self.judged_tenths = self.judged_tenths.saturating_add(10 * count);
        self.failures = self.failures.saturating_add(count);
        if attempt.nonexistent {
            self.nonexistent = self.nonexistent.saturating_add(count);
        }
    }

    /// All in tenths. Weak attempts alone never reach the threshold (a load balancer that probes
    /// the port is not guessing): they give at most half of it.
    pub(super) fn tenths(&self, threshold_tenths: u64) -> u64 {
        self.judged_tenths + self.weak_tenths.min(threshold_tenths / 2)
    }
}

/// Attempts without a pause longer than the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Burst {
    pub(super) newest: Time,
    pub(super) total: Weight,
    pub(super) events: u64,
    pub(super) spoofable: bool,
    /// Its oldest attempts, at most [`EVIDENCE_OLDEST`].
    pub(super) oldest: Vec<(Time, EventId)>,
    /// Digests of its users, sorted, at most [`USERS_MAX`].
    pub(super) users: Vec<u64>,
    /// Its first users' names, at most [`NAMES_MAX`].
    pub(super) names: Vec<Name>,
    /// Findings made of it.
    pub(super) findings: u32,
    /// Weight that makes the next finding.
    pub(super) next_tenths: u64,
}

/// One source at one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempts {
    /// In order of time and id.
    pub(super) recent: Vec<Attempt>,
    pub(super) burst: Burst,
    /// In order of time and id.
    pub(super) logins: Vec<Login>,
    /// Time of the newest attempt in the last finding.
    pub(super) told: Option<Time>,
}

impl Attempts {
    /// Takes up an attempt and says how often it counts; `None` if it is known already or too old
    /// to matter.
    pub(super) fn note(
        &mut self,
        mut attempt: Attempt,
        user: Option<&Name>,
        limits: &Limits,
    ) -> Option<u32> {
        let horizon = self.burst.newest.minus(limits.window() + LATENESS);
        if self.burst.events > 0 && attempt.time < horizon {
            return None;
        }
        let key = (attempt.time, attempt.id);
        let at = self
            .recent
            .partition_point(|held| (held.time, held.id) < key);
        if self
            .recent
            .get(at)
            .is_some_and(|held| held.id == attempt.id)
        {
            return None;
        }
        if attempt.time > self.burst.newest.plus(limits.window()) {
            self.burst = Burst::default();
        }
        self.pair(&mut attempt);
        self.burst.take(&attempt, user);
        self.recent.insert(at, attempt);
        self.trim(limits);
        Some(attempt.count)
    }

    /// Finds the other line of the same attempt: "invalid user" and "failed password" of one
    /// process tell of one attempt, whichever comes first; the later line counts one less.
    fn pair(&mut self, attempt: &mut Attempt) {
        let other = match attempt.kind {
            Kind::Judged => Kind::Unknown,
            Kind::Unknown => Kind::Judged,
            Kind::Weak => return,
        };
        let (Some(pid), user) = (attempt.pid, attempt.user) else {
            return;
        };
        let partner = self
            .recent
            .iter_mut()
            .rev()
            .find(|held| held.pid == Some(pid) && held.kind == other && held.user == user);
        if let Some(partner) = partner {
            attempt.count = attempt.count.saturating_sub(1);
            attempt.pid = None; // one partner each
            partner.pid = None;
        }
    }

    fn trim(&mut self, limits: &Limits) {
        let horizon = self.burst.newest.minus(limits.window() + LATENESS);
        let old = self.recent.partition_point(|held| held.time < horizon);
        let surplus = self.recent.len().saturating_sub(ATTEMPTS_MAX);
        self.recent.drain(..old.max(surplus));
    }

    /// Takes up a login; false if it is known already.
    pub(super) fn note_login(&mut self, login: Login) -> bool {
        if self.logins.iter().any(|held| held.id == login.id) {
            return false;
        }
        let key = (login.time, login.id);
        let at = self
            .logins
            .partition_point(|held| (held.time, held.id) < key);
        self.logins.insert(at, login);
        let surplus = self.logins.len().saturating_sub(LOGINS_MAX);
        self.logins.drain(..surplus);
        true
    }

    /// The attempts from `from` to `to`, both included.
    pub(super) fn between(&self, from: Time, to: Time) -> impl Iterator<Item = &Attempt> {
        let newest_first = self.recent.iter().rev();
        newest_first
            .skip_while(move |held| held.time > to)
            .take_while(move |held| held.time >= from)
    }

    /// Their weight.
    pub(super) fn weight(&self, from: Time, to: Time) -> Weight {
        let mut weight = Weight::default();
        for attempt in self.between(from, to) {
            weight.add(attempt);
        }
        weight
    }

    /// The end of a window that holds an attempt at `at` and reaches the threshold, if there is
    /// one. An attempt that comes in order is the end of its own window.
    pub(super) fn full_window(&self, at: Time, limits: &Limits) -> Option<Time> {
        let threshold = limits.failures_tenths();
        let last = at.plus(limits.window());
        let later = self.recent.iter().map(|held| held.time);
        let mut ends = later.filter(|end| *end >= at && *end <= last);
        ends.find(|end| {
            let weight = self.weight(end.minus(limits.window()), *end);
            weight.tenths(threshold) >= threshold
        })
    }
}

impl Burst {
    fn take(&mut self, attempt: &Attempt, user: Option<&Name>) {
        self.newest = self.newest.max(attempt.time);
        self.total.add(attempt);
        self.events = self.events.saturating_add(1);
        self.spoofable |= attempt.spoofable;
        let key = (attempt.time, attempt.id);
        let at = self.oldest.partition_point(|held| *held < key);
        if at < EVIDENCE_OLDEST {
            self.oldest.insert(at, key);
            self.oldest.truncate(EVIDENCE_OLDEST);
        }
        if let (Some(user), Err(at)) = (user, self.users.binary_search(&attempt.user)) {
            self.take_user(at, attempt.user, user);
        }
    }

    fn take_user(&mut self, at: usize, digest: u64, user: &Name) {
        if self.users.len() < USERS_MAX {
            self.users.insert(at, digest);
        }
        if self.names.len() < NAMES_MAX {
            self.names.push(user.clone());
        }
    }
}
