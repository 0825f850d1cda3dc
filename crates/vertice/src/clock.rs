//! The one real clock. Everything else takes `event::Clock` as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::{Clock, Time};

/// Wall time from the system, elapsed time from `CLOCK_BOOTTIME` (it runs on during suspend).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Time {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Time::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        let spec = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(spec.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(spec.tv_nsec).unwrap_or(0))
    }
}
