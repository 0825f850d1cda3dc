//! Do two findings belong together? A pure function of the two (and of how common their entities
//! are), so that the order of arrival has no say: incidents are the connected components.
//!
//! Absent on purpose: names resolved to addresses; a pivot is seen only if both findings call the
//! machine by the same name.

use std::collections::BTreeSet;
use std::time::Duration;

use event::{Entity, EntityKind, EntityRef, Finding, FindingId, Role, TechniqueId, Time};
use serde::{Deserialize, Serialize};

use crate::limits::MEMBER_ENTITIES_MAX;

/// Weight of the one source that both findings name.
const SAME_SOURCE: f64 = 3.0;
/// A machine that was broken into attacks others.
const PIVOT: f64 = 2.5;
/// A machine that was attacked, not known to be broken into, attacks others: not enough alone.
const PIVOT_UNPROVED: f64 = 0.6;
/// An account that was broken into acts on the same host.
const BREACHED_USER_ACTS: f64 = 2.0;
/// Something happens on a host soon after a break-in there.
const AFTER_BREACH: f64 = 1.5;
/// The same account acts on the same host.
const SAME_ACTOR: f64 = 0.8;
/// Two things happen on one host, neither with a source.
const BOTH_LOCAL: f64 = 0.9;
/// One file, program or domain in both; at most [`SAME_THINGS_MAX`] together.
const SAME_THING: f64 = 0.5;
const SAME_THINGS_MAX: f64 = 0.8;
/// One attacked account in both; at most [`SAME_TARGETS_MAX`] together.
const SAME_TARGET: f64 = 0.3;
const SAME_TARGETS_MAX: f64 = 0.4;
/// The attacked host, or the reporting one: two attackers of one host are two incidents.
const SAME_DESTINATION: f64 = 0.2;
const SAME_OBSERVER: f64 = 0.1;

/// Half-life of most ties.
const SLOW_S: f64 = 6.0 * 3600.0;
/// Half-life of ties that rest on nearness in time alone.
const FAST_S: f64 = 3600.0;

/// What is compared of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) time: Time,
    pub(crate) id: FindingId,
    /// Sorted.
    pub(crate) entities: Vec<EntityRef>,
    /// Does it tell of a login or another success of the attacker?
    pub(crate) breach: bool,
}

/// How strongly two findings hang together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Link {
    pub(crate) score: f64,
    /// The strongest ties first.
    ties: Vec<(f64, String)>,
    gap: Duration,
}

impl Member {
    pub(crate) fn of(finding: &Finding) -> Self {
        let mut entities = finding.entities.clone();
        entities.sort_unstable();
        entities.truncate(MEMBER_ENTITIES_MAX);
        let valid_accounts = TechniqueId::new(1078);
        let succeeded = finding.facts.get("success_after_failures");
        let breach = succeeded.is_some_and(|value| *value >= 1.0)
            || finding
                .techniques
                .iter()
                .any(|shown| valid_accounts.covers(*shown));
        Self {
            time: finding.time,
            id: finding.id,
            entities,
            breach,
        }
    }

    pub(crate) fn in_role(&self, role: Role) -> impl Iterator<Item = &Entity> {
        let entities = self.entities.iter();
        entities
            .filter(move |found| found.role == role)
            .map(|found| &found.entity)
    }

    /// Without a source: it tells of something on a host.
    pub(crate) fn is_local(&self) -> bool {
        self.in_role(Role::Source).next().is_none()
    }

    fn shared<'a>(&'a self, role: Role, other: &'a Self, other_role: Role) -> Vec<&'a Entity> {
        let others: BTreeSet<&Entity> = other.in_role(other_role).collect();
        self.in_role(role)
            .filter(|entity| others.contains(entity))
            .collect()
    }
}

impl Link {
    /// The tie between two findings; `rarity` is 0..=1 per entity.
    pub(crate) fn between(left: &Member, right: &Member, rarity: &dyn Fn(&Entity) -> f64) -> Self {
        let in_order = (left.time, left.id) <= (right.time, right.id);
        let (earlier, later) = if in_order {
            (left, right)
        } else {
            (right, left)
        };
        let gap = later.time.since(earlier.time);
        let mut link = Self {
            gap,
            ..Self::default()
        };
        let slow = half_life(gap, SLOW_S);
        let fast = half_life(gap, FAST_S);
        link.sources(earlier, later, rarity, slow);
        link.causes(earlier, later, slow, fast);
        link.surroundings(earlier, later, rarity, slow);
        link.things(earlier, later, rarity, slow);
        link
    }

    fn tie(&mut self, score: f64, why: impl FnOnce() -> String) {
        if score > 0.0 {
            self.score += score;
            self.ties.push((score, why()));
        }
    }

