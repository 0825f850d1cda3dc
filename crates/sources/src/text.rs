//! Small readers of outside text. None can panic, none looks at more than it is given.

/// The longest prefix of at most `bytes_max` bytes that ends on a character border.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The longest suffix of at most `bytes_max` bytes that starts on a character border.
pub(crate) fn end_of(text: &str, bytes_max: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(start) {
        start = start.saturating_add(1);
    }
    text.get(start..).unwrap_or_default()
}

/// The number that `text` starts with, of at most `digits_max` digits, and what follows it.
pub(crate) fn number(text: &str, digits_max: usize) -> Option<(u32, &str)> {
    let digits = text
        .bytes()
        .take(digits_max)
        .take_while(u8::is_ascii_digit)
        .count();
    let value = text.get(..digits)?.parse().ok()?;
    Some((value, text.get(digits..)?))
}

/// A number in plain decimal digits: no sign, no space.
pub(crate) fn whole<N: std::str::FromStr>(text: &str) -> Option<N> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// What stands in `text` between the first `open` and the `close` that follows it.
pub(crate) fn quoted<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    let (inner, _) = rest.split_once(close)?;
    Some(inner)
}

/// Splits at the last `separator`; the left side is empty where the text starts with it.
pub(crate) fn split_last<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    text.rsplit_once(separator)
}
