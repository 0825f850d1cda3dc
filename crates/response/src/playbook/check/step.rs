//! Steps: their action, its parameters, their times, and the order in which they can run.

use event::{ActionKind, OnError, Rate, Stage, Ttl};

use super::super::problem::{Place, Problem, did_you_mean, quoted};
use super::super::reference::Reference;
use super::super::tree::{Key, Node, Value};
use super::super::{Ladder, Limits, Step, scalar};
use super::{Checker, Fields, STEPS_MAX, reference_named, undeclared};
use crate::actions::{self, Card, ParameterKind, Values};
use crate::rails::{PREFIX_V4_MIN, PREFIX_V6_MIN};

pub(in super::super) const STEP_KEYS: [&str; 10] = [
    "id", "stage", "if", "do", "with", "ttl", "gate", "after", "on_error", "verify",
];
pub(in super::super) const STAGES: [(&str, Stage); 3] = [
    ("reflex", Stage::Reflex),
    ("primary", Stage::Primary),
    ("secondary", Stage::Secondary),
];

/// What steps may refer to.
pub(super) struct Scope<'a> {
    pub(super) declared: &'a [Reference],
    pub(super) key: &'a [Reference],
    pub(super) limits: Option<Limits>,
}

/// A step, and where it names those that it waits for.
struct Draft {
    at: Place,
    step: Step,
    after: Vec<(Place, String)>,
}

impl Checker {
    pub(super) fn steps(&mut self, node: &Node<'_>, scope: &Scope<'_>) -> Option<Vec<Step>> {
        let items = self.list(node, "steps")?;
        if items.is_empty() || items.len() > STEPS_MAX {
            let message = format!("a playbook has 1 to {STEPS_MAX} steps, not {}", items.len());
            self.report(node.at.problem(message));
        }
        let budget = scope.limits.map_or(u32::MAX, |limits| limits.actions_max);
        if u32::try_from(items.len()).is_ok_and(|count| count > budget) {
            let message = format!("{} steps, but max_actions is {budget}", items.len());
            self.report(node.at.problem(message));
        }
        let mut ids: Vec<(String, Place)> = Vec::new();
        let mut drafts = Vec::new();
        for item in items.iter().take(STEPS_MAX) {
            drafts.extend(self.step(item, scope, &mut ids));
        }
        self.known_steps(&drafts, &ids);
        self.ordered(drafts)
    }

    fn step(
        &mut self,
        node: &Node<'_>,
        scope: &Scope<'_>,
        ids: &mut Vec<(String, Place)>,
    ) -> Option<Draft> {
        let fields = self.fields(node, "the step", &STEP_KEYS)?;
        let id = self.required(fields, "id");
        let id = id.and_then(|node| self.id(node, ids));
        let kind = self.required(fields, "do");
        let kind = kind.and_then(|node| self.action(node));
        let card = kind.map(actions::card);
        let with = card.and_then(|card| self.with(fields, card, scope));
        let ttl = self.required(fields, "ttl");
        let ttl = ttl.and_then(|node| self.ladder(node, scope.limits));
        let condition = match fields.get("if") {
            Some(node) => Some(self.condition(node, scope.declared)?),
            None => None,
        };
        let stage = self.stage(fields, kind);
        let gate = fields.get("gate").map_or(Some(None), |node| {
            let word = self.word(node)?;
            self.keep(scalar::gate(node.at, &word))
        });
        let on_error = self.on_error(fields);
        self.verify(fields, card);
        let after = self.after(fields);
        let (target, constants) = with?;
        let step = Step {
            id: id?,
            stage: stage?,
            condition,
            kind: kind?,
            target,
            constants,
            ttl: ttl?,
            gate: gate?,
            after: after.iter().map(|(_, id)| id.clone()).collect(),
            on_error: on_error?,
        };
        let at = node.at;
        Some(Draft { at, step, after })
    }

    fn id(&mut self, node: &Node<'_>, ids: &mut Vec<(String, Place)>) -> Option<String> {
        let id = self.name(node)?;
        if let Some((_, first)) = ids.iter().find(|(known, _)| *known == id) {
            let message = format!(
                "duplicate step id {}, first on line {}",
                quoted(&id),
                first.line
            );
            self.report(node.at.problem(message));
        }
        ids.push((id.clone(), node.at));
        Some(id)
    }

