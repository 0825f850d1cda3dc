//! Words to a tree: a Pratt parser with an explicit depth.

use event::TechniqueId;
use ipnet::IpNet;

use super::super::problem::{did_you_mean, quoted};
use super::super::reference::Reference;
use super::lexer::{Spanned, Token, tokens};
use super::{Comparison, DEPTH_MAX, Expr, Fault, INCIDENT_WORDS, Kind, Path, Root};

/// Parses a whole condition.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: tokens.iter(),
        depth: 0,
    };
    let expr = parser.expression(0)?;
    let rest = parser.next();
    match &rest.token {
        Token::End => Ok(expr),
        token => Err(Fault::new(
            rest.start,
            format!("unexpected {}", shown(token)),
        )),
    }
}

struct Parser<'a> {
    tokens: std::slice::Iter<'a, Spanned>,
    depth: usize,
}

/// Stands in for the end of the text once the last token was taken.
static END: Spanned = Spanned {
    start: 0,
    end: 0,
    token: Token::End,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Infix {
    Or,
    And,
    Compare(Comparison),
    In,
}

impl Infix {
    fn of(token: &Token) -> Option<Self> {
        match token {
            Token::Sign("||") => Some(Self::Or),
            Token::Sign("&&") => Some(Self::And),
            Token::Sign("==") => Some(Self::Compare(Comparison::Equal)),
            Token::Sign("!=") => Some(Self::Compare(Comparison::Unequal)),
            Token::Sign("<") => Some(Self::Compare(Comparison::Less)),
            Token::Sign("<=") => Some(Self::Compare(Comparison::LessOrEqual)),
            Token::Sign(">") => Some(Self::Compare(Comparison::Greater)),
            Token::Sign(">=") => Some(Self::Compare(Comparison::GreaterOrEqual)),
            Token::Word(word) if word == "in" => Some(Self::In),
            _ => None,
        }
    }

    const fn power(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Compare(_) | Self::In => 3,
        }
    }
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Spanned {
        self.tokens.as_slice().first().unwrap_or(&END)
    }

    fn next(&mut self) -> &'a Spanned {
        self.tokens.next().unwrap_or(&END)
    }

    /// An expression whose operators bind at least as tight as `power`.
    fn expression(&mut self, power: u8) -> Result<Expr, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} deep");
            return Err(Fault::new(self.peek().start, message));
        }
        let mut left = self.operand()?;
        while let Some(infix) = Infix::of(&self.peek().token) {
            if infix.power() < power {
                break;
            }
            let sign = self.next();
            let right = self.expression(infix.power() + 1)?;
            left = joined(infix, left, right, sign)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, Fault> {
        let first = self.next();
        let (start, end) = (first.start, first.end);
        let plain = |kind| Ok(Expr { start, end, kind });
        match &first.token {
            Token::Number(value) => plain(Kind::Number(*value)),
            Token::Text(text) => plain(Kind::Text(text.clone())),
            Token::Word(word) if word == "true" || word == "false" => {
                plain(Kind::Bool(word == "true"))
            }
            Token::Word(word) => self.named(first, word),
            Token::Sign("!") => {
                let inner = self.expression(4)?;
                Ok(Expr {
                    start,
                    end: inner.end,
                    kind: Kind::Not(Box::new(inner)),
                })
            }
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                let end = self.expect(")")?;
                Ok(Expr {
                    start,
                    end,
                    ..inner
                })
            }
            Token::Sign("[") => self.list(start),
            Token::End => Err(Fault::new(
                start,
                "the condition ends where a value is needed",
            )),
            token => Err(Fault::new(start, format!("unexpected {}", shown(token)))),
        }
    }

    fn expect(&mut self, sign: &'static str) -> Result<usize, Fault> {
        let next = self.next();
        if next.token == Token::Sign(sign) {
            Ok(next.end)
        } else {
            let message = format!("expected {sign:?} instead of {}", shown(&next.token));
            Err(Fault::new(next.start, message))
        }
    }

    fn list(&mut self, start: usize) -> Result<Expr, Fault> {
        let mut items = Vec::new();
        while self.peek().token != Token::Sign("]") {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.expression(0)?);
        }
        let end = self.expect("]")?;
        Ok(Expr {
            start,
            end,
            kind: Kind::List(items),
        })
    }

    /// A function call, or a path with perhaps a method call at its end.
    fn named(&mut self, first: &Spanned, word: &str) -> Result<Expr, Fault> {
        if self.peek().token == Token::Sign("(") {
            return self.call(first, word);
        }
        let mut words = vec![word];
        let mut end = first.end;
        while self.peek().token == Token::Sign(".") {
            self.next();
            let next = self.next();
            let Token::Word(part) = &next.token else {
                let message = format!("expected a name instead of {}", shown(&next.token));
                return Err(Fault::new(next.start, message));
            };
            if self.peek().token == Token::Sign("(") {
                return self.method(first, &words, (next, part));
            }
            words.push(part);
            end = next.end;
        }
        let kind = Kind::Path(path(&words, first.start)?);
        Ok(Expr {
            start: first.start,
            end,
            kind,
        })
    }

    fn call(&mut self, first: &Spanned, name: &str) -> Result<Expr, Fault> {
        self.expect("(")?;
        let kind = match name {
            "has" => {
                let inner = self.expression(0)?;
                match inner.kind {
                    Kind::Path(path) => Kind::Has(path),
                    _ => return Err(Fault::new(inner.start, "has() takes a name")),
                }
            }
            "size" => Kind::Size(Box::new(self.expression(0)?)),
            "cidr" => {
                let (start, text) = self.constant()?;
                Kind::Net(network(&text).ok_or_else(|| {
                    let message = format!("{} is not a network", quoted(&text));
                    Fault::new(start, message).hint("such as cidr(\"10.0.0.0/8\")")
                })?)
            }
            "technique" | "startsWith" => {
                let hint = if name == "technique" {
                    "write incident.technique(\"T1110\")"
                } else {
                    "write user.startsWith(\"adm\")"
                };
                let message = format!("{name}() belongs to a value");
                return Err(Fault::new(first.start, message).hint(hint));
            }
            _ => {
                let fault = Fault::new(first.start, format!("no function {}", quoted(name)));
                let known = ["has", "size", "cidr", "technique", "startsWith"];
                return Err(suggest(fault, name, &known));
            }
        };
        let end = self.expect(")")?;
        Ok(Expr {
            start: first.start,
            end,
            kind,
        })
    }

    fn method(
        &mut self,
        first: &Spanned,
        words: &[&str],
        (at, name): (&Spanned, &str),
    ) -> Result<Expr, Fault> {
        self.expect("(")?;
        let (start, text) = self.constant()?;
        let end = self.expect(")")?;
        let kind = match (words, name) {
            (["incident"], "technique") => {
                Kind::Technique(Root::Incident, technique(start, &text)?)
            }
            (["finding"], "technique") => Kind::Technique(Root::Finding, technique(start, &text)?),
            (_, "startsWith") => {
                let receiver = Expr {
                    start: first.start,
                    end: at.start.saturating_sub(1),
                    kind: Kind::Path(path(words, first.start)?),
                };
                Kind::StartsWith(Box::new(receiver), text)
            }
            (_, "technique") => {
                let fault = Fault::new(first.start, "only incident and finding have techniques");
                return Err(fault);
            }
            _ => {
                let fault = Fault::new(at.start, format!("no method {}", quoted(name)));
                return Err(suggest(fault, name, &["technique", "startsWith"]));
            }
        };
        Ok(Expr {
            start: first.start,
            end,
            kind,
        })
    }

    /// A text constant as the only argument.
    fn constant(&mut self) -> Result<(usize, String), Fault> {
        let next = self.next();
        match &next.token {
            Token::Text(text) => Ok((next.start, text.clone())),
            token => {
                let message = format!("expected a text in quotes instead of {}", shown(token));
                Err(Fault::new(next.start, message))
            }
        }
    }
}

