//! From a tree to a playbook: every problem is found, each with its place.

pub(super) mod step;

use std::time::Duration;

use event::Ttl;

use super::condition::Condition;
use super::problem::{PROBLEMS_MAX, Place, Problem, did_you_mean, quoted};
use super::reference::Reference;
use super::tree::{self, Key, Node, Scalar, Value};
use super::{Input, Limits, Playbook, scalar};

/// Most steps in one playbook.
pub(super) const STEPS_MAX: usize = 32;
/// Most references in one key.
pub(super) const KEY_MAX: usize = 4;
/// Most actions that one run may be allowed.
pub(super) const ACTIONS_MAX: u32 = 100;
/// Longest run, seconds.
pub(super) const DEADLINE_SECONDS_MAX: u64 = 30 * 86_400;

pub(super) const PLAYBOOK_KEYS: [&str; 8] = [
    "vertice", "name", "version", "when", "key", "inputs", "limits", "steps",
];
pub(super) const LIMIT_KEYS: [&str; 3] = ["deadline", "max_actions", "max_ttl"];

/// Words of the field guide's language that this version does not speak, and why.
const ABSENT: [(&str, &str); 8] = [
    (
        "parallel",
        "steps run in order; use after: to make one wait for another",
    ),
    (
        "undo",
        "the inverse belongs to the action: there is no undo to write",
    ),
    ("retry", "network actions are retried by the engine"),
    ("timeout", "limits.deadline ends the run"),
    ("on_timeout", "silence at a gate means what the gate says"),
    ("switch", "use one step per case, each with its own if:"),
    ("while", "there are no loops"),
    (
        "run",
        "there are no scripts, and playbooks do not call playbooks",
    ),
];

/// Reads and checks.
pub(super) fn check(text: &[u8]) -> Result<Playbook, Vec<Problem>> {
    let root = tree::read(text)?;
    let mut checker = Checker {
        problems: Vec::new(),
    };
    let playbook = checker.playbook(&root);
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.truncate(PROBLEMS_MAX);
    match playbook {
        Some(playbook) if problems.is_empty() => Ok(playbook),
        _ if problems.is_empty() => Err(vec![Place::START.problem("the file is no playbook")]),
        _ => Err(problems),
    }
}

pub(super) struct Checker {
    problems: Vec<Problem>,
}

/// A map whose keys are known words.
#[derive(Clone, Copy)]
struct Fields<'n, 'a> {
    at: Place,
    what: &'static str,
    entries: &'n [(Key, Node<'a>)],
}

impl<'n, 'a> Fields<'n, 'a> {
    fn get(&self, name: &str) -> Option<&'n Node<'a>> {
        let found = self.entries.iter().find(|(key, _)| key.text == name);
        found.map(|(_, node)| node)
    }
}

