//! The last 24 hours in two lanes, one above the other, each with its own scale: what was found,
//! and what we did.

use std::fmt::Write;
use std::time::Duration;

use event::Time;
use serde::Serialize;

use super::Svg;

/// Bins of the strip: a quarter of an hour each.
pub(crate) const BINS: usize = 96;
const BIN_SECONDS: u64 = 900;
const LANE_HEIGHT: u64 = 34;

/// Counts per bin, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Strip {
    /// Findings in each bin.
    pub(crate) findings: Vec<u64>,
    /// Our own actions in each bin.
    pub(crate) actions: Vec<u64>,
}

impl Strip {
    /// An empty strip.
    pub(crate) fn new() -> Self {
        Self {
            findings: vec![0; BINS],
            actions: vec![0; BINS],
        }
    }

    /// Counts something of `time`, if it lies within the 24 hours before `now`.
    pub(crate) fn count(&mut self, time: Time, ours: bool, now: Time) {
        let bins = u64::try_from(BINS).unwrap_or(u64::MAX);
        let back = now.since(time).as_secs() / BIN_SECONDS;
        if time > now || back >= bins {
            return;
        }
        let lane = if ours {
            &mut self.actions
        } else {
            &mut self.findings
        };
        let index = usize::try_from(bins - 1 - back).unwrap_or(BINS);
        if let Some(bin) = lane.get_mut(index) {
            *bin = bin.saturating_add(1);
        }
    }

    /// All findings.
    pub(crate) fn findings_total(&self) -> u64 {
        self.findings.iter().sum()
    }

    /// All actions.
    pub(crate) fn actions_total(&self) -> u64 {
        self.actions.iter().sum()
    }

    /// Is there nothing to draw?
    pub(crate) fn is_empty(&self) -> bool {
        self.findings_total() + self.actions_total() == 0
    }

    /// The bins that hold something, with when each begins: the drawing's table twin.
    pub(crate) fn rows(&self, now: &crate::frame::words::Moment) -> Vec<Row> {
        let both = self.findings.iter().zip(&self.actions).enumerate();
        let rows = both.filter(|(_, (findings, actions))| **findings + **actions > 0);
        rows.map(|(index, (findings, actions))| {
            let back = (BINS - index) as u64 * BIN_SECONDS;
            Row {
                start: crate::frame::words::Moment(now.0.minus(Duration::from_secs(back))),
                findings: *findings,
                actions: *actions,
            }
        })
        .collect()
    }

    /// The drawing.
    pub(crate) fn draw(&self) -> Svg {
        let mut svg = format!(
            "<svg class=\"strip\" viewBox=\"0 0 960 76\" preserveAspectRatio=\"none\" \
             role=\"img\"><title>Last 24 hours: {} findings, {} actions of ours</title>",
            self.findings_total(),
            self.actions_total()
        );
        push_lane(&mut svg, "findings", &self.findings, 0);
        push_lane(&mut svg, "actions", &self.actions, LANE_HEIGHT + 6);
        svg.push_str("</svg>");
        Svg(svg)
    }
}

/// One row of the table twin.
pub(crate) struct Row {
    pub(crate) start: crate::frame::words::Moment,
    pub(crate) findings: u64,
    pub(crate) actions: u64,
}

fn push_lane(svg: &mut String, class: &str, bins: &[u64], top: u64) {
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let mut path = String::new();
    for (index, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        // At least four units, so that one finding beside a thousand can still be seen.
        let height = (count.saturating_mul(LANE_HEIGHT) / most).max(4);
        let (x, y) = (index * 10, top + LANE_HEIGHT - height);
        write!(path, "M{x} {y}h9v{height}h-9z").expect("writing to a String cannot fail");
    }
    write!(
        svg,
        "<rect class=\"lane\" y=\"{top}\" width=\"960\" height=\"{LANE_HEIGHT}\"/>\
         <path class=\"{class}\" d=\"{path}\"/>"
    )
    .expect("writing to a String cannot fail");
}
