//! The title sentence: a fixed template over what the findings say, never a model.

use std::collections::BTreeSet;

use event::{Entity, Finding, Name, Role, Time};
use serde::{Deserialize, Serialize};

use crate::open::Open;

/// What the title needs of all findings, also of those no longer held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    failures: f64,
    distinct_users: f64,
    /// Time and user of the first success.
    breach: Option<(Time, String)>,
    /// The sentence of the earliest finding.
    first: Option<(Time, String)>,
}

const SCANNING: (&str, &str) = ("is scanning", "are scanning");
/// Rules named after the first in a title.
const MORE_MAX: usize = 3;

impl Facts {
    pub(crate) fn take(&mut self, finding: &Finding) {
        let fact = |name: &str| finding.facts.get(name).copied().unwrap_or(0.0);
        self.failures = self.failures.max(fact("failures"));
        self.distinct_users = self.distinct_users.max(fact("distinct_users"));
        let told = (finding.time, finding.why.clone());
        earliest(&mut self.first, told);
        let user = finding
            .in_role(Role::Target)
            .find_map(|entity| match entity {
                Entity::User(user) => Some(user.to_string()),
                _ => None,
            });
        if let (true, Some(user)) = (fact("success_after_failures") >= 1.0, user) {
            earliest(&mut self.breach, (finding.time, user));
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.failures = self.failures.max(other.failures);
        self.distinct_users = self.distinct_users.max(other.distinct_users);
        for (held, theirs) in [
            (&mut self.breach, other.breach),
            (&mut self.first, other.first),
        ] {
            if let Some(theirs) = theirs {
                earliest(held, theirs);
            }
        }
    }
}

fn earliest(held: &mut Option<(Time, String)>, new: (Time, String)) {
    if held.as_ref().is_none_or(|held| new < *held) {
        *held = Some(new);
    }
}

/// "203.0.113.7 is guessing passwords on web01: 212 failures for 14 users, then logged in as root".
pub(crate) fn title(open: &Open) -> String {
    let mut rules: Vec<(&Name, Time, &Name)> = open
        .rules
        .iter()
        .map(|(id, seen)| (id, seen.first, &seen.title))
        .collect();
    rules.sort_by_key(|(id, first, _)| (*first, *id));
    let told = rules.iter().filter_map(|(id, _, _)| phrase(id.as_str()));
    let told = told.min_by_key(|told| *told == SCANNING); // guessing is the graver of the two
    let Some((verb, plural_verb)) = told else {
        return plain(open, &rules);
    };
    let (subject, many) = subject(open);
    let verb = if many { plural_verb } else { verb };
    let mut title = format!("{subject} {verb}{}", place(open));
    title.push_str(&counts(&open.facts));
    if let Some((_, user)) = &open.facts.breach {
        title.push_str(&format!(", then logged in as {user}"));
    }
    let others = rules
        .iter()
        .filter(|(id, _, _)| phrase(id.as_str()) != told);
    title.push_str(&more(others.map(|(_, _, title)| *title)));
    title
}

/// What a rule's source does, for one source and for several.
fn phrase(rule: &str) -> Option<(&'static str, &'static str)> {
    match rule {
        "brute_force.password_guessing" | "brute_force.success_after_failures" => {
            Some(("is guessing passwords", "are guessing passwords"))
        }
        "brute_force.password_spraying" => {
            Some(("is trying many accounts", "are trying many accounts"))
        }
        "brute_force.distributed_guessing" => Some((
            "is guessing one account's password",
            "are guessing one account's password",
        )),
        _ if rule.starts_with("scan.") => Some(SCANNING),
        _ => None,
    }
}

/// The earliest finding's sentence, and what else was seen.
fn plain(open: &Open, rules: &[(&Name, Time, &Name)]) -> String {
    let first = open.facts.first.as_ref();
    let mut title = first.map(|(_, why)| why.clone()).unwrap_or_default();
    title.push_str(&more(rules.iter().skip(1).map(|(_, _, title)| *title)));
    title
}

fn more<'a>(titles: impl Iterator<Item = &'a Name>) -> String {
    let titles: Vec<String> = titles.map(ToString::to_string).collect();
    let shown = titles.iter().take(MORE_MAX);
    let mut text: String = shown.map(|title| format!("; {title}")).collect();
    if titles.len() > MORE_MAX {
        text.push_str(&format!("; {} more", titles.len() - MORE_MAX));
    }
    text
}

/// The source, or how many there are.
fn subject(open: &Open) -> (String, bool) {
    let sources = named(open, Role::Source);
    match sources.len() {
        0 => ("somebody".to_owned(), false),
        1 => (sources.into_iter().collect(), false),
        many => (format!("{many} sources"), true),
    }
}

/// ` on web01`, ` on 3 hosts`, or nothing.
fn place(open: &Open) -> String {
    let hosts = named(open, Role::Destination);
    match hosts.len() {
        0 => String::new(),
        1 => format!(" on {}", hosts.into_iter().collect::<String>()),
        many => format!(" on {many} hosts"),
    }
}

fn named(open: &Open, role: Role) -> BTreeSet<String> {
    let entities = open.incident.entities.iter();
    let playing = entities.filter(|found| found.role == role);
    playing.map(|found| found.entity.to_string()).collect()
}

fn counts(facts: &Facts) -> String {
    if facts.failures < 1.0 {
        return String::new();
    }
    let plural = |count: f64| if count > 1.0 { "s" } else { "" };
    let mut text = format!(": {:.0} failure{}", facts.failures, plural(facts.failures));
    if facts.distinct_users >= 1.0 {
        let users = facts.distinct_users;
        text.push_str(&format!(" for {users:.0} user{}", plural(users)));
    }
    text
}