    fn action(&mut self, node: &Node<'_>) -> Option<ActionKind> {
        let word = self.word(node)?;
        let known = ActionKind::ALL.map(ActionKind::word);
        let found = ActionKind::ALL.into_iter().find(|kind| kind.word() == word);
        if found.is_none() {
            let problem = node.at.problem(format!("unknown action {}", quoted(&word)));
            let near = did_you_mean(&word, known);
            let hint = near.unwrap_or_else(|| format!("known: {}", known.join(", ")));
            self.report(problem.hint(hint));
        }
        found
    }

    fn with(
        &mut self,
        fields: Fields<'_, '_>,
        card: &Card,
        scope: &Scope<'_>,
    ) -> Option<(Reference, Values)> {
        let node = self.required(fields, "with")?;
        let Value::Map(entries) = &node.value else {
            let problem = node.at.problem("with must be a map of parameters");
            self.report(problem.hint("write with: {ip: src.ip}"));
            return None;
        };
        let (mut target, mut values) = (None, Values::default());
        let mut whole = true;
        for (key, value) in entries {
            let Some(parameter) = card.parameters.iter().find(|known| known.name == key.text)
            else {
                self.report(unknown_parameter(key, card));
                whole = false;
                continue;
            };
            whole &= match parameter.kind {
                ParameterKind::Ip => {
                    target = self.target(value, scope);
                    target.is_some()
                }
                kind => self.constant(value, kind, &mut values).is_some(),
            };
        }
        for parameter in card.parameters {
            let given = entries.iter().any(|(key, _)| key.text == parameter.name);
            if parameter.required && !given {
                let (action, name) = (card.kind.word(), parameter.name);
                let problem = node.at.problem(format!("{action} needs {name}"));
                self.report(problem.hint(format!("{name}: {}", parameter.kind.expected())));
                whole = false;
            }
        }
        whole.then_some((target?, values))
    }

    /// A target is an input of type ip that belongs to the key: one run acts on one target.
    fn target(&mut self, node: &Node<'_>, scope: &Scope<'_>) -> Option<Reference> {
        let word = self.word(node)?;
        let reference = self.keep(reference_named(node.at, &word))?;
        if reference.kind() != event::EntityKind::Ip {
            let kind = reference.kind().word();
            let problem = node
                .at
                .problem(format!("{word} is of type {kind}, an ip is needed"));
            self.report(problem.hint("src.ip or dst.ip"));
            return None;
        }
        if !scope.declared.contains(&reference) {
            self.report(undeclared(node.at, reference));
            return None;
        }
        if !scope.key.contains(&reference) {
            let problem = node
                .at
                .problem(format!("{word} is a target but not part of the key"));
            self.report(problem.hint(format!("key: [{word}] gives each target its own run")));
            return None;
        }
        Some(reference)
    }

    fn constant(
        &mut self,
        node: &Node<'_>,
        kind: ParameterKind,
        values: &mut Values,
    ) -> Option<()> {
        match kind {
            ParameterKind::Ip => {}
            ParameterKind::Rate => {
                let word = self.word(node)?;
                let rate = word.parse::<Rate>().map_err(|_| {
                    let problem = node.at.problem(format!("{} is not a rate", quoted(&word)));
                    problem.hint(kind.expected())
                });
                values.rate = Some(self.keep(rate)?);
            }
            ParameterKind::Port => {
                let port = self.whole(node, 1..=u32::from(u16::MAX))?;
                values.port = u16::try_from(port).ok();
            }
            ParameterKind::PrefixV4 => {
                let prefix = self.whole(node, u32::from(PREFIX_V4_MIN)..=32)?;
                values.prefix_v4 = u8::try_from(prefix).ok();
            }
            ParameterKind::PrefixV6 => {
                let prefix = self.whole(node, u32::from(PREFIX_V6_MIN)..=128)?;
                values.prefix_v6 = u8::try_from(prefix).ok();
            }
        }
        Some(())
    }

    fn ladder(&mut self, node: &Node<'_>, limits: Option<Limits>) -> Option<Ladder> {
        let ladder = if matches!(node.value, Value::Map(_)) {
            let fields = self.fields(node, "ttl", &["first", "factor", "max"])?;
            let first = self.required(fields, "first");
            let first = first.and_then(|node| self.ttl(node));
            let factor = self.required(fields, "factor");
            let factor = factor.and_then(|node| self.whole(node, 2..=100));
            let max = self.required(fields, "max");
            let max = max.and_then(|node| self.ttl(node));
            Ladder {
                first: first?,
                factor: factor?,
                max: max?,
            }
        } else {
            let first = self.ttl(node)?;
            Ladder {
                first,
                factor: 1,
                max: first,
            }
        };
        let allowed = limits.map_or(ladder.max, |limits| limits.ttl_max);
        self.ladder_fits(node.at, ladder, allowed);
        Some(ladder)
    }

