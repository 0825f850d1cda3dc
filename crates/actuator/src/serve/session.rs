//! Answers requests one by one; holds the fence, the rails and the page cache of a dump.
//!
//! Absent on purpose: sockets and clocks. `now` is an argument, the packet filter is a trait.

use std::time::Duration;

use event::ActionId;
use event::actuate::{
    Answer, BATCH_MAX, Element, MESSAGE_BYTES_MAX, Operation, Reply, Request, Verb,
};
use ipnet::IpNet;

use super::change::{change, remove};
use super::filter::Filter;
use crate::error::{ActuatorError, KernelError};
use crate::netlink::Standing;
use crate::rails::Rails;

/// Ids named in the answer to `Protect`, at most; more are removed all the same.
const REMOVED_NAMED_MAX: usize = 2048;
/// Bytes of a page that are left for the envelope.
const ENVELOPE_BYTES: usize = 512;
/// Characters of a parser's message that are told.
const REASON_CHARS_MAX: usize = 200;

/// One engine's session.
#[derive(Debug)]
pub(crate) struct Session<F> {
    filter: F,
    rails: Rails,
    /// Highest fencing epoch seen.
    fence: u64,
    /// What the pages of a running dump are cut from.
    snapshot: Option<Vec<Standing>>,
    /// Requests that were not understood.
    malformed: u64,
}

impl<F: Filter> Session<F> {
    /// Takes note of what stands from an earlier run.
    pub(crate) fn start(
        mut filter: F,
        mut rails: Rails,
        now: Duration,
    ) -> Result<Self, ActuatorError> {
        for standing in filter.dump()? {
            rails.stands(standing.slot, now, standing.expires_s());
        }
        Ok(Self {
            filter,
            rails,
            fence: 0,
            snapshot: None,
            malformed: 0,
        })
    }

    /// Protects what discovery found; effects that overlap what is new go at once. What the kernel
    /// refuses here is tried again at the next discovery.
    pub(crate) fn rediscovered(&mut self, found: &[(IpNet, String)], now: Duration) {
        self.rails.forget_ended(now);
        for (network, why) in found {
            // A full list keeps what it has; the engine has rails of its own.
            let _full = self.rails.protect(*network, why);
        }
        let _tried_again_at_the_next = self.remove_protected();
    }

    /// Answers one message.
    pub(crate) fn answer(&mut self, bytes: &[u8], now: Duration) -> Reply {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return self.not_understood(&format!("larger than {MESSAGE_BYTES_MAX} bytes"));
        }
        let request: Request = match serde_json::from_slice(bytes) {
            Ok(request) => request,
            Err(error) => return self.not_understood(&error.to_string()),
        };
        Reply {
            serial: request.serial,
            answer: self.decide(&request, now),
        }
    }

    fn not_understood(&mut self, why: &str) -> Reply {
        self.malformed = self.malformed.saturating_add(1);
        let why: String = why.chars().take(REASON_CHARS_MAX).collect();
        let why = event::hostile(&why);
        let count = self.malformed;
        Reply {
            serial: 0,
            answer: Answer::Refused {
                reason: format!("not understood ({count} so far): {why}"),
            },
        }
    }

    fn decide(&mut self, request: &Request, now: Duration) -> Answer {
        if request.fence < self.fence {
            let reason = format!("fence {} is below {}", request.fence, self.fence);
            return Answer::Refused { reason };
        }
        self.fence = request.fence;
        let answer = match &request.verb {
            Verb::Hello => self.hello(),
            Verb::Change { operations } => self.change(operations, now),
            Verb::Dump { offset } => self.dump(*offset),
            Verb::Protect { networks } => self.protect(networks),
        };
        answer.unwrap_or_else(|error| Answer::Refused {
            reason: error.to_string(),
        })
    }

    fn hello(&mut self) -> Result<Answer, KernelError> {
        self.filter.ensure()?;
        Ok(Answer::Ready {
            generation: self.filter.generation(),
            protected: self.rails.protected(),
        })
    }

    fn change(&mut self, operations: &[Operation], now: Duration) -> Result<Answer, KernelError> {
        if operations.len() > BATCH_MAX {
            let what = "operations in one request";
            let max = BATCH_MAX;
            return Err(KernelError::TooLarge { what, max });
        }
        self.filter.ensure()?;
        let results = change(&mut self.filter, &mut self.rails, operations, now);
        Ok(Answer::Changed { results })
    }

    fn dump(&mut self, offset: u32) -> Result<Answer, KernelError> {
        let kept = self.snapshot.take().filter(|_| offset > 0);
        let snapshot = match kept {
            Some(snapshot) => snapshot,
            None => {
                self.filter.ensure()?;
                self.filter.dump()?
            }
        };
        let (elements, next) = page(&snapshot, offset);
        if next.is_some() {
            self.snapshot = Some(snapshot);
        }
        Ok(Answer::Standing { elements, next })
    }

    fn protect(&mut self, networks: &[IpNet]) -> Result<Answer, KernelError> {
        self.filter.ensure()?;
        for network in networks {
            if let Err(ActuatorError::TooManyProtected { max, .. }) =
                self.rails.protect(*network, "protected by the engine")
            {
                let what = "protected networks";
                return Err(KernelError::TooLarge { what, max });
            }
        }
        let mut removed = self.remove_protected()?;
        removed.truncate(REMOVED_NAMED_MAX);
        Ok(Answer::Protected { removed })
    }

    /// Removes every effect that touches what was protected since the last time.
    fn remove_protected(&mut self) -> Result<Vec<ActionId>, KernelError> {
        let touched = self.rails.newly_protected();
        let removed = remove(&mut self.filter, &mut self.rails, &touched)?;
        self.rails.checked();
        Ok(removed)
    }
}

/// The elements from `offset` on that fit one message, and the offset of the next page.
fn page(snapshot: &[Standing], offset: u32) -> (Vec<Element>, Option<u32>) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut left = MESSAGE_BYTES_MAX.saturating_sub(ENVELOPE_BYTES);
    let mut elements = Vec::new();
    let mut next = offset;
    for standing in snapshot.iter().skip(start) {
        let element = Element {
            action_id: standing.action_id,
            action: standing.action(),
            expires_s: standing.expires_s(),
        };
        let bytes = serde_json::to_vec(&element).map_or(usize::MAX, |bytes| bytes.len());
        let Some(rest) = left.checked_sub(bytes.saturating_add(1)) else {
            return (elements, Some(next));
        };
        left = rest;
        elements.push(element);
        next = next.saturating_add(1);
    }
    (elements, None)
}

#[cfg(test)]
mod tests;
