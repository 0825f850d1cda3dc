//! Characters to words: every token knows where it begins.

use super::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and the characters that it spans.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) token: Token,
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [&str; 15] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".",
];

/// All tokens, the last one [`Token::End`].
///
/// # Errors
/// The first character that begins nothing.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, Fault> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = characters.get(at).copied() {
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let rest = characters.get(at..).unwrap_or_default();
        let (token, length) = token(rest).map_err(|(offset, message)| {
            let fault = Fault::new(at + offset, message);
            match hint_for(first) {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        })?;
        let end = at + length;
        tokens.push(Spanned {
            start: at,
            end,
            token,
        });
        at = end;
    }
    tokens.push(Spanned {
        start: at,
        end: at,
        token: Token::End,
    });
    Ok(tokens)
}

type Refused = (usize, String);

fn token(rest: &[char]) -> Result<(Token, usize), Refused> {
    let first = rest.first().copied().unwrap_or_default();
    match first {
        '"' | '\'' => quoted(rest, first),
        '0'..='9' => number(rest),
        'a'..='z' | 'A'..='Z' | '_' => {
            let word: String = rest.iter().take_while(|next| in_word(**next)).collect();
            let length = word.len();
            Ok((Token::Word(word), length))
        }
        _ => sign(rest).ok_or_else(|| {
            let shown = event::hostile(&first.to_string());
            (0, format!("unexpected character {shown:?}"))
        }),
    }
}

fn sign(rest: &[char]) -> Option<(Token, usize)> {
    let found = SIGNS.into_iter().find(|sign| {
        let mut characters = rest.iter();
        sign.chars()
            .all(|wanted| characters.next() == Some(&wanted))
    })?;
    Some((Token::Sign(found), found.len()))
}

fn quoted(rest: &[char], quote: char) -> Result<(Token, usize), Refused> {
    let mut text = String::new();
    let mut characters = rest.iter().enumerate().skip(1);
    while let Some((at, next)) = characters.next() {
        match next {
            '\\' => match characters.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => text.push(*escaped),
                _ => return Err((at, "only \\\\, \\\" and \\' can be escaped".into())),
            },
            _ if *next == quote => return Ok((Token::Text(text), at + 1)),
            _ => text.push(*next),
        }
    }
    Err((0, "a text that is never closed".into()))
}

fn number(rest: &[char]) -> Result<(Token, usize), Refused> {
    let word: String = rest
        .iter()
        .take_while(|next| in_word(**next) || **next == '.')
        .collect();
    let plain = word
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = word
        .parse::<f64>()
        .ok()
        .filter(|_| plain && !word.ends_with('.'));
    match value {
        Some(value) => Ok((Token::Number(value), word.len())),
        None => {
            let shown = super::super::problem::quoted(&word);
            Err((0, format!("{shown} is not a number such as 10 or 0.75")))
        }
    }
}

const fn in_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

const fn hint_for(first: char) -> Option<&'static str> {
    match first {
        '=' => Some("equality is =="),
        '&' => Some("and is &&"),
        '|' => Some("or is ||"),
        '-' | '+' | '*' | '/' | '%' => Some("there is no arithmetic in conditions"),
        '$' | '{' | '`' => Some("conditions hold no templates: name the value, such as src.ip"),
        _ => None,
    }
}
