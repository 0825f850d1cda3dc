//! Approvals: what waits for a person, and everything needed to decide it, on one page.
//!
//! All of it is data inside the `Approval` and `Plan` nouns: the console computes none of it.

pub(crate) mod decide;
mod review;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use event::decision::{Approval, ApprovalState};
use event::{ActionId, IncidentId, Time};
use serde::Serialize;
use store::{PAGE_MAX, Store, StoreError};

use crate::ask::at_least;
use crate::auth::Viewer;
use crate::frame::words::{Kind, Moment};
use crate::frame::{self, Frame, Page, filters, words};
use crate::pages::answer::{Asked, Note};
use crate::problem::{self, Problem};
use crate::state::Shared;
use review::Review;
pub(crate) use review::{EvidenceLine, evidence_of as review_evidence};

/// Waits shown, the soonest to lapse first; the rest is counted.
const WAITING_SHOWN: usize = 50;
/// Past decisions shown below those that wait.
const PAST_MAX: usize = 12;

/// The list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    schema: &'static str,
    now: Moment,
    mode: event::Mode,
    /// Steps that wait, the soonest to lapse first.
    waiting: Vec<WaitLine>,
    /// All that wait, also those beyond the list.
    waiting_total: usize,
    /// The newest that are over.
    past: Vec<WaitLine>,
}

/// One wait, as a line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WaitLine {
    pub(crate) id: ActionId,
    pub(crate) incident: IncidentId,
    pub(crate) kind: Kind,
    pub(crate) sentence: String,
    pub(crate) title: String,
    pub(crate) asked: Moment,
    pub(crate) ends: Moment,
    pub(crate) state: ApprovalState,
    pub(crate) ended: Option<String>,
    #[serde(skip)]
    pub(crate) chosen: bool,
}

impl WaitLine {
    /// Of an approval.
    pub(crate) fn of(approval: &Approval) -> Self {
        Self {
            id: approval.id,
            incident: approval.incident,
            kind: Kind::of(approval.gate),
            sentence: approval.step.sentence.clone(),
            title: approval.title.clone(),
            asked: Moment(approval.asked),
            ends: Moment(approval.ends),
            state: approval.state,
            ended: approval.ended.as_deref().map(without_colon),
            chosen: false,
        }
    }

    fn state_word(&self) -> &'static str {
        state_word(self.state)
    }
}

/// Titles of the incidents that these waits are about, as the incidents are called now. The wait
/// itself says what the whole plan does, which a line that says what one step does need not repeat.
pub(crate) fn retitle(store: &dyn Store, lines: &mut [WaitLine]) -> Result<(), StoreError> {
    let mut titles: BTreeMap<IncidentId, Option<String>> = BTreeMap::new();
    for line in lines {
        let title = match titles.get(&line.incident) {
            Some(known) => known.clone(),
            None => store
                .incident(line.incident)?
                .map(|incident| incident.title),
        };
        titles.insert(line.incident, title.clone());
        line.title = title.unwrap_or_else(|| line.title.clone());
    }
    Ok(())
}

/// Who ended a wait, without the colon in front of a reason that nobody gave.
fn without_colon(ended: &str) -> String {
    ended.trim_end().trim_end_matches(':').to_owned()
}

/// The word for where a wait stands.
pub(crate) const fn state_word(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Waiting => "waiting",
        ApprovalState::Approved => "approved",
        ApprovalState::Denied => "denied",
        ApprovalState::TimedOut => "timed out",
        ApprovalState::Stale => "stale",
    }
}

#[derive(Template)]
#[template(path = "approvals/page.html", blocks = ["queue"])]
struct ApprovalsPage {
    frame: Frame,
    view: View,
    review: Option<Review>,
    note: Option<Note>,
    /// What the reader sees is not the plan that waits any more.
    changed: bool,
}

/// The decision bar. A template of its own: a block inside a condition renders to nothing alone.
#[derive(Template)]
#[template(path = "approvals/decide.html")]
struct DecideBar {
    frame: Frame,
    review: Review,
    changed: bool,
}

/// The list, with the soonest to lapse opened beside it.
pub(crate) async fn list(
    State(shared): State<Shared>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let page = read(&shared, viewer, None).await?;
    Ok(frame::html(StatusCode::OK, &page))
}

/// The list with one step opened.
pub(crate) async fn review(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let note = asked.note(&shared).await?;
    show(&shared, viewer, action_of(&id)?, (StatusCode::OK, note)).await
}

