//! What can go wrong with a request, as a page that says what failed, why, and what to do next.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use store::{StoreError, UserRole};

use crate::frame::filters;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Nobody is logged in: go to the login, and come back here.
    Login {
        /// Path and query to come back to.
        next: String,
    },
    /// Nobody is logged in, and this is no page.
    Unauthorized,
    /// The account may not do this.
    Role {
        /// The least role that may.
        needs: UserRole,
    },
    /// The form's token is not this session's.
    Token,
    /// There is no such thing.
    Missing(&'static str),
    /// The store could not answer.
    Store(StoreError),
    /// Our own fault.
    Internal(&'static str),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    css: String,
    title: &'static str,
    why: String,
    hint: String,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Login { .. } | Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Role { .. } | Self::Token => StatusCode::FORBIDDEN,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Store(error) if error.retry_helps() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(&self) -> (&'static str, String, String) {
        match self {
            Self::Login { .. } | Self::Unauthorized => (
                "Not logged in",
                "Your session has ended, or there was none.".to_owned(),
                "Log in again.".to_owned(),
            ),
            Self::Role { needs } => (
                "Not allowed",
                format!("This needs the role {needs}."),
                "Ask an admin of this node for the role, or let an approver decide.".to_owned(),
            ),
            Self::Token => (
                "Form out of date",
                "The form was made for another session, so nothing was done.".to_owned(),
                "Go back, reload the page and send it again.".to_owned(),
            ),
            Self::Missing(what) => (
                "Not found",
                format!("There is no such {what}. It may have been removed by retention."),
                "Go back to the list.".to_owned(),
            ),
            Self::Store(error) => (
                "The state cannot be read",
                error.to_string(),
                "Run vertice doctor on this node; reloading may help.".to_owned(),
            ),
            Self::Internal(what) => (
                "Something went wrong",
                (*what).to_owned(),
                "Reload the page; if it stays, run vertice doctor.".to_owned(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Self::Login { next } = &self {
            let path = format!("/login?next={}", crate::auth::encoded(next));
            return Redirect::to(&path).into_response();
        }
        if let Self::Store(error) = &self {
            tracing::warn!(%error, "console: the store did not answer");
        }
        let (title, why, hint) = self.words();
        let page = ProblemPage {
            css: crate::assets::href("console.css"),
            title,
            why,
            hint,
        };
        crate::frame::html(self.status(), &page)
    }
}

/// An answer in JSON.
pub(crate) fn json<T: serde::Serialize>(view: &T) -> Response {
    match serde_json::to_vec(view) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => Problem::Internal("the view could not be written as JSON").into_response(),
    }
}