    fn sources(
        &mut self,
        earlier: &Member,
        later: &Member,
        rarity: &dyn Fn(&Entity) -> f64,
        slow: f64,
    ) {
        let count = |member: &Member| member.in_role(Role::Source).count();
        let many = count(earlier).max(count(later)).max(1);
        for source in earlier.shared(Role::Source, later, Role::Source) {
            let score = SAME_SOURCE / many as f64 * rarity(source) * slow;
            self.tie(score, || format!("same source {source}"));
        }
    }

    fn causes(&mut self, earlier: &Member, later: &Member, slow: f64, fast: f64) {
        for machine in earlier.shared(Role::Destination, later, Role::Source) {
            let weight = if earlier.breach {
                PIVOT
            } else {
                PIVOT_UNPROVED
            };
            self.tie(weight * slow, || {
                format!("{machine} was attacked and then attacks")
            });
        }
        let hosts = earlier.shared(Role::Destination, later, Role::Destination);
        let Some(host) = hosts.first() else { return };
        if earlier.breach && later.is_local() {
            self.tie(AFTER_BREACH * fast, || {
                format!("on {host} after a break-in there")
            });
        }
        if earlier.breach
            && let Some(user) = earlier.shared(Role::Target, later, Role::Actor).first()
        {
            self.tie(BREACHED_USER_ACTS * slow, || {
                format!("{user} was broken into and then acts on {host}")
            });
        }
        if earlier.is_local() && later.is_local() {
            self.tie(BOTH_LOCAL * fast, || format!("both on {host}"));
        }
    }

    /// Shared surroundings: never enough alone.
    fn surroundings(
        &mut self,
        earlier: &Member,
        later: &Member,
        rarity: &dyn Fn(&Entity) -> f64,
        slow: f64,
    ) {
        let destination = earlier.shared(Role::Destination, later, Role::Destination);
        if let Some(host) = destination.first() {
            self.tie(SAME_DESTINATION * rarity(host) * slow, || {
                format!("same target {host}")
            });
            if let Some(user) = earlier.shared(Role::Actor, later, Role::Actor).first() {
                self.tie(SAME_ACTOR * slow, || format!("{user} acts on {host}"));
            }
        }
        if let Some(host) = earlier
            .shared(Role::Observer, later, Role::Observer)
            .first()
        {
            self.tie(SAME_OBSERVER * rarity(host) * slow, || {
                format!("same observer {host}")
            });
        }
        let users = earlier
            .shared(Role::Target, later, Role::Target)
            .into_iter();
        let users: Vec<&Entity> = users
            .filter(|user| user.kind() == EntityKind::User)
            .collect();
        let sum: f64 = users.iter().map(|user| SAME_TARGET * rarity(user)).sum();
        if let Some(user) = users.first() {
            self.tie(sum.min(SAME_TARGETS_MAX) * slow, || {
                format!("same account {user}")
            });
        }
    }

    fn things(
        &mut self,
        earlier: &Member,
        later: &Member,
        rarity: &dyn Fn(&Entity) -> f64,
        slow: f64,
    ) {
        let things = |member: &Member| -> BTreeSet<Entity> {
            let entities = member.entities.iter().map(|found| &found.entity);
            entities
                .filter(|entity| is_thing(entity))
                .cloned()
                .collect()
        };
        let shared: Vec<Entity> = things(earlier)
            .intersection(&things(later))
            .cloned()
            .collect();
        let sum: f64 = shared.iter().map(|thing| SAME_THING * rarity(thing)).sum();
        if let Some(thing) = shared.first() {
            self.tie(sum.min(SAME_THINGS_MAX) * slow, || {
                format!("same {} {thing}", thing.kind().word())
            });
        }
    }

    /// In words, the strongest ties first.
    pub(crate) fn why(&self) -> String {
        let mut ties: Vec<&(f64, String)> = self.ties.iter().collect();
        ties.sort_by(|left, right| right.0.total_cmp(&left.0));
        let words: Vec<&str> = ties.iter().take(3).map(|(_, why)| why.as_str()).collect();
        format!("{}, {} apart", words.join(", "), spoken(self.gap))
    }
}

/// A file, program or domain.
pub(crate) const fn is_thing(entity: &Entity) -> bool {
    matches!(
        entity,
        Entity::File(_) | Entity::Process(_) | Entity::Domain(_)
    )
}

fn half_life(gap: Duration, half_life_s: f64) -> f64 {
    0.5_f64.powf(gap.as_secs_f64() / half_life_s)
}

fn spoken(gap: Duration) -> String {
    match gap.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
