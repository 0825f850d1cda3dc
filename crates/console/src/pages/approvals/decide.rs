//! The three forms that decide. Each writes a wish into the store, waits for the engine's answer
//! and sends the person back to the page, which shows it.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::decision::{ApprovalState, Wish};
use event::{ActionId, ReceiptId};
use serde::Deserialize;
use store::UserRole;

use super::{action_of, show};
use crate::auth::Viewer;
use crate::pages::answer::Note;
use crate::pages::incidents;
use crate::problem::Problem;
use crate::state::Shared;

/// Most characters kept of a reason.
const REASON_CHARS_MAX: usize = 500;

/// The form of a decision.
#[derive(Deserialize)]
pub(crate) struct Choice {
    csrf: String,
    plan_hash: String,
    #[serde(default)]
    reason: String,
}

/// The form of an undo.
#[derive(Deserialize)]
pub(crate) struct UndoForm {
    csrf: String,
    #[serde(default)]
    reason: String,
}

/// Yes, to exactly the plan that was shown.
pub(crate) async fn approve(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(form): Form<Choice>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Approver, &form.csrf)?;
    let action = action_of(&id)?;
    if is_stale(&shared, action, &form.plan_hash).await? {
        let note = (StatusCode::CONFLICT, Some(Note::stale()));
        return show(&shared, viewer, action, note).await;
    }
    let wish = Wish::Approve {
        action,
        plan_hash: form.plan_hash,
    };
    settle(&shared, viewer, action, (wish, form.reason)).await
}

/// No; always wins, whatever the plan has become.
pub(crate) async fn deny(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(form): Form<Choice>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Approver, &form.csrf)?;
    let action = action_of(&id)?;
    let wish = Wish::Deny { action };
    settle(&shared, viewer, action, (wish, form.reason)).await
}

/// Has the plan changed since it was shown? The engine is the judge; this only spares a wait.
async fn is_stale(shared: &Shared, action: ActionId, shown: &str) -> Result<bool, Problem> {
    let approval = shared.ask(move |store| store.approval(action)).await?;
    let approval = approval.ok_or(Problem::Missing("step"))?;
    Ok(approval.plan_hash != shown || approval.state == ApprovalState::Stale)
}

async fn settle(
    shared: &Shared,
    viewer: Viewer,
    action: ActionId,
    (wish, reason): (Wish, String),
) -> Result<Response, Problem> {
    let found = shared.ask(move |store| store.approval(action)).await?;
    found.ok_or(Problem::Missing("step"))?;
    let (ticket, answer) = shared.decide(&viewer.user, cut(&reason), wish).await?;
    match answer {
        Some(answer) if !answer.accepted => {
            let note = (StatusCode::CONFLICT, Some(Note::of(Some(&answer))));
            show(shared, viewer, action, note).await
        }
        _ => {
            let path = format!("/approvals/{action}?ticket={}", ticket.0);
            Ok(Redirect::to(&path).into_response())
        }
    }
}

/// Undoes one receipt's effect.
pub(crate) async fn undo(
    State(shared): State<Shared>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(form): Form<UndoForm>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Approver, &form.csrf)?;
    let id: ReceiptId = id.parse().map_err(|_| Problem::Missing("receipt"))?;
    let receipt = shared.ask(move |store| store.receipt(id)).await?;
    let receipt = receipt.ok_or(Problem::Missing("receipt"))?;
    let wish = Wish::Undo { receipt: id };
    let (ticket, answer) = shared.decide(&viewer.user, cut(&form.reason), wish).await?;
    match answer {
        Some(answer) if !answer.accepted => {
            let note = (StatusCode::CONFLICT, Some(Note::of(Some(&answer))));
            incidents::show(&shared, viewer, receipt.incident, note).await
        }
        _ => {
            let path = format!("/incidents/{}?ticket={}", receipt.incident, ticket.0);
            Ok(Redirect::to(&path).into_response())
        }
    }
}

fn cut(reason: &str) -> String {
    reason.trim().chars().take(REASON_CHARS_MAX).collect()
}
