//! Live updates: tells browsers *what* changed; the page then fetches the fragment itself, so
//! permissions stay on that GET and a slow client misses nothing.
//!
//! One task reads the channel that the node hands in and keeps, per topic, the number of its last
//! change. Numbers begin at the start time in microseconds, so a page that was rendered before a
//! restart is always behind. Absent on purpose: content of any kind.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{broadcast, mpsc, watch};

use crate::state::{Shared, locked};

/// Browsers that may listen at once; further ones are told to come back, and poll meanwhile.
pub(crate) const SSE_CLIENTS_MAX: usize = 64;
/// At most one message per topic in this time: four a second.
pub(crate) const COALESCE: Duration = Duration::from_millis(250);
/// Silence after which a heartbeat is sent.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Topics that pages may follow; others are not passed on.
pub const TOPICS: [&str; 4] = ["approvals", "health", "incidents", "overview"];

/// What changed last.
#[derive(Debug)]
pub(crate) struct Hub {
    marks: Mutex<Marks>,
    changed: watch::Sender<u64>,
    clients: AtomicUsize,
    /// Changes that were missed because the node was faster than the hub: all topics then count
    /// as changed.
    missed: AtomicUsize,
}

#[derive(Debug)]
struct Marks {
    sequence: u64,
    topics: BTreeMap<&'static str, u64>,
}

impl Hub {
    /// A hub whose numbers begin at `start`.
    pub(crate) fn new(start: u64) -> Self {
        let topics = TOPICS.into_iter().map(|topic| (topic, start)).collect();
        Self {
            marks: Mutex::new(Marks {
                sequence: start,
                topics,
            }),
            changed: watch::Sender::new(start),
            clients: AtomicUsize::new(0),
            missed: AtomicUsize::new(0),
        }
    }

    /// The number of the newest change: a page carries it, so that nothing is lost between the
    /// rendering and the connection.
    pub(crate) fn sequence(&self) -> u64 {
        locked(&self.marks).sequence
    }

    /// Notes that `topic` changed.
    pub(crate) fn note(&self, topic: &str) {
        let sequence = {
            let mut marks = locked(&self.marks);
            let next = marks.sequence.saturating_add(1);
            let Some(mark) = marks.topics.get_mut(topic) else {
                return;
            };
            *mark = next;
            marks.sequence = next;
            next
        };
        self.changed.send_replace(sequence);
    }

    fn note_all(&self) {
        for topic in TOPICS {
            self.note(topic);
        }
    }

    /// Topics changed after `since`, and the number to go on from.
    fn after(&self, since: u64) -> (Vec<&'static str>, u64) {
        let marks = locked(&self.marks);
        let changed = marks.topics.iter().filter(|(_, mark)| **mark > since);
        (changed.map(|(topic, _)| *topic).collect(), marks.sequence)
    }

    /// Changes missed since the start.
    pub(crate) fn missed(&self) -> usize {
        self.missed.load(Ordering::Relaxed)
    }
}

/// Feeds the hub until the channel or the console ends.
pub(crate) async fn feed(shared: Shared, mut receiver: broadcast::Receiver<crate::Changed>) {
    let mut closing = shared.closing.subscribe();
    loop {
        tokio::select! {
            received = receiver.recv() => match received {
                Ok(changed) => shared.hub.note(changed.topic),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    shared.hub.missed.fetch_add(count, Ordering::Relaxed);
                    shared.hub.note_all();
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = closed(&mut closing) => return,
        }
    }
}

/// Returns when the console stops.
async fn closed(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        tracing::debug!("console: the stop signal is gone");
    }
}

/// Opens a stream for one browser that has seen everything up to `since`.
pub(crate) fn stream(shared: &Shared, since: Option<u64>) -> Response {
    let taken = shared.hub.clients.fetch_add(1, Ordering::SeqCst);
    let place = Place(shared.clone());
    if taken >= SSE_CLIENTS_MAX {
        drop(place);
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "30")],
            "too many live pages are open\n",
        )
            .into_response();
    }
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(tell(place, since, sender));
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(Chunks(receiver))).into_response()
}

/// A place among [`SSE_CLIENTS_MAX`]; given back when dropped.
struct Place(Shared);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.hub.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Writes to one browser until it leaves or the console closes.
async fn tell(place: Place, since: Option<u64>, sender: mpsc::Sender<String>) {
    let hub = &place.0.hub;
    let mut closing = place.0.closing.subscribe();
    let mut changed = hub.changed.subscribe();
    let mut seen = since.unwrap_or_else(|| hub.sequence());
    let hello = format!("retry: 2000\nid: {seen}\nevent: hello\ndata: {{}}\n\n");
    if sender.send(hello).await.is_err() {
        return;
    }
    loop {
        let (topics, sequence) = hub.after(seen);
        changed.mark_unchanged();
        seen = sequence;
        for topic in topics {
            if sender.send(message(topic, sequence)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sender.closed() => return,
            () = closed(&mut closing) => return,
            () = wait_for_change(&mut changed, hub, seen) => {}
            () = tokio::time::sleep(HEARTBEAT) => {
                if sender.send(": still here\n\n".to_owned()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns once something newer than `seen` exists, and not before [`COALESCE`] has passed.
async fn wait_for_change(changed: &mut watch::Receiver<u64>, hub: &Hub, seen: u64) {
    tokio::time::sleep(COALESCE).await;
    while hub.sequence() <= seen {
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn message(topic: &str, version: u64) -> String {
    format!(
        "id: {version}\nevent: changed\ndata: {{\"topic\":\"{topic}\",\"version\":{version}}}\n\n"
    )
}

/// A channel as a response body.
struct Chunks(mpsc::Receiver<String>);

impl futures_core::Stream for Chunks {
    type Item = Result<String, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}

#[cfg(test)]
mod tests;
