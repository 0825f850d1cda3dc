//! Splits bytes into lines, with a limit.

use std::io::BufRead;

use super::LINE_BYTES_MAX;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Offset behind its end, newline included.
    pub(super) end: u64,
    /// Without newline, and without a carriage return before it.
    pub(super) bytes: Vec<u8>,
    /// It was longer than [`LINE_BYTES_MAX`]; one byte more than that is here.
    pub(super) cut: bool,
}

/// The line that is not yet complete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    start: u64,
    length: u64,
}

impl Lines {
    /// Begins at an offset.
    pub(super) fn at(start: u64) -> Self {
        Self {
            start,
            ..Self::default()
        }
    }

    /// Offset of the line that is not yet complete: everything before was returned.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes bytes off `rest` up to the end of the next line; `None` once they are used up.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Option<Line> {
        if rest.is_empty() {
            return None;
        }
        let before = *rest;
        let taken = if self.held.len() > LINE_BYTES_MAX {
            rest.skip_until(b'\n')
        } else {
            rest.read_until(b'\n', &mut self.held)
        };
        let taken = taken.unwrap_or(before.len()); // reading from a slice does not fail
        self.length = self.length.saturating_add(taken as u64);
        let ended = taken.checked_sub(1).and_then(|last| before.get(last)) == Some(&b'\n');
        if ended {
            return Some(self.finish(1));
        }
        self.held.truncate(LINE_BYTES_MAX + 1);
        None
    }

    /// The incomplete line, if there is one.
    pub(super) fn rest(&mut self) -> Option<Line> {
        (self.length > 0).then(|| self.finish(0))
    }

    fn finish(&mut self, newline: u64) -> Line {
        let mut bytes = std::mem::take(&mut self.held);
        let cut = self.length.saturating_sub(newline) > LINE_BYTES_MAX as u64;
        if cut {
            bytes.truncate(LINE_BYTES_MAX + 1);
        } else {
            bytes.pop_if(|last| newline == 1 && *last == b'\n');
            bytes.pop_if(|last| newline == 1 && *last == b'\r');
        }
        let start = self.start;
        self.start = start.saturating_add(self.length);
        self.length = 0;
        Line {
            start,
            end: self.start,
            bytes,
            cut,
        }
    }
}