/// The page of one step, under a status and with a note above.
async fn show(
    shared: &Shared,
    viewer: Viewer,
    id: ActionId,
    (status, note): (StatusCode, Option<Note>),
) -> Result<Response, Problem> {
    let mut page = read(shared, viewer, Some(id)).await?;
    page.note = note;
    Ok(frame::html(status, &page))
}

/// The list anew.
pub(crate) async fn list_fragment(
    State(shared): State<Shared>,
    viewer: Viewer,
    Query(chosen): Query<Chosen>,
) -> Result<Response, Problem> {
    let mut page = read(&shared, viewer, None).await?;
    let chosen = chosen.chosen.and_then(|id| id.parse().ok());
    page.view.choose(chosen);
    Ok(frame::html(StatusCode::OK, &page.as_queue()))
}

/// Which step is opened beside the list.
#[derive(serde::Deserialize)]
pub(crate) struct Chosen {
    chosen: Option<String>,
}

/// Hash of the plan that the reader has on screen.
#[derive(serde::Deserialize)]
pub(crate) struct Shown {
    #[serde(default)]
    shown: String,
}

/// The decision bar anew: buttons, or what became of the step.
pub(crate) async fn decide_fragment(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<Shown>,
) -> Result<Response, Problem> {
    let frame = Frame::read(&shared, viewer, Page::Approvals).await?;
    let id = action_of(&id)?;
    let review = shared.ask(move |store| Review::read(store, id)).await?;
    let review = review.ok_or(Problem::Missing("step"))?;
    let changed = review.differs(&query.shown);
    let bar = DecideBar {
        frame,
        review,
        changed,
    };
    Ok(frame::html(StatusCode::OK, &bar))
}

/// The list for programs.
pub(crate) async fn json(
    State(shared): State<Shared>,
    _viewer: Viewer,
) -> Result<Response, Problem> {
    Ok(problem::json(&view(&shared).await?))
}

fn action_of(id: &str) -> Result<ActionId, Problem> {
    id.parse().map_err(|_| Problem::Missing("step"))
}

async fn read(
    shared: &Shared,
    viewer: Viewer,
    wanted: Option<ActionId>,
) -> Result<ApprovalsPage, Problem> {
    let frame = Frame::read(shared, viewer, Page::Approvals).await?;
    let mut view = view(shared).await?;
    let open = wanted.or_else(|| view.waiting.first().map(|wait| wait.id));
    let review = match open {
        Some(id) => shared.ask(move |store| Review::read(store, id)).await?,
        None => None,
    };
    if wanted.is_some() && review.is_none() {
        return Err(Problem::Missing("step"));
    }
    view.choose(open);
    Ok(ApprovalsPage {
        frame,
        view,
        review,
        note: None,
        changed: false,
    })
}

async fn view(shared: &Shared) -> Result<View, Problem> {
    let (status, now) = ((shared.app.status)(), shared.app.clock.now());
    let told = shared
        .ask(move |store| told(store, status.mode, now))
        .await?;
    Ok(View {
        waiting_total: at_least(told.waiting_total, status.approvals_waiting),
        ..told
    })
}

fn told(store: &dyn Store, mode: event::Mode, now: Time) -> Result<View, StoreError> {
    let waiting = store.approvals(true, PAGE_MAX)?;
    let all = store.approvals(false, waiting.len().saturating_add(PAST_MAX))?;
    let past = all
        .iter()
        .filter(|approval| approval.state != ApprovalState::Waiting);
    let mut shown: Vec<WaitLine> = waiting
        .iter()
        .take(WAITING_SHOWN)
        .map(WaitLine::of)
        .collect();
    let mut past: Vec<WaitLine> = past.take(PAST_MAX).map(WaitLine::of).collect();
    retitle(store, &mut shown)?;
    retitle(store, &mut past)?;
    Ok(View {
        schema: "vertice.approvals/1",
        now: Moment(now),
        mode,
        waiting: shown,
        waiting_total: waiting.len(),
        past,
    })
}

impl View {
    fn choose(&mut self, id: Option<ActionId>) {
        for wait in self.waiting.iter_mut().chain(&mut self.past) {
            wait.chosen = Some(wait.id) == id;
        }
    }

    fn chosen(&self) -> String {
        let all = self.waiting.iter().chain(&self.past);
        let chosen = all.clone().find(|wait| wait.chosen);
        chosen.map(|wait| wait.id.to_string()).unwrap_or_default()
    }
}
