//! Conditions: a small language in the syntax of CEL, for `when:` and `if:`.
//!
//! `&& || ! == != < <= > >= in`, `has()`, `size()`, `cidr()`, `technique()`, `startsWith()`, and
//! the roots `incident`, `finding` and the declared inputs. Types are checked before anything
//! runs. A value that the incident does not have makes a comparison neither true nor false, and
//! what is not true does not act.
//!
//! Limits: [`LENGTH_MAX`] bytes, [`DEPTH_MAX`] levels, [`COST_MAX`] steps. Absent on purpose:
//! loops, arithmetic, regular expressions, functions of one's own.

mod check;
mod eval;
mod lexer;
mod parser;

use event::{Address, TechniqueId};
use ipnet::IpNet;

use super::reference::Reference;

pub(super) use eval::{Scene, Verdict};

/// Longest condition, bytes.
pub(super) const LENGTH_MAX: usize = 2048;
/// Deepest nesting.
pub(super) const DEPTH_MAX: usize = 32;
/// Steps that one evaluation may take.
pub(super) const COST_MAX: u32 = 20_000;

/// A checked condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) text: String,
    root: Expr,
}

/// What is wrong, at which character of the condition (from 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An expression with the characters that it spans.
#[derive(Clone, Debug, PartialEq)]
struct Expr {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Bool(bool),
    Number(f64),
    Text(String),
    /// A step on an ordered scale: severity, stage or state.
    Step(u8),
    Ip(Address),
    Net(IpNet),
    List(Vec<Expr>),
    Path(Path),
    Has(Path),
    Size(Box<Expr>),
    Technique(Root, TechniqueId),
    StartsWith(Box<Expr>, String),
    Not(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Incident,
    Finding,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    IncidentConfidence,
    IncidentEntities,
    IncidentFindings,
    IncidentSeverity,
    IncidentSpoofable,
    IncidentStage,
    IncidentState,
    IncidentUnmatched,
    FindingConfidence,
    FindingDetector,
    FindingEntities,
    FindingRule,
    FindingSeverity,
    FindingSpoofable,
    /// A fact of the newest finding, by its name.
    Fact(String),
    Input(Reference),
}

/// The words under `incident`, sorted, for messages and for the schema.
pub(super) const INCIDENT_WORDS: [&str; 9] = [
    "confidence",
    "entities",
    "findings",
    "severity",
    "spoofable",
    "stage",
    "state",
    "technique",
    "unmatched",
];

impl Condition {
    /// Parses and type-checks.
    ///
    /// # Errors
    /// The syntax error, or all type errors.
    pub(super) fn parse(text: &str, declared: &[Reference]) -> Result<Self, Vec<Fault>> {
        if text.len() > LENGTH_MAX {
            let message = format!(
                "the condition has {} bytes, at most {LENGTH_MAX} are allowed",
                text.len()
            );
            return Err(vec![Fault::new(0, message)]);
        }
        let mut root = parser::parse(text).map_err(|fault| vec![fault])?;
        check::check(&mut root, declared)?;
        Ok(Self {
            text: text.into(),
            root,
        })
    }

    /// Is it met?
    pub(super) fn judge(&self, scene: &Scene<'_>) -> Verdict {
        eval::judge(self, scene)
    }

    /// The techniques that it asks for (not those that it excludes), sorted.
    pub(super) fn techniques(&self) -> Vec<TechniqueId> {
        let mut found = Vec::new();
        collect_techniques(&self.root, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Does it ask whether any other playbook matched?
    pub(super) fn asks_unmatched(&self) -> bool {
        asks_unmatched(&self.root)
    }

    fn excerpt(&self, expr: &Expr) -> String {
        let length = expr.end.saturating_sub(expr.start);
        self.text.chars().skip(expr.start).take(length).collect()
    }
}

// Recursion is bounded: the parser refuses more than DEPTH_MAX levels.
fn collect_techniques(expr: &Expr, found: &mut Vec<TechniqueId>) {
    match &expr.kind {
        Kind::Technique(_, id) => found.push(*id),
        Kind::All(terms) | Kind::Any(terms) => {
            for term in terms {
                collect_techniques(term, found);
            }
        }
        _ => {}
    }
}

fn asks_unmatched(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Path(Path::IncidentUnmatched) => true,
        Kind::Not(inner) | Kind::In(inner, _) => asks_unmatched(inner),
        Kind::All(terms) | Kind::Any(terms) => terms.iter().any(asks_unmatched),
        Kind::Compare(_, left, right) => asks_unmatched(left) || asks_unmatched(right),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
