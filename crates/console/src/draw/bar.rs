//! A number between 0 and 1 as a bar.

use super::Svg;

/// Draws `value` on a bar 100 units long; anything that is no number is empty.
pub(crate) fn draw(value: &f64) -> Svg {
    let length = (value.clamp(0.0, 1.0) * 100.0).round();
    let length = if length.is_finite() { length } else { 0.0 };
    Svg(format!(
        "<svg viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"bar-back\" width=\"100\" height=\"6\" rx=\"1\"/>\
         <rect class=\"bar-front\" width=\"{length:.0}\" height=\"6\" rx=\"1\"/></svg>"
    ))
}
