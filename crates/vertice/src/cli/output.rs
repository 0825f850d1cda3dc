//! Printing, and failing in three parts: what, why, hint.

use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

/// Bytes gathered before they go out.
const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output, buffered; JSON when asked.
#[derive(Debug)]
pub struct Printer {
    out: BufWriter<Stdout>,
    /// Was `--json` given?
    pub json: bool,
}

impl Printer {
    /// A printer to standard output.
    pub fn new(json: bool) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
            json,
        }
    }

    /// One line of text.
    ///
    /// # Errors
    /// Standard output refused it.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.out.write_all(text.as_ref().as_bytes())?;
        self.out.write_all(b"\n").map_err(Failure::from)
    }

    /// One JSON document on one line. What could steer a terminal is written as `\u…`.
    ///
    /// # Errors
    /// Standard output refused it.
    pub fn document(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        let mut rest = text.as_str();
        while let Some((at, character)) = rest.char_indices().find(|(_, found)| steers(*found)) {
            let (before, after) = rest.split_at(at);
            self.out.write_all(before.as_bytes())?;
            // Such a character stands inside of a string only, where this is the same.
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(self.out, "\\u{unit:04x}")?;
            }
            rest = after.get(character.len_utf8()..).unwrap_or_default();
        }
        self.out.write_all(rest.as_bytes())?;
        self.out.write_all(b"\n").map_err(Failure::from)
    }

    /// Sends out what was gathered.
    ///
    /// # Errors
    /// Standard output refused it.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::from)
    }
}

/// Does it steer a terminal or turn text around: C1 controls, bidi controls, invisible ones?
/// JSON itself escapes C0.
const fn steers(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why a verb could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What failed and why.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    closed_pipe: bool,
}

impl Failure {
    fn of(code: u8, what: impl std::fmt::Display) -> Self {
        Self {
            code,
            what: what.to_string(),
            hint: None,
            closed_pipe: false,
        }
    }

    /// A wrong argument (2).
    pub fn usage(what: impl std::fmt::Display) -> Self {
        Self::of(2, what)
    }

    /// A wrong configuration (3).
    pub fn config(what: impl std::fmt::Display) -> Self {
        Self::of(3, what)
    }

    /// No node, or no state (4).
    pub fn unreachable(what: impl std::fmt::Display) -> Self {
        Self::of(4, what)
    }

    /// Not allowed (5).
    pub fn permission(what: impl std::fmt::Display) -> Self {
        Self::of(5, what)
    }

    /// Ours (70).
    pub fn internal(what: impl std::fmt::Display) -> Self {
        Self::of(70, what)
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Did the reader of our output go away? That is no failure.
    pub const fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }

    /// Prints the three parts to standard error.
    pub fn report(&self) {
        let hint = self.hint.as_deref().unwrap_or(match self.code {
            2 => "run the verb with --help",
            3 => "run vertice config check",
            _ => "run vertice doctor",
        });
        // A path or an argument may hold anything.
        let what = event::hostile(&self.what);
        say(&format!("vertice: {what}\nhint: {hint}"));
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let mut failure = Self::of(70, format!("output: {error}"));
        failure.closed_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        Self::internal(format!("state: {error}"))
    }
}

/// Something for a person about progress, on standard error.
pub(crate) fn say(text: &str) {
    let line = format!("{text}\n");
    io::stderr().write_all(line.as_bytes()).unwrap_or_default();
}