fn joined(infix: Infix, left: Expr, right: Expr, sign: &Spanned) -> Result<Expr, Fault> {
    let (start, end) = (left.start, right.end);
    let kind = match infix {
        Infix::And => Kind::All(flat(left, right, true)),
        Infix::Or => Kind::Any(flat(left, right, false)),
        Infix::Compare(_) | Infix::In if matches!(left.kind, Kind::Compare(..) | Kind::In(..)) => {
            let fault = Fault::new(sign.start, "comparisons do not chain");
            return Err(fault.hint("join two comparisons with &&"));
        }
        Infix::Compare(comparison) => Kind::Compare(comparison, Box::new(left), Box::new(right)),
        Infix::In => Kind::In(Box::new(left), Box::new(right)),
    };
    Ok(Expr { start, end, kind })
}

/// A chain of the same operator is one flat list, so that its length is not depth.
fn flat(left: Expr, right: Expr, all: bool) -> Vec<Expr> {
    let mut terms = match left.kind {
        Kind::All(terms) if all => terms,
        Kind::Any(terms) if !all => terms,
        _ => vec![left],
    };
    terms.push(right);
    terms
}

fn path(words: &[&str], start: usize) -> Result<Path, Fault> {
    let whole = words.join(".");
    if let Some(reference) = Reference::of(&whole) {
        return Ok(Path::Input(reference));
    }
    match words {
        ["incident", word] => incident_path(word).ok_or_else(|| {
            let fault = Fault::new(start, format!("unknown reference {}", quoted(&whole)));
            suggest(fault, word, &INCIDENT_WORDS)
        }),
        ["finding", word] => Ok(finding_path(word)),
        _ => {
            let fault = Fault::new(start, format!("unknown reference {}", quoted(&whole)));
            let known: Vec<&str> = Reference::ALL.iter().map(|known| known.word()).collect();
            let known = [known.as_slice(), &["incident", "finding"]].concat();
            Err(suggest(fault, &whole, &known))
        }
    }
}

