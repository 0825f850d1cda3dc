//! Addresses for machines, without login: `/metrics`, `/healthz`, `/readyz`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::state::Shared;

/// The process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Everything is up that the configuration asks for.
pub(crate) async fn readyz(State(shared): State<Shared>) -> Response {
    if (shared.app.status)().ready {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// The node's metrics in OpenMetrics text.
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (shared.app.metrics)()).into_response()
}
