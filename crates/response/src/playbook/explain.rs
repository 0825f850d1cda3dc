//! A playbook in words, at most 80 columns wide: what starts it, what it does, whom it may hurt,
//! who must agree, and how it is undone.

use event::{ActionId, Gate, OnError, Stage};

use super::{Ladder, Playbook, Step};
use crate::actions::{self, Values};

/// Columns of the text.
const COLUMNS: usize = 80;
/// Rungs of a time ladder that are shown before "at most".
const RUNGS_SHOWN: u32 = 5;

/// The playbook in words.
pub fn explain(playbook: &Playbook) -> String {
    let mut page = Page::default();
    page.line(&format!("{}, version {}", playbook.name, playbook.version));
    page.line("");
    page.field("", "when", &playbook.when.text);
    for id in playbook.techniques() {
        let name = attack::technique(id).map_or("", |technique| technique.name);
        let covers = if id.is_sub() {
            ""
        } else {
            " and its sub-techniques"
        };
        page.field("", "attack", &format!("{id} {name}{covers}"));
    }
    let key: Vec<&str> = playbook
        .key
        .iter()
        .map(|reference| reference.word())
        .collect();
    page.field("", "runs", &format!("one per {}", key.join(" and ")));
    let limits = &playbook.limits;
    let deadline = event::Ttl::new(limits.deadline.as_secs());
    let deadline = deadline.map_or_else(|error| error.to_string(), |ttl| ttl.to_string());
    let (actions, ttl) = (limits.actions_max, limits.ttl_max);
    let words = format!("ends after {deadline}, at most {actions} actions, no effect beyond {ttl}");
    page.field("", "limits", &words);
    for (index, step) in playbook.steps.iter().enumerate() {
        page.line("");
        page.step(index + 1, step);
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A named paragraph, wrapped at words; a word longer than a line is cut.
    fn field(&mut self, indent: &str, name: &str, words: &str) {
        let width = COLUMNS.saturating_sub(indent.len() + 8);
        let mut head = format!("{indent}{name:<8}");
        for line in wrapped(words, width) {
            self.line(&format!("{head}{line}"));
            head = format!("{indent}{:<8}", "");
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        let card = actions::card(step.kind);
        let stage = stage_word(step.stage);
        self.line(&format!(
            "{number}. {}: {} ({stage})",
            step.id,
            step.kind.word()
        ));
        let indent = "   ";
        self.field(indent, "does", card.does);
        self.field(indent, "with", &with_words(step));
        if let Some(condition) = &step.condition {
            self.field(indent, "if", &condition.text);
        }
        if !step.after.is_empty() {
            self.field(indent, "after", &step.after.join(", "));
        }
        self.field(indent, "lasts", &ladder_words(step.ttl));
        self.field(indent, "gate", gate_words(step.gate).as_str());
        self.field(indent, "hurts", card.hurts);
        if let Some(rule) = example_rule(step) {
            self.field(indent, "rule", &rule);
        }
        self.field(indent, "checked", card.post_check);
        self.field(
            indent,
            "undo",
            &format!("vertice undo --run RUN: {}", card.inverse),
        );
        let on_error = match step.on_error {
            OnError::Continue => "the other steps go on",
            OnError::Compensate => "the run is undone in reverse order",
        };
        self.field(indent, "fails", on_error);
        let ids = [card.d3fend, card.react].concat().join(", ");
        self.field(indent, "known", &format!("D3FEND and RE&CT {ids}"));
    }
}

fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let characters: Vec<char> = word.chars().collect();
        for piece in characters.chunks(width.max(1)) {
            let line = lines.last_mut().expect("never empty: starts with one line");
            let used = line.chars().count();
            let space = usize::from(used > 0);
            if used + space + piece.len() > width {
                lines.push(piece.iter().collect());
            } else {
                line.extend((space > 0).then_some(' '));
                line.extend(piece);
            }
        }
    }
    lines
}

const fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Reflex => "reflex",
        Stage::Primary => "primary",
        Stage::Secondary => "secondary",
    }
}

fn with_words(step: &Step) -> String {
    let mut words = vec![format!("ip {}", step.target.word())];
    let constants = step.constants;
    words.extend(constants.rate.map(|rate| format!("rate {rate}")));
    words.extend(constants.port.map(|port| format!("port {port}")));
    words.extend(
        constants
            .prefix_v4
            .map(|prefix| format!("/{prefix} around an IPv4 address")),
    );
    words.extend(
        constants
            .prefix_v6
            .map(|prefix| format!("/{prefix} around an IPv6 address")),
    );
    words.join(", ")
}

fn ladder_words(ladder: Ladder) -> String {
    if ladder.factor == 1 {
        return format!("{}, also after a relapse", ladder.first);
    }
    let mut words = Vec::new();
    for relapse in 0..RUNGS_SHOWN {
        let ttl = ladder.at(relapse);
        words.push(ttl.to_string());
        if ttl == ladder.max {
            break;
        }
    }
    let max = ladder.max;
    format!(
        "{}: longer with each relapse, at most {max}",
        words.join(", ")
    )
}

fn gate_words(gate: Option<Gate>) -> String {
    match gate {
        Some(Gate::Approve { persons, .. }) => {
            format!("the matrix, and in any case {persons} approval(s); silence denies")
        }
        Some(Gate::Veto { seconds }) => {
            format!("the matrix, and in any case {seconds} s for a veto; silence lets it run")
        }
        _ => "the matrix: how sure, how bad, whose machine".into(),
    }
}

/// The rule line for a documentation address (RFC 5737).
fn example_rule(step: &Step) -> Option<String> {
    let values = Values {
        ip: "203.0.113.7".parse().ok(),
        ..step.constants
    };
    let action = (actions::card(step.kind).make)(&values)?;
    let id = ActionId::from_bytes([0; 16]);
    let diff = actions::diff(&action, step.ttl.first, id);
    let line = diff.added.first()?.replace(&id.to_string(), "ac-…");
    Some(format!("for 203.0.113.7: {line}"))
}
