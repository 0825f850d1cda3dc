//! Types: every operand is checked before anything runs, and words of a scale become steps.

use event::{Address, IncidentState, Severity, Tactic};

use super::super::problem::{did_you_mean, quoted};
use super::super::reference::Reference;
use super::{Comparison, Expr, Fault, Kind, Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Bool,
    Number,
    /// A number of the newest finding; true unless it is 0.
    Fact,
    Text,
    Ip,
    Severity,
    Stage,
    State,
    /// A list of names and addresses.
    Entities,
    /// A list that can only be counted.
    Countable,
    Net,
    List,
    /// Already reported: fits everything, so that one mistake is one message.
    Wrong,
}

impl Type {
    const fn words(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Fact => "a fact (a number)",
            Self::Text => "a text",
            Self::Ip => "an address",
            Self::Severity => "a severity",
            Self::Stage => "a stage",
            Self::State => "a state",
            Self::Entities => "a list of entities",
            Self::Countable => "a list that can only be counted",
            Self::Net => "a network",
            Self::List => "a list",
            Self::Wrong => "unknown",
        }
    }
}

/// Checks the whole tree; turns the words of scales into steps on the way.
///
/// # Errors
/// Every type error and undeclared input.
pub(super) fn check(root: &mut Expr, declared: &[Reference]) -> Result<(), Vec<Fault>> {
    let mut checker = Checker {
        declared,
        faults: Vec::new(),
    };
    checker.truth(root);
    if checker.faults.is_empty() {
        Ok(())
    } else {
        Err(checker.faults)
    }
}

struct Checker<'a> {
    declared: &'a [Reference],
    faults: Vec<Fault>,
}

