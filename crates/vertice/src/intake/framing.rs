//! Syslog over TCP (RFC 6587): counted octets or lines, told apart frame by frame.
//!
//! A frame that begins with digits and a space is counted; anything else is a line. A message
//! above the limit is cut to one byte more than it, and the rest passed by.

use super::LINE_BYTES_MAX;
use super::lines::Lines;

/// Digits of the largest count taken for one: seven nines are far above the limit.
const DIGITS_MAX: usize = 7;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// It was longer than [`LINE_BYTES_MAX`].
    pub(super) cut: bool,
}

/// Takes the stream of one connection apart.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    lines: Lines,
}

#[derive(Debug, Default)]
enum State {
    /// At the start of a frame, with the digits that came so far.
    #[default]
    Start,
    Digits(Vec<u8>),
    Line,
    /// Octets still to come, those held, and whether some were left out.
    Counted {
        left: usize,
        held: Vec<u8>,
        cut: bool,
    },
}

impl Framing {
    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        let counted = if let State::Counted { held, .. } = &self.state {
            held.len()
        } else {
            0
        };
        counted + self.lines.held()
    }

    /// The next message; `None` once `rest` is used up.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Option<Message> {
        loop {
            match &mut self.state {
                State::Start | State::Digits(_) => self.begin(rest)?,
                State::Line => {
                    let line = self.lines.next(rest)?;
                    self.state = State::Start;
                    return Some(Message {
                        bytes: line.bytes,
                        cut: line.cut,
                    });
                }
                State::Counted { left, held, cut } => {
                    take_counted(rest, left, held, cut);
                    if *left > 0 {
                        return None;
                    }
                    let message = Message {
                        bytes: std::mem::take(held),
                        cut: *cut,
                    };
                    self.state = State::Start;
                    return Some(trimmed(message));
                }
            }
        }
    }

    /// What is left when the connection ends.
    pub(super) fn rest(&mut self) -> Option<Message> {
        match std::mem::take(&mut self.state) {
            State::Start => None,
            State::Digits(bytes) => Some(Message { bytes, cut: false }),
            State::Line => self.lines.rest().map(|l| Message {
                bytes: l.bytes,
                cut: l.cut,
            }),
            State::Counted { held, cut, .. } => {
                (!held.is_empty()).then(|| trimmed(Message { bytes: held, cut }))
            }
        }
    }

    /// Decides what kind of frame begins; `None` when more bytes are needed.
    fn begin(&mut self, rest: &mut &[u8]) -> Option<()> {
        let mut digits = match std::mem::take(&mut self.state) {
            State::Digits(digits) => digits,
            State::Start | State::Line | State::Counted { .. } => Vec::new(),
        };
        loop {
            let Some((first, after)) = rest.split_first() else {
                if !digits.is_empty() {
                    self.state = State::Digits(digits);
                }
                return None;
            };
            let leading_zero = digits.is_empty() && *first == b'0';
            if first.is_ascii_digit() && !leading_zero && digits.len() < DIGITS_MAX {
                digits.push(*first);
                *rest = after;
            } else if *first == b' ' && !digits.is_empty() {
                *rest = after;
                self.state = State::Counted {
                    left: number(&digits),
                    held: Vec::new(),
                    cut: false,
                };
                return Some(());
            } else {
                // No count: the digits belong to the line. They hold no newline.
                let none = self.lines.next(&mut digits.as_slice());
                debug_assert!(none.is_none());
                self.state = State::Line;
                return Some(());
            }
        }
    }
}

fn number(digits: &[u8]) -> usize {
    let value = |sum: usize, digit: &u8| sum * 10 + usize::from(digit.saturating_sub(b'0'));
    digits.iter().fold(0, value) // at most seven digits
}

fn take_counted(rest: &mut &[u8], left: &mut usize, held: &mut Vec<u8>, cut: &mut bool) {
    let here = rest.len().min(*left);
    let (taken, after) = rest.split_at(here);
    let room = (LINE_BYTES_MAX + 1).saturating_sub(held.len()).min(here);
    held.extend(taken.iter().take(room));
    *cut |= held.len() > LINE_BYTES_MAX;
    *left -= here;
    *rest = after;
}

/// Without the line end that some senders count in.
fn trimmed(message: Message) -> Message {
    let Message { mut bytes, cut } = message;
    if !cut {
        bytes.pop_if(|last| *last == b'\n');
        bytes.pop_if(|last| *last == b'\r');
    }
    Message { bytes, cut }
}
