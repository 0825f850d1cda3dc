//! YAML text to a tree that knows where everything stands.
//!
//! Read by the event parser inside `serde-saphyr`, without recursion and within named limits. Of
//! YAML only maps with plain keys, lists and scalars are taken: anchors, aliases, merge keys, tags
//! and directives are refused, since no playbook needs them and each has been used for attacks.
//! Scalars stay text: whoever needs a number reads it strictly, so that `no` and `1e3` never
//! become what nobody wrote.

use serde_saphyr::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span, StrInput};

use super::problem::{PROBLEMS_MAX, Place, Problem, quoted};

/// Largest playbook, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of maps and lists.
pub(super) const DEPTH_MAX: usize = 16;
/// Most values in one playbook.
pub(super) const NODES_MAX: usize = 4096;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) at: Place,
    pub(super) value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Node<'a>>),
    Map(Vec<(Key, Node<'a>)>),
}

/// A scalar: its text, and how it was written.
#[derive(Debug)]
pub(super) struct Scalar<'a> {
    pub(super) text: String,
    /// Written without quotes.
    pub(super) plain: bool,
    /// As it stands in the file, quotes and escapes included.
    pub(super) raw: &'a str,
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) at: Place,
    pub(super) text: String,
}

/// Reads one document.
///
/// # Errors
/// Every problem that was met: all duplicate keys, then at most one that stops the reading.
pub(super) fn read(bytes: &[u8]) -> Result<Node<'_>, Vec<Problem>> {
    let text = text_of(bytes).map_err(|problem| vec![problem])?;
    let mut reader = Reader {
        text,
        open: Vec::new(),
        root: None,
        nodes: 0,
        documents: 0,
        problems: Vec::new(),
    };
    if let Err(problem) = reader.run() {
        reader.problems.push(problem);
    }
    match reader.root {
        Some(root) if reader.problems.is_empty() => Ok(root),
        _ if reader.problems.is_empty() => Err(vec![Place::START.problem("the file is empty")]),
        _ => Err(reader.problems),
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > TEXT_BYTES_MAX {
        let message = format!(
            "the file has {} bytes, a playbook has at most {TEXT_BYTES_MAX}",
            bytes.len()
        );
        return Err(Place::START.problem(message));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let problem = Place::START.problem("the file is UTF-16");
        return Err(problem.hint("save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let before = std::str::from_utf8(valid).unwrap_or_default();
        let place = Place::START.after(before);
        place
            .problem("the file is not UTF-8 text here")
            .hint("save it as UTF-8")
    })?;
    match text.find('\0') {
        Some(at) => {
            let place = Place::START.after(text.get(..at).unwrap_or_default());
            let problem = place.problem("a NUL character: the file may be UTF-16");
            Err(problem.hint("save it as UTF-8"))
        }
        None => Ok(text),
    }
}

enum Open<'a> {
    List(Place, Vec<Node<'a>>),
    Map(Place, Vec<(Key, Node<'a>)>, Option<Key>),
}

struct Reader<'a> {
    text: &'a str,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
    nodes: usize,
    documents: usize,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<(), Problem> {
        let mut options = Options::default();
        options.disallow_directives = true;
        options.set_emit_comments(false);
        options.flow_nesting_limit = DEPTH_MAX;
        options.block_nesting_limit = DEPTH_MAX;
        let parser: Parser<'a, StrInput<'a>> =
            Parser::new_from_str_with_options(self.text, options);
        for next in parser {
            let (event, span) = next.map_err(|error| {
                let place = place_of(error.marker().line(), error.marker().col());
                explained(place, error.kind(), self.text)
            })?;
            self.take(event, span)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), Problem> {
        let at = place_of(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                let raw = span.slice(self.text).unwrap_or_default();
                let plain = style == ScalarStyle::Plain;
                let nothing = plain && raw.is_empty(); // the parser gives `~` for no text at all
                let scalar = Scalar {
                    text: if nothing {
                        String::new()
                    } else {
                        text.into_owned()
                    },
                    plain,
                    raw,
                };
                self.scalar(at, scalar)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                self.push(at, Open::List(at, Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_extras(at, anchor, tag.is_some())?;
                self.push(at, Open::Map(at, Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let problem = at.problem("aliases are not part of the playbook language");
                Err(problem.hint("write the value out"))
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let problem = at.problem("a second document: a file holds one playbook");
                    return Err(problem.hint("put it into a file of its own"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, at: Place) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(at.problem(format!("more than {NODES_MAX} values in one playbook")));
        }
        Ok(())
    }

    fn push(&mut self, at: Place, open: Open<'a>) -> Result<(), Problem> {
        self.count(at)?;
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return Err(at.problem("a key must be a word, not a list or a map"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(at.problem(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, at: Place, scalar: Scalar<'a>) -> Result<(), Problem> {
        self.count(at)?;
        let Some(Open::Map(_, entries, key @ None)) = self.open.last_mut() else {
            let value = Value::Scalar(scalar);
            return self.put(Node { at, value });
        };
        let text = scalar.text;
        if let Some((first, _)) = entries.iter().find(|(known, _)| known.text == text) {
            let line = first.at.line;
            let message = format!("duplicate key {}, first on line {line}", quoted(&text));
            if self.problems.len() < PROBLEMS_MAX {
                self.problems.push(at.problem(message));
            }
        }
        *key = Some(Key { at, text });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let node = match self.open.pop() {
            Some(Open::List(at, items)) => Node {
                at,
                value: Value::List(items),
            },
            Some(Open::Map(at, entries, _)) => Node {
                at,
                value: Value::Map(entries),
            },
            None => return Ok(()),
        };
        self.put(node)
    }

    fn put(&mut self, node: Node<'a>) -> Result<(), Problem> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => return Err(node.at.problem("a key must be a word, not a list or a map")),
            },
        }
        Ok(())
    }
}

fn refuse_extras(at: Place, anchor: usize, tagged: bool) -> Result<(), Problem> {
    if anchor != 0 {
        let problem = at.problem("anchors are not part of the playbook language");
        return Err(problem.hint("write the value out where it is needed"));
    }
    if tagged {
        return Err(at.problem("tags are not part of the playbook language"));
    }
    Ok(())
}

/// The parser's own complaint, with what usually helps.
fn explained(place: Place, kind: &ErrorKind, text: &str) -> Problem {
    if matches!(kind, ErrorKind::RecursionLimitExceeded) {
        return place.problem(format!("nested more than {DEPTH_MAX} deep"));
    }
    let line_index = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = text.lines().nth(line_index).unwrap_or_default();
    let problem = place.problem(format!("not YAML: {}", event::hostile(&kind.to_string())));
    if line.trim_start_matches(' ').starts_with('\t') {
        problem.hint("indent with spaces, not with tabs")
    } else {
        problem
    }
}

/// The parser counts columns from 0.
fn place_of(line: usize, column: usize) -> Place {
    Place {
        line: u32::try_from(line.max(1)).unwrap_or(u32::MAX),
        column: u32::try_from(column.saturating_add(1)).unwrap_or(u32::MAX),
    }
}