impl Checker {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Keeps the value, reports the problem.
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.report(problem)).ok()
    }

    fn playbook(&mut self, root: &Node<'_>) -> Option<Playbook> {
        let fields = self.fields(root, "the playbook", &PLAYBOOK_KEYS)?;
        self.format(fields);
        let named = self.required(fields, "name");
        let named_at = named.map_or(fields.at, |node| node.at);
        let name = named.and_then(|node| self.name(node));
        let version = self.required(fields, "version");
        let version = version.and_then(|node| self.whole(node, 1..=1_000_000));
        let inputs = self.inputs(fields);
        let declared: Vec<Reference> = inputs.iter().map(|input| input.reference).collect();
        let key = self.key(fields, &inputs);
        let limits = self.required(fields, "limits");
        let limits = limits.and_then(|node| self.limits(node));
        let when = self.required(fields, "when");
        let when = when.and_then(|node| self.condition(node, &declared));
        let scope = step::Scope {
            declared: &declared,
            key: &key,
            limits,
        };
        let steps = self.required(fields, "steps");
        let steps = steps.and_then(|node| self.steps(node, &scope));
        Some(Playbook {
            name: name?,
            version: version?,
            when: when?,
            key,
            inputs,
            limits: limits?,
            steps: steps?,
            named_at,
        })
    }

    fn format(&mut self, fields: Fields<'_, '_>) {
        let Some(node) = self.required(fields, "vertice") else {
            return;
        };
        let Some(found) = self.scalar(node) else {
            return;
        };
        if found.text != "playbook/v1" {
            let message = format!("{} is not a format that is read", quoted(&found.text));
            self.report(node.at.problem(message).hint("write vertice: playbook/v1"));
        }
    }

    fn fields<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        what: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n, 'a>> {
        let Value::Map(entries) = &node.value else {
            let message = format!("{what} must be a map of {}", known.join(", "));
            self.report(node.at.problem(message));
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.report(unknown_key(key, what, known));
            }
        }
        Some(Fields {
            at: node.at,
            what,
            entries,
        })
    }

    fn required<'n, 'a>(&mut self, fields: Fields<'n, 'a>, name: &str) -> Option<&'n Node<'a>> {
        let found = fields.get(name);
        if found.is_none() {
            self.report(fields.at.problem(format!("{} has no {name}", fields.what)));
        }
        found
    }

    fn scalar<'n, 'a>(&mut self, node: &'n Node<'a>) -> Option<&'n Scalar<'a>> {
        match &node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) => {
                self.report(node.at.problem("expected one value instead of a list"));
                None
            }
            Value::Map(_) => {
                self.report(node.at.problem("expected one value instead of a map"));
                None
            }
        }
    }

    fn list<'n, 'a>(&mut self, node: &'n Node<'a>, what: &str) -> Option<&'n [Node<'a>]> {
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        let problem = node.at.problem(format!("{what} must be a list"));
        self.report(problem.hint("write [one, other]"));
        None
    }

    fn word(&mut self, node: &Node<'_>) -> Option<String> {
        let found = self.scalar(node)?;
        self.keep(scalar::word(node.at, found))
    }

    fn name(&mut self, node: &Node<'_>) -> Option<String> {
        let found = self.scalar(node)?;
        self.keep(scalar::name(node.at, found))
    }

    fn whole(&mut self, node: &Node<'_>, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let found = self.scalar(node)?;
        self.keep(scalar::whole(node.at, found, range))
    }

    fn seconds(&mut self, node: &Node<'_>, max: u64) -> Option<u64> {
        let found = self.scalar(node)?;
        self.keep(scalar::seconds(node.at, &found.text, max))
    }

    fn ttl(&mut self, node: &Node<'_>) -> Option<Ttl> {
        let seconds = self.seconds(node, scalar::TTL_SECONDS_MAX)?;
        Ttl::new(seconds).ok()
    }

    fn condition(&mut self, node: &Node<'_>, declared: &[Reference]) -> Option<Condition> {
        let found = self.scalar(node)?;
        if found.text.trim().is_empty() {
            self.report(node.at.problem("the condition is empty"));
            return None;
        }
        match Condition::parse(&found.text, declared) {
            Ok(condition) => Some(condition),
            Err(faults) => {
                for fault in faults {
                    let problem = place_in(node.at, found, fault.at).problem(fault.message);
                    let hint = fault.hint;
                    self.report(Problem { hint, ..problem });
                }
                None
            }
        }
    }

    fn inputs(&mut self, fields: Fields<'_, '_>) -> Vec<Input> {
        let Some(node) = self.required(fields, "inputs") else {
            return Vec::new();
        };
        let Value::Map(entries) = &node.value else {
            let problem = node.at.problem("inputs must be a map of names and types");
            self.report(problem.hint("write inputs: {src.ip: ip}"));
            return Vec::new();
        };
        let mut inputs = Vec::new();
        for (key, node) in entries {
            inputs.extend(self.input(key, node));
        }
        inputs
    }

    fn input(&mut self, key: &Key, node: &Node<'_>) -> Option<Input> {
        let reference = self.keep(reference_named(key.at, &key.text));
        let (kind, optional) = match &node.value {
            Value::Map(_) => {
                let fields = self.fields(node, "the input", &["type", "optional"])?;
                let optional = fields.get("optional");
                let optional = optional.map_or(Some(false), |node| {
                    let found = self.scalar(node)?;
                    self.keep(scalar::boolean(node.at, found))
                });
                (self.required(fields, "type")?, optional?)
            }
            _ => (node, false),
        };
        let (word, reference) = (self.word(kind)?, reference?);
        let expected = reference.kind().word();
        if word != expected {
            let message = format!(
                "{} has the type {expected}, not {}",
                key.text,
                quoted(&word)
            );
            self.report(kind.at.problem(message));
        }
        Some(Input {
            reference,
            optional,
        })
    }

    fn key(&mut self, fields: Fields<'_, '_>, inputs: &[Input]) -> Vec<Reference> {
        let Some(node) = self.required(fields, "key") else {
            return Vec::new();
        };
        let items = self.list(node, "key").unwrap_or_default();
        if items.is_empty() || items.len() > KEY_MAX {
            let message = format!("key names 1 to {KEY_MAX} inputs, not {}", items.len());
            self.report(node.at.problem(message));
        }
        let mut key = Vec::new();
        for item in items.iter().take(KEY_MAX) {
            let Some(word) = self.word(item) else {
                continue;
            };
            let Some(reference) = self.keep(reference_named(item.at, &word)) else {
                continue;
            };
            match inputs.iter().find(|input| input.reference == reference) {
                None => self.report(undeclared(item.at, reference)),
                Some(input) if input.optional => {
                    let message = format!("{word} is optional: a key must always be there");
                    self.report(item.at.problem(message));
                }
                Some(_) if key.contains(&reference) => {
                    self.report(item.at.problem(format!("{word} stands in the key twice")));
                }
                Some(_) => key.push(reference),
            }
        }
        key
    }

    fn limits(&mut self, node: &Node<'_>) -> Option<Limits> {
        let fields = self.fields(node, "limits", &LIMIT_KEYS)?;
        let deadline = self.required(fields, "deadline");
        let deadline = deadline.and_then(|node| self.seconds(node, DEADLINE_SECONDS_MAX));
        let actions = self.required(fields, "max_actions");
        let actions = actions.and_then(|node| self.whole(node, 1..=ACTIONS_MAX));
        let ttl = self.required(fields, "max_ttl");
        let ttl = ttl.and_then(|node| self.ttl(node));
        Some(Limits {
            deadline: Duration::from_secs(deadline?),
            actions_max: actions?,
            ttl_max: ttl?,
        })
    }
}

