//! Health: is the node up, are its sources speaking, does anything pile up or get lost?

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::time::Duration;
use store::{HopStatus, Status};

use crate::auth::Viewer;
use crate::draw::{Svg, bar};
use crate::frame::words::{self, Moment};
use crate::frame::{self, Frame, Page, filters};
use crate::pages::overview::SourceLine;
use crate::problem::{self, Problem};
use crate::state::Shared;

/// What the page shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    schema: &'static str,
    now: Moment,
    status: Status,
    started: Moment,
    sources: Vec<SourceLine>,
    hops: Vec<Hop>,
    /// What went because a table was at its limit, by table.
    dropped: Vec<(String, u64)>,
    /// Rows that could not be understood.
    unreadable: u64,
    /// Live changes that the console missed and made up for by a full refresh.
    live_missed: usize,
    /// Space kept free for undo records.
    reserve_held: bool,
}

/// One hop of an event.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hop {
    name: String,
    rate: f64,
    queue_bytes: u64,
    /// 0..=1; 0 where the queue has no limit.
    fill: f64,
    drops: u64,
    p99_ms: f64,
}

impl Hop {
    fn of(hop: &HopStatus) -> Self {
        let limit = hop.queue_limit_bytes.max(1);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of a queue, drawn a hundred units long"
        )]
        let fill = hop.queue_bytes.min(limit) as f64 / limit as f64;
        Self {
            name: hop.name.clone(),
            rate: hop.rate,
            queue_bytes: hop.queue_bytes,
            fill,
            drops: hop.drops,
            p99_ms: hop.p99_ms,
        }
    }

    fn bar(&self) -> Svg {
        bar::draw(&self.fill)
    }

    fn p99(&self) -> String {
        words::rate(&self.p99_ms)
    }
}

impl View {
    fn uptime(&self) -> String {
        words::span(Duration::from_secs(self.status.uptime_s))
    }

    fn silent(&self) -> usize {
        self.sources.iter().filter(|source| source.silent).count()
    }
}

#[derive(Template)]
#[template(path = "health/page.html", blocks = ["live"])]
struct HealthPage {
    frame: Frame,
    view: View,
}

/// The page.
pub(crate) async fn page(
    State(shared): State<Shared>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let page = read(&shared, viewer).await?;
    Ok(frame::html(StatusCode::OK, &page))
}

/// Its changing part.
pub(crate) async fn fragment(
    State(shared): State<Shared>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let page = read(&shared, viewer).await?;
    Ok(frame::html(StatusCode::OK, &page.as_live()))
}

/// The same for programs.
pub(crate) async fn json(
    State(shared): State<Shared>,
    _viewer: Viewer,
) -> Result<Response, Problem> {
    Ok(problem::json(&view(&shared).await?))
}

async fn read(shared: &Shared, viewer: Viewer) -> Result<HealthPage, Problem> {
    let frame = Frame::read(shared, viewer, Page::Health).await?;
    let view = view(shared).await?;
    Ok(HealthPage { frame, view })
}

async fn view(shared: &Shared) -> Result<View, Problem> {
    let status = (shared.app.status)();
    let now = shared.app.clock.now();
    let told = shared.ask(|store| {
        let dropped = store.dropped()?;
        Ok((dropped, store.unreadable(), store.reserve_held()))
    });
    let (dropped, unreadable, reserve_held) = told.await?;
    let sources = status.sources.iter().cloned();
    Ok(View {
        schema: "vertice.health/1",
        now: Moment(now),
        started: Moment(status.started),
        sources: sources.map(|source| SourceLine::of(source, now)).collect(),
        hops: status.hops.iter().map(Hop::of).collect(),
        dropped,
        unreadable,
        live_missed: shared.hub.missed(),
        reserve_held,
        status,
    })
}
