//! How fast the five hops are lately: items a second, and the 99th percentile of the time in each.

use std::collections::VecDeque;
use std::time::Duration;

use store::HopStatus;

/// Durations remembered for each hop.
const SAMPLES_MAX: usize = 1024;
/// A rate is measured over at least this long.
const RATE_OVER: Duration = Duration::from_secs(2);

/// The hops of an event, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Records to events, a batch at a time.
    Sources,
    /// An event past all detectors.
    Detect,
    /// A finding into an incident.
    Fusion,
    /// An incident into plans.
    Plan,
    /// A plan, reply or decision through the engine.
    Respond,
}

/// All hops, in order.
pub const ALL: [(Hop, &str); 5] = [
    (Hop::Sources, "sources"),
    (Hop::Detect, "detect"),
    (Hop::Fusion, "fusion"),
    (Hop::Plan, "plan"),
    (Hop::Respond, "respond"),
];

/// Measures all hops.
#[derive(Debug, Default)]
pub struct Hops {
    meters: [Meter; ALL.len()],
}

#[derive(Debug, Default)]
struct Meter {
    items: u64,
    samples: VecDeque<Duration>,
    rate: f64,
    rated_items: u64,
    rated_at: Duration,
}

impl Hops {
    /// `items` took `duration` in `hop`.
    pub fn took(&mut self, hop: Hop, items: usize, duration: Duration) {
        let Some(meter) = self.meters.get_mut(hop as usize) else {
            return;
        };
        meter.items += items as u64;
        if meter.samples.len() >= SAMPLES_MAX {
            meter.samples.pop_front();
        }
        meter.samples.push_back(duration);
    }

    /// Time has passed: rates may be renewed.
    pub fn tick(&mut self, elapsed: Duration) {
        for meter in &mut self.meters {
            let span = elapsed.saturating_sub(meter.rated_at);
            if span >= RATE_OVER {
                let items = meter.items.saturating_sub(meter.rated_items);
                meter.rate = items as f64 / span.as_secs_f64();
                meter.rated_items = meter.items;
                meter.rated_at = elapsed;
            }
        }
    }

    /// Items a second in `hop`, lately.
    pub fn rate(&self, hop: Hop) -> f64 {
        self.meters
            .get(hop as usize)
            .map_or(0.0, |meter| meter.rate)
    }

    /// What the status shows of each hop; queue and drops are the caller's to fill.
    pub fn status(&self) -> Vec<HopStatus> {
        let row = |((_, name), meter): (&(Hop, &str), &Meter)| HopStatus {
            name: (*name).into(),
            rate: meter.rate,
            p99_ms: meter.percentile_99().as_secs_f64() * 1000.0,
            ..HopStatus::default()
        };
        ALL.iter().zip(&self.meters).map(row).collect()
    }
}

impl Meter {
    fn percentile_99(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        let index = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_percentiles_are_of_late() {
        let mut hops = Hops::default();
        for milliseconds in 1..=100 {
            hops.took(Hop::Detect, 10, Duration::from_millis(milliseconds));
        }
        hops.tick(Duration::from_secs(4));
        let status = hops.status();
        assert_eq!(status[1].name, "detect");
        assert!((status[1].rate - 250.0).abs() < 1e-9);
        assert!((status[1].p99_ms - 99.0).abs() < 1e-9);
        assert!(status[0].p99_ms.abs() < f64::EPSILON);
        hops.tick(Duration::from_secs(8));
        assert!(hops.rate(Hop::Detect).abs() < f64::EPSILON);
    }
}
