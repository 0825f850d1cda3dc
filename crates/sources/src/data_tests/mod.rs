//! Tests against real data of others, and what they share: where the data is, one record at a
//! time, and the count of a whole file. Without the data they say so and pass.

mod fail2ban;
mod logs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Parsed, Parser, RawRecord};
use event::{Body, Name, Time};

/// A file of the test data; `None`, with a word to the reader, where there is none.
pub(super) fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::vars_os()
        .find(|(key, _)| key == "VERTICE_TEST_DATA")
        .map_or_else(beside_the_checkout, |(_, value)| PathBuf::from(value));
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: {path} is not in the test data");
    None
}

fn beside_the_checkout() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .unwrap_or(crate_folder);
    root.join("../shared/data")
}

/// Parses one line read at `observed`.
pub(super) fn parse(parser: &mut dyn Parser, position: u64, observed: Time, line: &[u8]) -> Parsed {
    parser.parse(&RawRecord {
        stream: &Name::new("test"),
        position,
        observed,
        bytes: line,
        spoofable: false,
    })
}

/// What became of the lines of a file.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lines: usize,
    pub(super) kept: usize,
    pub(super) dropped: usize,
    pub(super) bad: usize,
    pub(super) classes: BTreeMap<String, usize>,
    pub(super) reasons: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Reads every line of `text` with `parser`, at `observed`.
    pub(super) fn of(parser: &mut dyn Parser, observed: Time, text: &[u8]) -> Self {
        let mut tally = Self::default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        for (position, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let parsed = parse(parser, position as u64, observed, line);
            tally.add(&parsed);
        }
        tally
    }

    fn add(&mut self, parsed: &Parsed) {
        self.lines += 1;
        match parsed {
            Parsed::Event(event) => {
                self.kept += 1;
                *self.classes.entry(class(&event.body)).or_default() += 1;
            }
            Parsed::Nothing(reason) => {
                self.dropped += 1;
                *self.reasons.entry(reason.word()).or_default() += 1;
            }
            Parsed::Bad(reason) => {
                self.bad += 1;
                *self.reasons.entry(reason.word()).or_default() += 1;
            }
        }
    }
}

fn class(body: &Body) -> String {
    match body {
        Body::Auth(auth) => format!("auth {:?}", auth.outcome).to_lowercase(),
        Body::Session(_) => "session".into(),
        Body::Privilege(_) => "privilege".into(),
        Body::Account(_) => "account".into(),
        Body::Audit(_) => "audit".into(),
        Body::Flow(flow) => format!("flow {:?}", flow.state).to_lowercase(),
        Body::Alert(_) => "alert".into(),
        Body::Other(_) => "other".into(),
    }
}
