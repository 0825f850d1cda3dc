//! `vertice status`: is the node running, seeing and able to act?

use std::time::Duration;

use event::Clock;
use store::Status;

use super::config_verb::Place;
use super::output::say;
use super::{Failure, Printer, Verdict};
use crate::clock::SystemClock;

/// A status older than this was left by a node that is gone.
const FRESH: Duration = Duration::from_secs(5);

/// The status of a node that runs now.
///
/// # Errors
/// Exit code 4 if none does.
pub(crate) fn living(place: &Place) -> Result<Status, Failure> {
    let state = place.state()?;
    let gone = |why: &str| {
        let failure = Failure::unreachable(format!("no node runs on {}: {why}", state.display()));
        failure.hint("start it with vertice run, or name its folder with --state")
    };
    let status = store::read_status(&state).map_err(|error| gone(&error.to_string()))?;
    let mut status = status.ok_or_else(|| gone("it never did"))?;
    let age = SystemClock.now().since(status.now);
    if age <= FRESH {
        return Ok(status);
    }
    let silence = format!("last sign of life {} s ago", age.as_secs());
    if !runs(status.pid) {
        return Err(gone(&silence));
    }
    // It cannot write on a full disk, and must be reachable all the same: for undo.
    say(&format!(
        "vertice: {silence}, but process {} runs: is the disk full?",
        status.pid
    ));
    status.ready = false;
    Ok(status)
}

/// Is this process one of ours, by the name that the kernel knows?
fn runs(pid: u32) -> bool {
    let name = |process: &str| std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let theirs = name(&pid.to_string());
    theirs.is_some() && theirs == name("self")
}

/// Prints it; exit code 1 if the node is not ready.
pub(crate) fn status(place: &Place, printer: &mut Printer) -> Verdict {
    let status = living(place)?;
    if printer.json {
        printer.document(&status)?;
        return Ok(status.ready);
    }
    let hours = status.uptime_s / 3600;
    let minutes = status.uptime_s / 60 % 60;
    printer.line(format!(
        "{}  mode {}  {}  up {hours} h {minutes} min  pid {}",
        event::hostile(&status.node),
        status.mode,
        if status.ready { "ready" } else { "not ready" },
        status.pid
    ))?;
    printer.line(format!("actuator   {}", status.actuator.state))?;
    printer.line(format!(
        "effects    {} standing, {} end within the hour",
        status.effects_standing, status.effects_expiring_1h
    ))?;
    printer.line(format!("approvals  {} waiting", status.approvals_waiting))?;
    printer.line(format!(
        "events     {} ({:.0}/s), findings {}, dead letters {}, log {} kB",
        status.events_total,
        status.events_per_s,
        status.findings_total,
        status.dead_letters,
        status.log_bytes / 1024
    ))?;
    for source in &status.sources {
        let seen = source
            .last_seen
            .map_or_else(|| "never".into(), |time| time.to_string());
        printer.line(format!("source     {}", event::hostile(&source.name)))?;
        printer.line(format!(
            "           read {} = kept {} + dropped {} + bad {}; last {seen}",
            source.lines, source.kept, source.dropped, source.bad
        ))?;
    }
    Ok(status.ready)
}