fn unknown_key(key: &Key, what: &str, known: &[&str]) -> Problem {
    let problem = key
        .at
        .problem(format!("unknown key {} in {what}", quoted(&key.text)));
    if let Some((_, why)) = ABSENT.iter().find(|(absent, _)| *absent == key.text) {
        return problem.hint(*why);
    }
    match did_you_mean(&key.text, known.iter().copied()) {
        Some(near) => problem.hint(near),
        None => problem.hint(format!("known: {}", known.join(", "))),
    }
}

/// The reference of that name.
fn reference_named(at: Place, word: &str) -> Result<Reference, Problem> {
    let known = Reference::ALL.map(Reference::word);
    Reference::of(word).ok_or_else(|| {
        let problem = at.problem(format!("unknown reference {}", quoted(word)));
        if word.contains(['{', '$', '<', '%', '`']) {
            return problem.hint("values are references such as src.ip, never templates");
        }
        let near = did_you_mean(word, known);
        problem.hint(near.unwrap_or_else(|| format!("known: {}", known.join(", "))))
    })
}

fn undeclared(at: Place, reference: Reference) -> Problem {
    let (word, kind) = (reference.word(), reference.kind().word());
    let problem = at.problem(format!("{word} is not declared"));
    problem.hint(format!("inputs: {{{word}: {kind}}}"))
}

/// The place of one character of a scalar's text: the text is found again in what was written,
/// character by character, past quotes, escapes and folded lines.
fn place_in(at: Place, scalar: &Scalar<'_>, index: usize) -> Place {
    let mut place = at;
    let mut written = scalar.raw.chars();
    for (position, wanted) in scalar.text.chars().enumerate() {
        loop {
            match written.next() {
                Some(found) if found == wanted => break,
                Some(skipped) => place = place.step(skipped),
                None => return at,
            }
        }
        if position == index {
            return place;
        }
        place = place.step(wanted);
    }
    place
}