    fn ladder_fits(&mut self, at: Place, ladder: Ladder, allowed: Ttl) {
        let Ladder { first, max, .. } = ladder;
        if first > max {
            self.report(at.problem(format!("first is {first}, longer than max, {max}")));
        }
        if max > allowed {
            self.report(at.problem(format!("{max} is longer than limits.max_ttl, {allowed}")));
        }
    }

    fn stage(&mut self, fields: Fields<'_, '_>, kind: Option<ActionKind>) -> Option<Stage> {
        let Some(node) = fields.get("stage") else {
            return Some(match kind {
                Some(ActionKind::RateLimit) => Stage::Reflex,
                _ => Stage::Primary,
            });
        };
        let word = self.word(node)?;
        let found = STAGES.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            let problem = node.at.problem(format!("{} is not a stage", quoted(&word)));
            self.report(problem.hint("reflex, primary or secondary"));
        }
        found.map(|(_, stage)| *stage)
    }

    fn on_error(&mut self, fields: Fields<'_, '_>) -> Option<OnError> {
        let Some(node) = fields.get("on_error") else {
            return Some(OnError::default());
        };
        match self.word(node)?.as_str() {
            "continue" => Some(OnError::Continue),
            "compensate" => Some(OnError::Compensate),
            other => {
                let message = format!("{} is no answer to an error", quoted(other));
                self.report(node.at.problem(message).hint("continue or compensate"));
                None
            }
        }
    }

    fn verify(&mut self, fields: Fields<'_, '_>, card: Option<&Card>) {
        let (Some(node), Some(card)) = (fields.get("verify"), card) else {
            return;
        };
        let Some(word) = self.word(node) else {
            return;
        };
        if word != card.verify {
            let (action, check) = (card.kind.word(), quoted(&word));
            let problem = node.at.problem(format!("{action} has no check {check}"));
            self.report(problem.hint(format!("verify: {}", card.verify)));
        }
    }

    fn after(&mut self, fields: Fields<'_, '_>) -> Vec<(Place, String)> {
        let items = fields
            .get("after")
            .and_then(|node| self.list(node, "after"));
        let mut after = Vec::new();
        for item in items.unwrap_or_default() {
            after.extend(self.name(item).map(|id| (item.at, id)));
        }
        after
    }

    fn known_steps(&mut self, drafts: &[Draft], ids: &[(String, Place)]) {
        for (at, wanted) in drafts.iter().flat_map(|draft| &draft.after) {
            if !ids.iter().any(|(id, _)| id == wanted) {
                let problem = at.problem(format!("unknown step {}", quoted(wanted)));
                let near = did_you_mean(wanted, ids.iter().map(|(id, _)| id.as_str()));
                self.report(match near {
                    Some(near) => problem.hint(near),
                    None => problem,
                });
            }
        }
    }

    /// Puts every step behind those that it waits for, otherwise in the order written.
    fn ordered(&mut self, drafts: Vec<Draft>) -> Option<Vec<Step>> {
        let mut waiting = drafts;
        let mut ordered: Vec<Step> = Vec::new();
        while !waiting.is_empty() {
            let free = waiting.iter().position(|draft| {
                let mut after = draft.step.after.iter();
                after.all(|id| !waiting.iter().any(|other| other.step.id == *id))
            });
            let Some(free) = free else {
                let ids: Vec<&str> = waiting.iter().map(|draft| draft.step.id.as_str()).collect();
                let at = waiting.first().map_or(Place::START, |draft| draft.at);
                let message = format!("steps wait for each other: {}", ids.join(", "));
                self.report(at.problem(message).hint("break the circle in after:"));
                return None;
            };
            ordered.push(waiting.remove(free).step);
        }
        Some(ordered)
    }
}

fn unknown_parameter(key: &Key, card: &Card) -> Problem {
    let names: Vec<&str> = card.parameters.iter().map(|known| known.name).collect();
    let action = card.kind.word();
    let problem = key
        .at
        .problem(format!("{action} has no parameter {}", quoted(&key.text)));
    let near = did_you_mean(&key.text, names.iter().copied());
    problem.hint(near.unwrap_or_else(|| format!("known: {}", names.join(", "))))
}
