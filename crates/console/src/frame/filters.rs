//! Filters of the templates; `hostile` is the one that all outside text passes.
#![expect(
    unreachable_pub,
    reason = "askama's filter macro writes a public method onto what is private here"
)]

use std::fmt::Display;

/// Makes control and bidi characters visible and cuts long text; askama escapes the result.
#[askama::filter_fn]
pub(crate) fn hostile(text: impl Display, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(event::hostile(&text.to_string()))
}

/// A count in groups of three digits.
#[askama::filter_fn]
pub(crate) fn count(number: &u64, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::words::grouped(number))
}

/// A rate per second.
#[askama::filter_fn]
pub(crate) fn per_second(rate: &f64, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::words::rate(rate))
}

/// Bytes in a unit that reads well.
#[askama::filter_fn]
pub(crate) fn bytes(number: &u64, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::words::bytes(number))
}

/// A large count in its unit: 10.1 M.
#[askama::filter_fn]
pub(crate) fn short(number: &u64, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::words::short(number))
}

/// A name of ours as words: `distinct_users` reads as two. Passes `hostile` as well.
#[askama::filter_fn]
pub(crate) fn spaced(name: impl Display, _values: &dyn askama::Values) -> askama::Result<String> {
    Ok(event::hostile(&name.to_string()).replace('_', " "))
}