fn incident_path(word: &str) -> Option<Path> {
    Some(match word {
        "confidence" => Path::IncidentConfidence,
        "entities" => Path::IncidentEntities,
        "findings" => Path::IncidentFindings,
        "severity" => Path::IncidentSeverity,
        "spoofable" => Path::IncidentSpoofable,
        "stage" => Path::IncidentStage,
        "state" => Path::IncidentState,
        "unmatched" => Path::IncidentUnmatched,
        _ => return None,
    })
}

/// Every other word under `finding` is a fact, which the finding may or may not have.
fn finding_path(word: &str) -> Path {
    match word {
        "confidence" => Path::FindingConfidence,
        "detector" => Path::FindingDetector,
        "entities" => Path::FindingEntities,
        "rule" => Path::FindingRule,
        "severity" => Path::FindingSeverity,
        "spoofable" => Path::FindingSpoofable,
        _ => Path::Fact(word.into()),
    }
}

/// A technique of the catalogue; a revoked id is read as what replaced it.
fn technique(start: usize, text: &str) -> Result<TechniqueId, Fault> {
    let id: TechniqueId = text.parse().map_err(|_| {
        let message = format!("{} is not a technique id", quoted(text));
        Fault::new(start, message).hint("such as \"T1110\" or \"T1110.003\"")
    })?;
    attack::resolve(id).ok_or_else(|| {
        let release = attack::RELEASE;
        Fault::new(start, format!("ATT&CK {release} knows no technique {id}"))
    })
}

fn network(text: &str) -> Option<IpNet> {
    let host = || text.parse::<event::Address>().ok().map(|ip| ip.ip().into());
    let found = text.parse().ok().or_else(host)?;
    Some(crate::rails::canonical(found))
}

fn suggest(fault: Fault, word: &str, known: &[&str]) -> Fault {
    let near = did_you_mean(word, known.iter().copied());
    fault.hint(near.unwrap_or_else(|| format!("known: {}", known.join(", "))))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => quoted(word),
        Token::Number(value) => value.to_string(),
        Token::Text(text) => format!("text {}", quoted(text)),
        Token::Sign(sign) => format!("{sign:?}"),
        Token::End => "the end".into(),
    }
}
