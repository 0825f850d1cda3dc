//! Overview: are we under attack, what is the system doing, what waits for me, is it seeing?

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use event::{IncidentState, ReceiptId, Severity, Time};
use serde::Serialize;
use std::time::Duration;
use store::{IncidentQuery, PAGE_MAX, ReceiptQuery, SourceStatus, Store, StoreError};

use crate::ask::at_least;
use crate::auth::Viewer;
use crate::draw::strip::Strip;
use crate::frame::words::{self, Moment};
use crate::frame::{self, Frame, Page, filters};
use crate::pages::approvals::{WaitLine, retitle};
use crate::pages::incidents::IncidentLine;
use crate::problem::{self, Problem};
use crate::state::Shared;

/// Rows of each short list on this page.
const ROWS_MAX: usize = 5;
/// Incidents whose timelines make the strip, newest change first.
const STRIP_INCIDENTS_MAX: usize = 100;
/// A source that gave nothing for this long is called silent.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(600);

/// What the page shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    schema: &'static str,
    now: Moment,
    mode: event::Mode,
    ready: bool,
    /// Open incidents by severity, worst first; every level is there.
    open: Vec<SeverityCount>,
    open_total: u64,
    /// The most severe of the newest open incidents.
    newest: Vec<IncidentLine>,
    waiting_total: usize,
    waiting: Vec<WaitLine>,
    oldest_waiting: Option<Moment>,
    effects_total: usize,
    effects_ending_1h: usize,
    effects: Vec<EffectLine>,
    events_per_s: f64,
    events_total: u64,
    findings_total: u64,
    dropped_total: u64,
    sources: Vec<SourceLine>,
    strip: Strip,
    /// There are more incidents than the strip was made of.
    strip_cut: bool,
}

/// Open incidents of one severity.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SeverityCount {
    severity: Severity,
    count: u64,
}

/// An effect that stands in the world.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EffectLine {
    receipt: ReceiptId,
    incident: event::IncidentId,
    action: &'static str,
    target: String,
    outcome: event::Outcome,
    expires: Option<Moment>,
}

/// A source and whether it still speaks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SourceLine {
    pub(crate) name: String,
    pub(crate) last_seen: Option<Moment>,
    pub(crate) silent: bool,
    pub(crate) read: u64,
    pub(crate) kept: u64,
    pub(crate) dropped: u64,
    pub(crate) bad: u64,
}

impl SourceLine {
    /// From the node's own account.
    pub(crate) fn of(source: SourceStatus, now: Time) -> Self {
        Self {
            silent: source
                .last_seen
                .is_some_and(|seen| now.since(seen) > SILENT_AFTER),
            name: source.name,
            last_seen: source.last_seen.map(Moment),
            read: source.lines,
            kept: source.kept,
            dropped: source.dropped,
            bad: source.bad,
        }
    }
}

