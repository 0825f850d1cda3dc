//! Incidents: the list, and one incident as a story with its findings and our actions.

mod actions;
pub(crate) mod story;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use event::{Incident, IncidentId, IncidentState, Severity, Tactic};
use serde::{Deserialize, Serialize};
use store::{IncidentQuery, Store, StoreError};

use crate::auth::Viewer;
use crate::draw::{Svg, tactics};
use crate::frame::words::Moment;
use crate::frame::{self, Frame, Page, filters, words};
use crate::pages::answer::{Asked, Note};
use crate::problem::{self, Problem};
use crate::state::Shared;
use story::{Item, Story};

/// Rows of one page of the list.
pub(crate) const ROWS_MAX: usize = 50;
/// Furthest row that a page can begin at.
const OFFSET_MAX: usize = 100_000;

/// The list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    schema: &'static str,
    now: Moment,
    /// Which state is shown; `None` = all.
    state: Option<IncidentState>,
    counts: Counts,
    offset: usize,
    incidents: Vec<IncidentLine>,
    /// Offset of the next page.
    next: Option<usize>,
}

/// How many there are in each state.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    open: u64,
    contained: u64,
    closed: u64,
}

impl Counts {
    const fn all(self) -> u64 {
        self.open + self.contained + self.closed
    }
}

/// One incident, as a line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IncidentLine {
    pub(crate) id: IncidentId,
    pub(crate) title: String,
    pub(crate) state: IncidentState,
    pub(crate) severity: Severity,
    pub(crate) confidence: event::Confidence,
    pub(crate) stage: Option<Tactic>,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
    pub(crate) findings: u64,
}

impl IncidentLine {
    /// Of an incident.
    pub(crate) fn of(incident: &Incident) -> Self {
        Self {
            id: incident.id,
            title: incident.title.clone(),
            state: incident.state,
            severity: incident.severity,
            confidence: incident.confidence,
            stage: incident.stage,
            first: Moment(incident.first),
            last: Moment(incident.last),
            findings: incident.findings_total,
        }
    }

    fn state_word(&self) -> &'static str {
        state_word(self.state)
    }

    fn state_class(&self) -> &'static str {
        state_class(self.state)
    }

    fn strip(&self) -> Svg {
        tactics::draw(&self.stage)
    }
}

/// The word for a state.
pub(crate) const fn state_word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Contained => "contained",
        IncidentState::Closed => "closed",
    }
}

/// The class of a state's tag.
pub(crate) const fn state_class(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "tag-bad",
        IncidentState::Contained => "tag-ours",
        IncidentState::Closed => "tag-quiet",
    }
}

/// What of the list is asked for; anything not understood means the default.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    state: Option<String>,
    from: Option<String>,
}

impl Wanted {
    fn state(&self) -> Option<IncidentState> {
        match self.state.as_deref() {
            Some("open") => Some(IncidentState::Open),
            Some("contained") => Some(IncidentState::Contained),
            Some("closed") => Some(IncidentState::Closed),
            _ => None,
        }
    }

    fn offset(&self) -> usize {
        let from = self.from.as_deref().and_then(|from| from.parse().ok());
        from.unwrap_or(0).min(OFFSET_MAX)
    }
}

#[derive(Template)]
#[template(path = "incidents/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    view: View,
}

/// The list.
pub(crate) async fn list(
    State(shared): State<Shared>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let frame = Frame::read(&shared, viewer, Page::Incidents).await?;
    let view = view(&shared, &wanted).await?;
    Ok(frame::html(StatusCode::OK, &ListPage { frame, view }))
}

/// The list anew.
pub(crate) async fn list_fragment(
    State(shared): State<Shared>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let frame = Frame::read(&shared, viewer, Page::Incidents).await?;
    let page = ListPage {
        frame,
        view: view(&shared, &wanted).await?,
    };
    Ok(frame::html(StatusCode::OK, &page.as_live()))
}

/// The list for programs.
pub(crate) async fn json(
    State(shared): State<Shared>,
    _viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    Ok(problem::json(&view(&shared, &wanted).await?))
}

async fn view(shared: &Shared, wanted: &Wanted) -> Result<View, Problem> {
    let now = Moment(shared.app.clock.now());
    let (state, offset) = (wanted.state(), wanted.offset());
    let told = move |store: &dyn Store| {
        let query = IncidentQuery {
            state,
            severity_min: None,
            limit: ROWS_MAX + 1,
            offset,
        };
        Ok((store.incidents(&query)?, counts(store)?))
    };
    let (incidents, counts) = shared.ask(told).await?;
    Ok(View {
        schema: "vertice.incidents/1",
        now,
        state,
        counts,
        offset,
        next: (incidents.len() > ROWS_MAX).then_some(offset + ROWS_MAX),
        incidents: incidents
            .iter()
            .take(ROWS_MAX)
            .map(IncidentLine::of)
            .collect(),
    })
}

fn counts(store: &dyn Store) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for (state, _, count) in store.incident_counts()? {
        match state {
            IncidentState::Open => counts.open += count,
            IncidentState::Contained => counts.contained += count,
            IncidentState::Closed => counts.closed += count,
        }
    }
    Ok(counts)
}

impl View {
    fn state_word(&self) -> &'static str {
        self.state.map_or("all", state_word)
    }

    fn is(&self, word: &str) -> bool {
        self.state_word() == word
    }

    fn previous(&self) -> usize {
        self.offset.saturating_sub(ROWS_MAX)
    }

    fn shown(&self) -> String {
        let first = self.offset + 1;
        format!("{first} to {}", self.offset + self.incidents.len())
    }
}

#[derive(Template)]
#[template(path = "incidents/story.html", blocks = ["live"])]
struct StoryPage {
    frame: Frame,
    view: Story,
    note: Option<Note>,
}

/// One incident.
pub(crate) async fn story(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let note = asked.note(&shared).await?;
    show(&shared, viewer, incident_of(&id)?, (StatusCode::OK, note)).await
}

/// The page of one incident, under a status and with a note above.
pub(crate) async fn show(
    shared: &Shared,
    viewer: Viewer,
    id: IncidentId,
    (status, note): (StatusCode, Option<Note>),
) -> Result<Response, Problem> {
    let mut page = read(shared, viewer, id).await?;
    page.note = note;
    Ok(frame::html(status, &page))
}

/// One incident anew.
pub(crate) async fn story_fragment(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let page = read(&shared, viewer, incident_of(&id)?).await?;
    Ok(frame::html(StatusCode::OK, &page.as_live()))
}

/// One incident for programs.
pub(crate) async fn story_json(
    State(shared): State<Shared>,
    _viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(problem::json(&tell(&shared, incident_of(&id)?).await?))
}

fn incident_of(id: &str) -> Result<IncidentId, Problem> {
    id.parse().map_err(|_| Problem::Missing("incident"))
}

async fn read(shared: &Shared, viewer: Viewer, id: IncidentId) -> Result<StoryPage, Problem> {
    let frame = Frame::read(shared, viewer, Page::Incidents).await?;
    Ok(StoryPage {
        frame,
        view: tell(shared, id).await?,
        note: None,
    })
}

async fn tell(shared: &Shared, id: IncidentId) -> Result<Story, Problem> {
    let now = Moment(shared.app.clock.now());
    let story = shared.ask(move |store| Story::read(store, id, now)).await?;
    story.ok_or(Problem::Missing("incident"))
}
