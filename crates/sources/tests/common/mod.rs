//! What the tests against real data share: where the data is, and one record at a time.

use std::path::{Path, PathBuf};

use event::{Name, Time};
use vertice_sources::{Parsed, Parser, RawRecord};

/// A file of the test data; `None`, with a word to the reader, where there is none.
pub fn data(path: &str) -> Option<PathBuf> {
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
pub fn parse(parser: &mut dyn Parser, position: u64, observed: Time, line: &[u8]) -> Parsed {
    parser.parse(&RawRecord {
        stream: &Name::new("test"),
        position,
        observed,
        bytes: line,
        spoofable: false,
    })
}