#[derive(Template)]
#[template(path = "overview/page.html", blocks = ["live"])]
struct OverviewPage {
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

async fn read(shared: &Shared, viewer: Viewer) -> Result<OverviewPage, Problem> {
    let frame = Frame::read(shared, viewer, Page::Overview).await?;
    let view = view(shared).await?;
    Ok(OverviewPage { frame, view })
}

async fn view(shared: &Shared) -> Result<View, Problem> {
    let status = (shared.app.status)();
    let now = shared.app.clock.now();
    let told = shared.ask(move |store| told(store, now)).await?;
    let dropped = status
        .sources
        .iter()
        .map(|source| source.dropped + source.bad);
    let queue_drops = status.hops.iter().map(|hop| hop.drops);
    let sources = status.sources.iter().cloned();
    Ok(View {
        schema: "vertice.overview/1",
        now: Moment(now),
        mode: status.mode,
        ready: status.ready,
        events_per_s: status.events_per_s,
        events_total: status.events_total,
        findings_total: status.findings_total,
        dropped_total: dropped.chain(queue_drops).sum(),
        sources: sources.map(|source| SourceLine::of(source, now)).collect(),
        waiting_total: at_least(told.waiting_total, status.approvals_waiting),
        effects_total: at_least(told.effects_total, status.effects_standing),
        ..told
    })
}

/// What the store tells; the node's own figures are filled in above.
fn told(store: &dyn Store, now: Time) -> Result<View, StoreError> {
    let open = open_by_severity(store)?;
    let (strip, strip_cut) = strip(store, now)?;
    let newest = most_urgent(store)?;
    let waiting = store.approvals(true, PAGE_MAX)?;
    let mut standing = store.receipts(&ReceiptQuery {
        standing_only: true,
        limit: PAGE_MAX,
        ..ReceiptQuery::default()
    })?;
    standing.sort_by_key(|receipt| receipt.expires.unwrap_or(Time::MAX));
    let hour = now.plus(Duration::from_secs(3600));
    let ending = standing.iter().filter_map(|receipt| receipt.expires);
    let mut brief: Vec<WaitLine> = waiting.iter().take(ROWS_MAX).map(WaitLine::of).collect();
    retitle(store, &mut brief)?;
    Ok(View {
        schema: "",
        now: Moment(now),
        mode: event::Mode::default(),
        ready: false,
        open_total: open.iter().map(|level| level.count).sum(),
        open,
        newest,
        waiting_total: waiting.len(),
        oldest_waiting: waiting.iter().map(|wait| Moment(wait.asked)).min(),
        waiting: brief,
        effects_total: standing.len(),
        effects_ending_1h: ending.filter(|expires| *expires <= hour).count(),
        effects: standing.iter().take(ROWS_MAX).map(EffectLine::of).collect(),
        events_per_s: 0.0,
        events_total: 0,
        findings_total: 0,
        dropped_total: 0,
        sources: Vec::new(),
        strip,
        strip_cut,
    })
}

/// Of the newest open incidents the most severe, and of these the newest.
fn most_urgent(store: &dyn Store) -> Result<Vec<IncidentLine>, StoreError> {
    let mut open = store.incidents(&IncidentQuery {
        state: Some(IncidentState::Open),
        ..IncidentQuery::default()
    })?;
    open.sort_by_key(|incident| std::cmp::Reverse((incident.severity, incident.last)));
    let first = open.iter().take(ROWS_MAX);
    Ok(first.map(IncidentLine::of).collect())
}

impl EffectLine {
    fn of(receipt: &event::Receipt) -> Self {
        Self {
            receipt: receipt.id,
            incident: receipt.incident,
            action: receipt.action.kind().word(),
            target: receipt.action.target(),
            outcome: receipt.outcome,
            expires: receipt.expires.map(Moment),
        }
    }
}

fn open_by_severity(store: &dyn Store) -> Result<Vec<SeverityCount>, StoreError> {
    let counts = store.incident_counts()?;
    let levels = Severity::ALL.into_iter().rev().map(|severity| {
        let of_level = counts
            .iter()
            .filter(|(state, level, _)| *state == IncidentState::Open && *level == severity);
        SeverityCount {
            severity,
            count: of_level.map(|(_, _, count)| count).sum(),
        }
    });
    Ok(levels.collect())
}

/// The strip, and whether there are more incidents than it was made of.
fn strip(store: &dyn Store, now: Time) -> Result<(Strip, bool), StoreError> {
    let mut strip = Strip::new();
    let incidents = store.incidents(&IncidentQuery {
        limit: STRIP_INCIDENTS_MAX + 1,
        ..IncidentQuery::default()
    })?;
    let cut = incidents.len() > STRIP_INCIDENTS_MAX;
    for incident in incidents.iter().take(STRIP_INCIDENTS_MAX) {
        for entry in &incident.timeline {
            let ours = entry.kind != event::TimelineKind::Finding;
            strip.count(entry.time, ours, now);
        }
    }
    Ok((strip, cut))
}

impl View {
    /// The first sentence: what is going on.
    fn says(&self) -> String {
        let worst = self.open.iter().find(|level| level.count > 0);
        match (self.open_total, worst) {
            (0, _) | (_, None) => "No open incident.".to_owned(),
            (1, Some(level)) => format!("1 open incident, {}.", level.severity),
            (count, Some(level)) => {
                let of = level.count;
                format!("{count} open incidents, {of} of them {}.", level.severity)
            }
        }
    }

    /// The second sentence: what waits.
    fn then(&self) -> String {
        match self.waiting_total {
            0 => "Nothing waits for a person.".to_owned(),
            1 => "1 decision waits for a person.".to_owned(),
            count => format!("{count} decisions wait for a person."),
        }
    }

    fn silent(&self) -> usize {
        self.sources.iter().filter(|source| source.silent).count()
    }
}
