//! What one source asked for: distinct ports of a host, or distinct hosts at a port.

use event::{EntityRef, EventId, Time};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::claim::{Evidence, LATENESS, next_level};

/// Targets told apart for one key; above it the count stands still.
pub(super) const TARGETS_MAX: usize = 1024;
/// Entities kept for the finding.
const ENTITIES_MAX: usize = 8;

/// The targets of one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Targets {
    /// Sorted by digest.
    held: Vec<Target>,
    pub(super) entities: Vec<EntityRef>,
    newest: Time,
    flows: u64,
    /// Did any flow prove, by an answer, that the source is where it says?
    answered: bool,
    spoofable: bool,
    findings: u32,
    next: u64,
    told: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Target {
    digest: u64,
    time: Time,
    id: EventId,
    answered: bool,
}

/// A flow to one target.
#[derive(Clone, Copy)]
pub(super) struct Contact<'a> {
    pub(super) target: u64,
    pub(super) time: Time,
    pub(super) id: EventId,
    pub(super) answered: bool,
    pub(super) spoofable: bool,
    pub(super) entities: &'a [EntityRef],
}

/// Enough was asked for in vain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) distinct: u64,
    pub(super) failed_share: f64,
}

impl Targets {
    /// Takes up a flow; says when a finding is due: at `targets_min` and at each fourfold of it
    /// within one burst, if most of the targets never answered.
    pub(super) fn note(
        &mut self,
        contact: &Contact<'_>,
        targets_min: u32,
        limits: &Limits,
    ) -> Option<Due> {
        let window = limits.window();
        if self.held.is_empty() || contact.time > self.newest.plus(window) {
            self.begin(targets_min);
        } else if contact.time < self.newest.minus(window + LATENESS) {
            return None;
        }
        self.newest = self.newest.max(contact.time);
        self.flows = self.flows.saturating_add(1);
        self.answered |= contact.answered;
        self.spoofable |= contact.spoofable;
        self.renew(contact, limits);
        if (self.held.len() as u64) < self.next {
            return None; // the usual way out
        }
        let due = self.judge(limits)?;
        self.findings = self.findings.saturating_add(1);
        self.next = next_level(self.next, due.distinct).unwrap_or(u64::MAX);
        self.told = Some(self.newest);
        Some(due)
    }

    fn judge(&self, limits: &Limits) -> Option<Due> {
        let from = self.newest.minus(limits.window());
        let inside = self.held.iter().filter(|target| target.time >= from);
        let (mut distinct, mut failed) = (0_u64, 0_u64);
        for target in inside {
            distinct += 1;
            failed += u64::from(!target.answered);
        }
        let failed_share = failed as f64 / distinct.max(1) as f64;
        let paused = self.findings > 0
            || self
                .told
                .is_none_or(|told| self.newest >= told.plus(limits.cool_down()));
        let due = distinct >= self.next && failed_share >= limits.failed_share_min && paused;
        due.then_some(Due {
            distinct,
            failed_share,
        })
    }

    fn begin(&mut self, targets_min: u32) {
        let told = self.told;
        *self = Self {
            told,
            next: u64::from(targets_min).clamp(2, TARGETS_MAX as u64),
            ..Self::default()
        };
    }

    fn renew(&mut self, contact: &Contact<'_>, limits: &Limits) {
        match self
            .held
            .binary_search_by_key(&contact.target, |held| held.digest)
        {
            Ok(at) => {
                if let Some(held) = self.held.get_mut(at) {
                    held.answered |= contact.answered;
                    if (contact.time, contact.id) > (held.time, held.id) {
                        (held.time, held.id) = (contact.time, contact.id);
                    }
                }
            }
            Err(_) => self.add(contact, limits),
        }
    }

    fn add(&mut self, contact: &Contact<'_>, limits: &Limits) {
        if self.held.len() >= TARGETS_MAX {
            let from = self.newest.minus(limits.window());
            self.held.retain(|held| held.time >= from);
        }
        if self.held.len() >= TARGETS_MAX {
            return;
        }
        let at = self
            .held
            .partition_point(|held| held.digest < contact.target);
        self.held.insert(
            at,
            Target {
                digest: contact.target,
                time: contact.time,
                id: contact.id,
                answered: contact.answered,
            },
        );
        for entity in contact.entities {
            if self.entities.len() < ENTITIES_MAX && !self.entities.contains(entity) {
                self.entities.push(entity.clone());
            }
        }
    }

    /// One event of each target. Without a single answer the source address is only claimed, as
    /// anybody can send a first packet in another's name: then the finding is spoofable.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            seen: self.held.iter().map(|held| (held.time, held.id)).collect(),
            total: self.flows,
            spoofable: self.spoofable || !self.answered,
        }
    }
}
