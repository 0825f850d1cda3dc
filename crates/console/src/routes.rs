//! The table of all addresses: one line each, sorted by kind. GET shows, POST decides.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::auth::{self, Viewer, login, setup};
use crate::pages::{accounts, approvals, health, incidents, overview};
use crate::problem::Problem;
use crate::state::Shared;
use crate::{assets, edge, frame, live, probe};

/// The whole console.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .merge(pages())
        .merge(fragments())
        .merge(interface())
        .merge(decisions())
        .route("/login", get(login::show).post(login::enter))
        .route("/setup", get(setup::show).post(setup::create))
        .route("/logout", post(auth::logout))
        .route("/healthz", get(probe::healthz))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
        .route("/_a/{name}", get(asset))
        .fallback(|| async { Problem::Missing("page") })
        .layer(DefaultBodyLimit::max(edge::BODY_BYTES_MAX))
        .layer(from_fn_with_state(shared.clone(), edge::guard))
        .with_state(shared)
}

fn pages() -> Router<Shared> {
    Router::new()
        .route("/", get(overview::page))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::review))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::story))
        .route("/health", get(health::page))
        .route("/accounts", get(accounts::page))
}

fn fragments() -> Router<Shared> {
    Router::new()
        .route("/_f/rail", get(frame::rail))
        .route("/_f/top", get(frame::top))
        .route("/_f/overview", get(overview::fragment))
        .route("/_f/approvals", get(approvals::list_fragment))
        .route("/_f/approvals/{id}/decide", get(approvals::decide_fragment))
        .route("/_f/incidents", get(incidents::list_fragment))
        .route("/_f/incidents/{id}", get(incidents::story_fragment))
        .route("/_f/health", get(health::fragment))
}

fn interface() -> Router<Shared> {
    Router::new()
        .route("/api/v1/overview", get(overview::json))
        .route("/api/v1/approvals", get(approvals::json))
        .route("/api/v1/incidents", get(incidents::json))
        .route("/api/v1/incidents/{id}", get(incidents::story_json))
        .route("/api/v1/health", get(health::json))
        .route("/api/events/stream", get(stream))
}

fn decisions() -> Router<Shared> {
    Router::new()
        .route("/approvals/{id}/approve", post(approvals::decide::approve))
        .route("/approvals/{id}/deny", post(approvals::decide::deny))
        .route("/receipts/{id}/undo", post(approvals::decide::undo))
        .route("/accounts/create", post(accounts::create))
        .route("/accounts/role", post(accounts::role))
        .route("/accounts/remove", post(accounts::remove))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    assets::answer(&name, &headers)
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
}

/// `Last-Event-ID` is what a reconnecting browser sends; `since` is what a new page knows.
async fn stream(
    State(shared): State<Shared>,
    _viewer: Viewer,
    Query(query): Query<Since>,
    headers: HeaderMap,
) -> Response {
    let resumed = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let since = resumed.or(query.since.as_deref());
    let since = since.and_then(|text| text.parse().ok());
    live::stream(&shared, since).into_response()
}
