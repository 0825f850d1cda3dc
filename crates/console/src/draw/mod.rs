//! Drawings as SVG text: pure functions of data, on an integer grid, coloured by class only.
//!
//! The only markup of ours that templates take unescaped; it holds no outside text.

pub(crate) mod bar;
pub(crate) mod strip;
pub(crate) mod tactics;

use askama::filters::HtmlSafe;
use std::fmt;

/// A finished drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Svg(String);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Svg {}

#[cfg(test)]
mod tests;
