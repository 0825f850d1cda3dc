//! The first account: made once, with the one-time token that the node wrote to its own log.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use event::journal::{JournalEntry, JournalRecord};
use serde::Deserialize;
use store::{Change, User, UserRole};

use super::password;
use crate::frame::{self, filters};
use crate::problem::Problem;
use crate::state::Shared;

/// Most characters of an account's name.
pub(crate) const NAME_CHARS_MAX: usize = 32;

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    css: String,
    token: String,
    name: String,
    wrong: &'static str,
}

/// The token may come in the address, so that one click on the log line is enough.
#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    token: String,
}

/// Shows the form as long as there is no account.
pub(crate) async fn show(
    State(shared): State<Shared>,
    Query(query): Query<Token>,
) -> Result<Response, Problem> {
    let users = shared.ask(|store| store.users()).await?;
    if users.is_empty() {
        Ok(page(StatusCode::OK, query.token, String::new(), ""))
    } else {
        Ok(Redirect::to("/login").into_response())
    }
}

fn page(status: StatusCode, token: String, name: String, wrong: &'static str) -> Response {
    let css = crate::assets::href("console.css");
    let page = SetupPage {
        css,
        token,
        name,
        wrong,
    };
    frame::html(status, &page)
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct FirstAccount {
    token: String,
    name: String,
    password: String,
}

/// Makes the first account an admin and logs it in; the token is void from then on.
pub(crate) async fn create(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<FirstAccount>,
) -> Result<Response, Problem> {
    let _one_at_a_time = shared.setup.lock().await;
    let users = shared.ask(|store| store.users()).await?;
    if !users.is_empty() {
        return Ok(Redirect::to("/login").into_response());
    }
    if let Some((status, wrong)) = fault(&shared, &form) {
        return Ok(page(status, form.token, form.name, wrong));
    }
    let account = NewAccount {
        name: form.name.clone(),
        role: UserRole::Admin,
        password: form.password,
    };
    make(&shared, "set-up", account).await?;
    super::open(&shared, &headers, (form.name, UserRole::Admin), "/").await
}

/// An account to be made; name and password were checked.
pub(crate) struct NewAccount {
    pub(crate) name: String,
    pub(crate) role: UserRole,
    pub(crate) password: String,
}

/// Makes an account, with a line in the audit log that names who did it.
pub(crate) async fn make(shared: &Shared, by: &str, account: NewAccount) -> Result<(), Problem> {
    let mut salt = [0; password::SALT_BYTES];
    (shared.app.random)(&mut salt);
    let (secret, cost) = (account.password, shared.cost);
    let permit = shared.hashing.acquire().await;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&secret, &salt, cost)).await;
    drop(permit);
    let Ok(Some(password_hash)) = hashed else {
        return Err(Problem::Internal("the password could not be hashed"));
    };
    let text = format!(
        "account {} was made with the role {}",
        account.name, account.role
    );
    let changes = vec![
        Change::User(User {
            name: account.name,
            role: account.role,
            password_hash,
            created: shared.app.clock.now(),
        }),
        notice(shared, by, text),
    ];
    shared.ask(move |store| store.commit(changes)).await
}

/// A line in the audit log about accounts.
pub(crate) fn notice(shared: &Shared, by: &str, text: String) -> Change {
    Change::Journal(JournalRecord {
        time: shared.app.clock.now(),
        who: format!("console:{by}"),
        entry: JournalEntry::Notice { text },
    })
}

fn fault(shared: &Shared, form: &FirstAccount) -> Option<(StatusCode, &'static str)> {
    let now = shared.app.clock.elapsed();
    if !shared.logins.admit("set-up", now) {
        let wrong = "Too many tries. Wait a minute, then try again.";
        return Some((StatusCode::TOO_MANY_REQUESTS, wrong));
    }
    let token = &shared.app.setup_token;
    let right = blake3::hash(form.token.trim().as_bytes()) == blake3::hash(token.as_bytes());
    if token.is_empty() || !right {
        let wrong = "That is not the set-up token of this start. It stands in the node's log.";
        return Some((StatusCode::FORBIDDEN, wrong));
    }
    if !is_name(&form.name) {
        let wrong = "A name has 1 to 32 of the characters a-z, 0-9, dot, dash and underscore.";
        return Some((StatusCode::UNPROCESSABLE_ENTITY, wrong));
    }
    let weak = password::weakness(&form.password)?;
    Some((StatusCode::UNPROCESSABLE_ENTITY, weak))
}

/// May an account have this name?
pub(crate) fn is_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(plain)
}