// Recursion is bounded: the parser refuses more than DEPTH_MAX levels.
impl Checker<'_> {
    fn fault(&mut self, at: usize, message: String) -> Type {
        self.faults.push(Fault::new(at, message));
        Type::Wrong
    }

    /// Must be usable as a condition.
    fn truth(&mut self, expr: &mut Expr) -> Type {
        let found = self.type_of(expr);
        if matches!(found, Type::Bool | Type::Fact | Type::Wrong) {
            return Type::Bool;
        }
        let message = format!("expected true or false instead of {}", found.words());
        self.fault(expr.start, message)
    }

    fn type_of(&mut self, expr: &mut Expr) -> Type {
        let start = expr.start;
        match &mut expr.kind {
            Kind::Bool(_) | Kind::Technique(..) => Type::Bool,
            Kind::Number(_) | Kind::Step(_) => Type::Number,
            Kind::Text(_) => Type::Text,
            Kind::Ip(_) => Type::Ip,
            Kind::Net(_) => Type::Net,
            Kind::List(_) => Type::List,
            Kind::Path(path) => {
                let found = type_of_path(path);
                self.declared(start, path).unwrap_or(found)
            }
            Kind::Has(path) => self.declared(start, path).unwrap_or(Type::Bool),
            Kind::Size(inner) => match self.type_of(inner) {
                Type::Text | Type::Entities | Type::Countable | Type::Wrong => Type::Number,
                other => {
                    let message = format!("size() counts a text or a list, not {}", other.words());
                    self.fault(inner.start, message)
                }
            },
            Kind::StartsWith(receiver, _) => match self.type_of(receiver) {
                Type::Text | Type::Wrong => Type::Bool,
                other => {
                    let message = format!("startsWith() asks a text, not {}", other.words());
                    self.fault(receiver.start, message)
                }
            },
            Kind::Not(inner) => self.truth(inner),
            Kind::All(terms) | Kind::Any(terms) => {
                for term in terms {
                    self.truth(term);
                }
                Type::Bool
            }
            Kind::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            Kind::In(left, right) => self.inside(left, right),
        }
    }

    fn declared(&mut self, start: usize, path: &Path) -> Option<Type> {
        let Path::Input(reference) = path else {
            return None;
        };
        if self.declared.contains(reference) {
            return None;
        }
        let word = reference.word();
        let fault = Fault::new(start, format!("{word} is not declared"));
        let kind = reference.kind().word();
        let hint = format!("inputs: {{{word}: {{type: {kind}, optional: true}}}}");
        self.faults.push(fault.hint(hint));
        Some(Type::Wrong)
    }

    fn compare(&mut self, comparison: Comparison, left: &mut Expr, right: &mut Expr) -> Type {
        let (one, other) = (self.type_of(left), self.type_of(right));
        let (one, other) = match (
            self.settle(left, one, other),
            self.settle(right, other, one),
        ) {
            (Ok(one), Ok(other)) => (one, other),
            (Err(fault), _) | (_, Err(fault)) => {
                self.faults.push(fault);
                return Type::Wrong;
            }
        };
        if !comparable(one, other) {
            let message = format!("cannot compare {} with {}", one.words(), other.words());
            return self.fault(left.start, message);
        }
        let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
        let ordered = [one, other].into_iter().all(|side| {
            use Type::{Fact, Number, Severity, Stage, Wrong};
            matches!(side, Number | Fact | Severity | Stage | Wrong)
        });
        if !equality && !ordered {
            let message = format!("{} has no order, only == and !=", one.words());
            return self.fault(left.start, message);
        }
        Type::Bool
    }

    /// A text constant beside a scale or an address is read as what stands beside it.
    fn settle(&self, expr: &mut Expr, own: Type, beside: Type) -> Result<Type, Fault> {
        let Kind::Text(text) = &expr.kind else {
            return Ok(own);
        };
        let refused = |words: &[&str]| {
            let message = format!("{} is none of {}", quoted(text), words.join(", "));
            let fault = Fault::new(expr.start, message);
            match did_you_mean(text, words.iter().copied()) {
                Some(near) => fault.hint(near),
                None => fault,
            }
        };
        let scale: Vec<&str> = match beside {
            Type::Severity => Severity::ALL.iter().map(|step| step.word()).collect(),
            Type::Stage => Tactic::ALL.iter().map(|step| step.word()).collect(),
            Type::State => vec!["open", "contained", "closed"],
            Type::Ip => {
                let address: Address = text.parse().map_err(|_| {
                    Fault::new(expr.start, format!("{} is not an address", quoted(text)))
                })?;
                expr.kind = Kind::Ip(address);
                return Ok(beside);
            }
            _ => return Ok(own),
        };
        let step = scale.iter().position(|word| word == text);
        let step = step.and_then(|step| u8::try_from(step).ok());
        expr.kind = Kind::Step(step.ok_or_else(|| refused(&scale))?);
        Ok(beside)
    }

    fn inside(&mut self, left: &mut Expr, right: &mut Expr) -> Type {
        let needle = self.type_of(left);
        let start = right.start;
        if let Kind::List(items) = &mut right.kind {
            for item in items {
                let own = self.type_of(item);
                let constant = !matches!(item.kind, Kind::Path(_) | Kind::List(_) | Kind::Net(_));
                match self.settle(item, own, needle) {
                    Ok(settled) if constant && comparable(needle, settled) => {}
                    Ok(settled) => {
                        let message =
                            format!("cannot look for {} in {}", needle.words(), settled.words());
                        self.fault(item.start, message);
                    }
                    Err(fault) => self.faults.push(fault),
                }
            }
            return Type::Bool;
        }
        let haystack = self.type_of(right);
        match (needle, haystack) {
            (Type::Wrong, _) | (_, Type::Wrong) => Type::Bool,
            (Type::Ip, Type::Net) | (Type::Text | Type::Ip, Type::Entities) => Type::Bool,
            _ => {
                let message = format!("cannot look for {} in {}", needle.words(), haystack.words());
                self.fault(start, message)
            }
        }
    }
}

const fn type_of_path(path: &Path) -> Type {
    match path {
        Path::IncidentConfidence | Path::FindingConfidence => Type::Number,
        Path::IncidentSeverity | Path::FindingSeverity => Type::Severity,
        Path::IncidentStage => Type::Stage,
        Path::IncidentState => Type::State,
        Path::IncidentSpoofable | Path::FindingSpoofable | Path::IncidentUnmatched => Type::Bool,
        Path::IncidentEntities | Path::FindingEntities => Type::Entities,
        Path::IncidentFindings => Type::Countable,
        Path::FindingDetector | Path::FindingRule => Type::Text,
        Path::Fact(_) => Type::Fact,
        Path::Input(Reference::SourceIp | Reference::DestinationIp) => Type::Ip,
        Path::Input(_) => Type::Text,
    }
}

fn comparable(one: Type, other: Type) -> bool {
    let numeric = |side| matches!(side, Type::Number | Type::Fact);
    let logical = |side| matches!(side, Type::Bool | Type::Fact);
    let whole = matches!(
        one,
        Type::Bool
            | Type::Number
            | Type::Fact
            | Type::Text
            | Type::Ip
            | Type::Severity
            | Type::Stage
            | Type::State
    );
    one == Type::Wrong
        || other == Type::Wrong
        || (whole && one == other)
        || (numeric(one) && numeric(other))
        || (logical(one) && logical(other))
}

/// Where a state stands on its scale.
pub(super) const fn state_step(state: IncidentState) -> u8 {
    match state {
        IncidentState::Open => 0,
        IncidentState::Contained => 1,
        IncidentState::Closed => 2,
    }
}
