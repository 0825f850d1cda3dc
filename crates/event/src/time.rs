//! Points in time, in microseconds of UTC, and the clock that everything takes as an argument.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, years 0001 to 9999.
///
/// Printed and serialised as RFC 3339 with six decimals and `Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// Why a text or number is not a [`Time`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not an RFC 3339 time between the years 0001 and 9999")]
pub struct TimeError {
    /// The refused text, cut to 64 characters.
    pub value: String,
}

const MICROS_MIN: i64 = -62_135_596_800_000_000; // 0001-01-01T00:00:00Z
const MICROS_MAX: i64 = 253_402_300_799_999_999; // 9999-12-31T23:59:59.999999Z

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The latest time that can be held.
    pub const MAX: Self = Self(MICROS_MAX);

    /// From microseconds since the epoch; clamped to the years 0001 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < MICROS_MIN {
            Self(MICROS_MIN)
        } else if micros > MICROS_MAX {
            Self(MICROS_MAX)
        } else {
            Self(micros)
        }
    }

    /// From whole seconds since the epoch; clamped.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time plus a duration; clamped.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This time less a duration; clamped.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.timestamp())
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refused = || TimeError {
            value: text.chars().take(64).collect(),
        };
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        let micros = timestamp.as_microsecond();
        if (MICROS_MIN..=MICROS_MAX).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(refused())
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The only way to learn what time it is. The real one lives in `vertice`.
pub trait Clock: Send + Sync {
    /// Wall time, UTC. Used for records, never for deadlines inside one boot.
    fn now(&self) -> Time;
    /// Time since an arbitrary start that never jumps back (CLOCK_BOOTTIME where there is one).
    fn elapsed(&self) -> Duration;
}

/// A clock that moves when it is told to: for tests, replay and simulation.
#[derive(Debug, Default)]
pub struct ManualClock {
    micros: AtomicI64,
    elapsed_micros: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Time) -> Self {
        Self {
            micros: AtomicI64::new(now.micros()),
            elapsed_micros: AtomicI64::new(0),
        }
    }

    /// Lets time pass, on both scales.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
        self.elapsed_micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Makes the wall time jump; elapsed time stands still.
    pub fn jump_to(&self, now: Time) {
        self.micros.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        let micros = self.elapsed_micros.load(Ordering::SeqCst);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_and_reads_back() {
        let time: Time = "2026-11-24T01:02:03.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-24T00:02:03.500000Z");
        assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
    }

    #[test]
    fn the_ends_hold() {
        assert_eq!(Time::from_micros(i64::MAX), Time::MAX);
        assert_eq!(Time::MAX.plus(Duration::from_secs(1)), Time::MAX);
        assert!("-000001-01-01T00:00:00Z".parse::<Time>().is_err());
        assert_eq!(
            Time::from_micros(i64::MIN).to_string(),
            "0001-01-01T00:00:00.000000Z"
        );
    }
}
