//! The login page.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::password;
use crate::frame::{self, filters};
use crate::problem::Problem;
use crate::state::Shared;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    css: String,
    next: String,
    name: String,
    wrong: &'static str,
}

/// Where to go after the login.
#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// Shows the form; a node without accounts shows the set-up instead.
pub(crate) async fn show(
    State(shared): State<Shared>,
    Query(query): Query<Next>,
) -> Result<Response, Problem> {
    let users = shared.ask(|store| store.users()).await?;
    if users.is_empty() {
        return Ok(Redirect::to("/setup").into_response());
    }
    Ok(page(StatusCode::OK, query.next, String::new(), ""))
}

fn page(status: StatusCode, next: String, name: String, wrong: &'static str) -> Response {
    let css = crate::assets::href("console.css");
    let page = LoginPage {
        css,
        next,
        name,
        wrong,
    };
    frame::html(status, &page)
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Checks name and password; the answer takes as long for a name that does not exist.
pub(crate) async fn enter(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Response, Problem> {
    let now = shared.app.clock.elapsed();
    let short: String = form
        .name
        .chars()
        .take(super::setup::NAME_CHARS_MAX)
        .collect();
    if !shared.logins.admit(&short, now) {
        let wrong = "Too many tries. Wait a minute, then try again.";
        let status = StatusCode::TOO_MANY_REQUESTS;
        return Ok(page(status, form.next, form.name, wrong));
    }
    let name = form.name.clone();
    let user = shared.ask(move |store| store.user(&name)).await?;
    let known = user.as_ref().map(|user| user.password_hash.clone());
    let right = matches(&shared, form.password, known).await?;
    match user {
        Some(user) if right => {
            shared.logins.forgive(&user.name);
            super::open(&shared, &headers, (user.name, user.role), &form.next).await
        }
        _ => {
            let wrong = "Name or password is wrong.";
            Ok(page(StatusCode::UNAUTHORIZED, form.next, form.name, wrong))
        }
    }
}

/// Compares on a blocking thread, two at a time; without an account a hash is computed all the
/// same and the answer is no.
async fn matches(
    shared: &Shared,
    password: String,
    known: Option<String>,
) -> Result<bool, Problem> {
    let permit = shared.hashing.acquire().await;
    let cost = shared.cost;
    let compared = tokio::task::spawn_blocking(move || {
        let Some(known) = known else {
            drop(password::hash(&password, &[0; password::SALT_BYTES], cost));
            return false;
        };
        password::verify(&password, &known)
    });
    let right = compared.await;
    drop(permit);
    right.map_err(|_| Problem::Internal("the password could not be checked"))
}
