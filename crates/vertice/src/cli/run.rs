//! `vertice run`: the daemon.

use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::Run;
use super::config_verb::Place;
use super::output::say;
use super::{Failure, Verdict};
use crate::clock::SystemClock;
use crate::node::{Node, NodeError, Options, Stopper};

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(place: &Place, options: Run) -> Verdict {
    start_tracing();
    let mode = options
        .mode
        .map(|mode| ("response.mode", mode.word().into()));
    let flags: Vec<(&str, String)> = mode.into_iter().collect();
    let config = place.load(&flags)?.config;
    let mode = config.response.mode;
    let sources = config.effective_sources().len();
    let state = config.node.state.display().to_string();
    crate::node::privileges::give_up(config.response.namespace.is_some())
        .map_err(|error| Failure::permission(format!("capabilities: {error}")))?;
    let asked = Options {
        until_end: options.until_end,
        ..Options::default()
    };
    let node = Node::start(config, Arc::new(SystemClock), asked).map_err(failure)?;
    stop_on_signals(node.stopper())?;
    say(&format!(
        "vertice: ready, mode {mode}, {sources} sources, state {state}"
    ));
    announce_console(&node);
    node.run().map_err(failure)?;
    say("vertice: stopped, everything is on disk");
    Ok(true)
}

/// Says where the console is and how to get in the first time.
pub(crate) fn announce_console(node: &Node) {
    let Some((address, token)) = node.console() else {
        return;
    };
    say(&format!("vertice: console at http://{address}/"));
    if let Some(token) = token {
        say(&format!(
            "vertice: first time? http://{address}/setup?token={token}"
        ));
    }
}

/// Structured log lines on standard error.
pub(crate) fn start_tracing() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start in one process (tests) keeps the first subscriber.
    subscriber.with_ansi(false).try_init().unwrap_or_default();
}

/// Ends the node gracefully on the usual signals.
pub(crate) fn stop_on_signals(stopper: Stopper) -> Result<(), Failure> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(Failure::internal)?;
    let waiting = move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
        // A second signal ends the process at once, as signals do.
        if let Some(signal) = signals.forever().next() {
            signal_hook::low_level::emulate_default_handler(signal).unwrap_or_default();
        }
    };
    let thread = std::thread::Builder::new()
        .name("signals".into())
        .spawn(waiting);
    thread.map(drop).map_err(Failure::internal)
}

/// The exit code of a node that could not start or go on.
pub(crate) fn failure(error: NodeError) -> Failure {
    let hint = error.hint();
    let failure = match &error {
        NodeError::Locked { .. }
        | NodeError::Folder { .. }
        | NodeError::Actuator(_)
        | NodeError::Store(store::StoreError::ReadOnly | store::StoreError::Denied(_)) => {
            Failure::permission(&error)
        }
        NodeError::Playbook(_) | NodeError::Source(_) | NodeError::Console(_) => {
            Failure::config(&error)
        }
        _ => Failure::internal(&error),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
