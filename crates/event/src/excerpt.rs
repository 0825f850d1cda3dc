//! Attackers' text made safe to read: the one function that every screen, page and log uses.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// Characters shown before the rest is counted.
pub const EXCERPT_CHARS_MAX: usize = 512;

/// Makes control and bidirectional characters of outside text visible and cuts it at
/// [`EXCERPT_CHARS_MAX`] characters with the count of the rest.
///
/// C0 and C1 controls become control pictures or `⟦U+009B⟧`, bidi controls and zero-width
/// characters `⟦U+202E⟧` (guide 09, section 2). The result holds no control character.
pub fn hostile(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(EXCERPT_CHARS_MAX * 2));
    let mut characters = text.chars();
    for character in characters.by_ref().take(EXCERPT_CHARS_MAX) {
        push_visible(&mut shown, character);
    }
    let rest = characters.count();
    if rest > 0 {
        write!(shown, "… ({rest} more)").expect("writing to a String cannot fail");
    }
    shown
}

fn push_visible(shown: &mut String, character: char) {
    let code = u32::from(character);
    match code {
        0..=0x1F => shown.extend(char::from_u32(0x2400 + code)),
        0x7F => shown.push('\u{2421}'),
        0x80..=0x9F
        | 0x061C
        | 0x200B..=0x200F
        | 0x2028..=0x202E
        | 0x2060..=0x2069
        | 0xFEFF
        | 0xE0000..=0xE007F => {
            write!(shown, "⟦U+{code:04X}⟧").expect("writing to a String cannot fail");
        }
        _ => shown.push(character),
    }
}

/// A piece of outside text inside an error or a sentence; prints escaped and cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Excerpt(String);

impl Excerpt {
    /// From any bytes; invalid UTF-8 becomes U+FFFD, only the first 4 kB are looked at.
    pub fn of(bytes: &[u8]) -> Self {
        let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
        Self(hostile(&String::from_utf8_lossy(head)))
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_or_turns_text_is_left() {
        let shown = hostile("a\x1b[2Jb\u{202e}c\u{9b}d\u{200b}\n\u{7f}");
        assert_eq!(shown, "a␛[2Jb⟦U+202E⟧c⟦U+009B⟧d⟦U+200B⟧␊␡");
    }

    #[test]
    fn long_text_is_cut_and_counted() {
        let shown = hostile(&"x".repeat(600));
        assert!(shown.ends_with("… (88 more)"));
    }
}
