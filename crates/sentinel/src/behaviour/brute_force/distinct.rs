//! How many distinct accounts (of a source) or sources (of an account) failed within the window.

use event::{EntityRef, EventId, Time};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::claim::{Evidence, LATENESS, next_level};

/// Distinct members told apart in one key's window; the oldest gives way.
pub(super) const MEMBERS_MAX: usize = 192;
/// Entities of members that are kept for the finding.
pub(super) const ENTITIES_MAX: usize = 32;

/// The members of one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Distinct {
    /// Sorted by digest.
    members: Vec<Member>,
    pub(super) entities: Vec<EntityRef>,
    newest: Time,
    pub(super) failures: u64,
    spoofable: bool,
    findings: u32,
    next: usize,
    told: Option<Time>,
}

/// A member with its newest failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    digest: u64,
    time: Time,
    id: EventId,
}

/// A failure of one member.
pub(super) struct Failure<'a> {
    pub(super) member: u64,
    pub(super) time: Time,
    pub(super) id: EventId,
    pub(super) count: u64,
    pub(super) spoofable: bool,
    /// What to name in the finding; asked for new members only.
    pub(super) entities: &'a dyn Fn() -> Vec<EntityRef>,
}

impl Distinct {
    /// Takes up a failure. The number of distinct members if this failure makes a finding due:
    /// at `members_min`, and then at each fourfold of it within one burst.
    pub(super) fn note(
        &mut self,
        failure: &Failure<'_>,
        members_min: u32,
        limits: &Limits,
    ) -> Option<usize> {
        let window = limits.window();
        if self.members.is_empty() || failure.time > self.newest.plus(window) {
            self.begin(members_min);
        }
        if !self.members.is_empty() && failure.time < self.newest.minus(window + LATENESS) {
            return None;
        }
        self.newest = self.newest.max(failure.time);
        self.failures = self.failures.saturating_add(failure.count);
        self.spoofable |= failure.spoofable;
        if self.next > MEMBERS_MAX {
            return None; // all levels that can be reached were told; the burst goes on
        }
        self.renew(failure);
        if self.members.len() < self.next {
            return None; // the usual way out
        }
        let distinct = self.within(failure.time, limits);
        let paused = self.findings > 0
            || self
                .told
                .is_none_or(|told| failure.time >= told.plus(limits.cool_down()));
        (distinct >= self.next && paused).then(|| self.mark(distinct))
    }

    fn begin(&mut self, members_min: u32) {
        let told = self.told;
        *self = Self {
            told,
            next: usize::try_from(members_min.max(2))
                .unwrap_or(MEMBERS_MAX)
                .min(MEMBERS_MAX),
            ..Self::default()
        };
    }

    fn renew(&mut self, failure: &Failure<'_>) {
        let known = self
            .members
            .binary_search_by_key(&failure.member, |held| held.digest);
        if let Some(member) = known.ok().and_then(|at| self.members.get_mut(at)) {
            if (failure.time, failure.id) > (member.time, member.id) {
                (member.time, member.id) = (failure.time, failure.id);
            }
            return;
        }
        if self.members.len() >= MEMBERS_MAX {
            self.drop_oldest();
        }
        let member = Member {
            digest: failure.member,
            time: failure.time,
            id: failure.id,
        };
        let at = self
            .members
            .partition_point(|held| held.digest < member.digest);
        self.members.insert(at, member);
        for entity in (failure.entities)() {
            if self.entities.len() < ENTITIES_MAX && !self.entities.contains(&entity) {
                self.entities.push(entity);
            }
        }
    }

    fn drop_oldest(&mut self) {
        let members = self.members.iter().enumerate();
        let oldest = members.min_by_key(|(_, member)| (member.time, member.id));
        if let Some((at, _)) = oldest {
            self.members.remove(at);
        }
    }

    /// Members seen in the window around `time` that ends at the newest failure.
    fn within(&self, time: Time, limits: &Limits) -> usize {
        let end = self.newest.max(time);
        let from = end.minus(limits.window());
        let recent = self.members.iter().filter(|member| member.time >= from);
        recent.count()
    }

    fn mark(&mut self, distinct: usize) -> usize {
        self.findings = self.findings.saturating_add(1);
        self.told = Some(self.newest);
        let level = next_level(self.next as u64, distinct as u64);
        let next = level.and_then(|level| usize::try_from(level).ok());
        self.next = next.unwrap_or(usize::MAX);
        distinct
    }

    /// One event of each member.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            seen: self
                .members
                .iter()
                .map(|member| (member.time, member.id))
                .collect(),
            total: self.failures,
            spoofable: self.spoofable,
        }
    }
}
