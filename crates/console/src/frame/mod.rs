//! The frame of every page: rail, top bar, foot line; and the small words that look the same
//! everywhere (severity, time, address chip, score).

pub(crate) mod filters;
pub(crate) mod words;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::{IncidentState, Mode};
use serde::Deserialize;
use store::PAGE_MAX;

use crate::ask::at_least;
use crate::auth::Viewer;
use crate::problem::Problem;
use crate::state::Shared;
use words::Moment;

/// What the frame shows.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) node: String,
    pub(crate) version: String,
    pub(crate) mode: Mode,
    pub(crate) ready: bool,
    pub(crate) demo: bool,
    /// Steps that wait for a person.
    pub(crate) waiting: usize,
    /// Incidents that are open.
    pub(crate) open: u64,
    pub(crate) viewer: Viewer,
    pub(crate) page: Page,
    pub(crate) now: Moment,
    /// Number of the last change that this page knows of.
    pub(crate) since: u64,
}

/// The pages that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Page {
    Overview,
    Approvals,
    Incidents,
    Health,
    Accounts,
}

impl Frame {
    /// Reads what the frame shows. Taken before the page's own data, so that a change between
    /// the two is told again and not lost.
    pub(crate) async fn read(shared: &Shared, viewer: Viewer, page: Page) -> Result<Self, Problem> {
        let since = shared.hub.sequence();
        let counts = shared.ask(|store| {
            let waiting = store.approvals(true, PAGE_MAX)?.len();
            Ok((waiting, store.incident_counts()?))
        });
        let (waiting, incidents) = counts.await?;
        let open = incidents
            .iter()
            .filter(|(state, _, _)| *state == IncidentState::Open);
        let status = (shared.app.status)();
        Ok(Self {
            node: status.node,
            version: status.version,
            mode: status.mode,
            ready: status.ready,
            demo: shared.app.demo,
            waiting: at_least(waiting, status.approvals_waiting),
            open: open.map(|(_, _, count)| count).sum(),
            viewer,
            page,
            now: Moment(shared.app.clock.now()),
            since,
        })
    }

    pub(crate) fn asset(&self, name: &str) -> String {
        crate::assets::href(name)
    }

    pub(crate) fn is(&self, page: &str) -> bool {
        self.page_word() == page
    }

    pub(crate) fn mode_says(&self) -> &'static str {
        match self.mode {
            Mode::Observe => "plans only, nothing is done",
            Mode::Ask => "every effect waits for a person",
            Mode::Act => "the gates decide",
        }
    }

    pub(crate) fn page_word(&self) -> &'static str {
        match self.page {
            Page::Overview => "overview",
            Page::Approvals => "approvals",
            Page::Incidents => "incidents",
            Page::Health => "health",
            Page::Accounts => "accounts",
        }
    }
}

#[derive(Template)]
#[template(path = "rail.html")]
struct Rail {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "top.html")]
struct Top {
    frame: Frame,
}

/// Which page the fragment is for.
#[derive(Deserialize)]
pub(crate) struct For {
    page: Page,
}

/// The rail anew.
pub(crate) async fn rail(
    State(shared): State<Shared>,
    viewer: Viewer,
    Query(query): Query<For>,
) -> Result<Response, Problem> {
    let frame = Frame::read(&shared, viewer, query.page).await?;
    Ok(html(StatusCode::OK, &Rail { frame }))
}

/// The changing part of the top bar anew.
pub(crate) async fn top(
    State(shared): State<Shared>,
    viewer: Viewer,
    Query(query): Query<For>,
) -> Result<Response, Problem> {
    let frame = Frame::read(&shared, viewer, query.page).await?;
    Ok(html(StatusCode::OK, &Top { frame }))
}

/// A rendered template as an answer.
pub(crate) fn html<T: Template>(status: StatusCode, page: &T) -> Response {
    match page.render() {
        Ok(body) => {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, kind, body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "console: a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page failed\n").into_response()
        }
    }
}
