//! Lines of an sshd's log, as an attack writes them.

use std::time::Duration;

use event::{Clock, Time};
use vertice::clock::SystemClock;

/// A line of sshd at a time, numbered by its process id.
pub(crate) fn sshd(time: Time, number: u32, text: &str) -> String {
    format!("{time} web01 sshd[{number}]: {text}\n")
}

/// Failed passwords of one source: enough for an incident.
pub(crate) fn guessing(source: &str, count: u32) -> String {
    // The log tells of the last seconds, in order.
    let start = SystemClock.now().minus(Duration::from_secs(20));
    guessing_at(start, source, count)
}

/// The same, beginning at a time, ten a second.
pub(crate) fn guessing_at(start: Time, source: &str, count: u32) -> String {
    (0..count)
        .map(|number| {
            let time = start.plus(Duration::from_millis(100) * number);
            let port = 40_000 + number % 20_000;
            let text = format!("Failed password for root from {source} port {port} ssh2");
            sshd(time, 1000 + number, &text)
        })
        .collect()
}
