//! How far an incident has come along ATT&CK's tactics.

use std::fmt::Write;

use event::Tactic;

use super::Svg;

/// Draws one cell per tactic; the cell of `stage` is filled. Its word stands beside it in text.
pub(crate) fn draw(stage: &Option<Tactic>) -> Svg {
    let mut svg =
        String::from("<svg class=\"tactics\" viewBox=\"0 0 140 12\" aria-hidden=\"true\">");
    for (index, tactic) in Tactic::ALL.into_iter().enumerate() {
        let class = if *stage == Some(tactic) { "now" } else { "off" };
        let (x, y, height) = if class == "now" {
            (index * 10, 0, 12)
        } else {
            (index * 10, 3, 6)
        };
        write!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"8\" height=\"{height}\"/>"
        )
        .expect("writing to a String cannot fail");
    }
    svg.push_str("</svg>");
    Svg(svg)
}
