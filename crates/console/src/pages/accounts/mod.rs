//! Accounts: who may look, decide and manage. For admins only; each change stands in the audit log.
//!
//! Absent on purpose: live updates (nobody else changes what an admin looks at here) and an
//! account's own settings.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::{Change, User, UserRole};

use crate::auth::setup::{self, NewAccount};
use crate::auth::{Viewer, password};
use crate::frame::words::Moment;
use crate::frame::{self, Frame, Page, filters};
use crate::problem::Problem;
use crate::state::Shared;

#[derive(Template)]
#[template(path = "accounts/page.html")]
struct AccountsPage {
    frame: Frame,
    accounts: Vec<Account>,
    roles: [UserRole; 4],
    wrong: &'static str,
}

struct Account {
    name: String,
    role: UserRole,
    created: Moment,
    own: bool,
}

/// The list and the form for a new one.
pub(crate) async fn page(
    State(shared): State<Shared>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    show(&shared, viewer, (StatusCode::OK, "")).await
}

async fn show(
    shared: &Shared,
    viewer: Viewer,
    (status, wrong): (StatusCode, &'static str),
) -> Result<Response, Problem> {
    if !viewer.manages() {
        let needs = UserRole::Admin;
        return Err(Problem::Role { needs });
    }
    let own = viewer.user.clone();
    let frame = Frame::read(shared, viewer, Page::Accounts).await?;
    let users = shared.ask(|store| store.users()).await?;
    let accounts = users.into_iter().map(|user| Account {
        own: user.name == own,
        name: user.name,
        role: user.role,
        created: Moment(user.created),
    });
    let page = AccountsPage {
        frame,
        accounts: accounts.collect(),
        roles: UserRole::ALL,
        wrong,
    };
    Ok(frame::html(status, &page))
}

/// The form of a new account.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    csrf: String,
    name: String,
    role: String,
    password: String,
}

/// Makes an account; never changes one that exists.
pub(crate) async fn create(
    State(shared): State<Shared>,
    viewer: Viewer,
    Form(form): Form<Wanted>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Admin, &form.csrf)?;
    let _one_at_a_time = shared.setup.lock().await;
    let name = form.name.clone();
    let taken = shared.ask(move |store| store.user(&name)).await?.is_some();
    let refused = if !setup::is_name(&form.name) {
        Some("A name has 1 to 32 of the characters a-z, 0-9, dot, dash and underscore.")
    } else if taken {
        Some("There is an account of that name already.")
    } else {
        password::weakness(&form.password)
    };
    let (None, Ok(role)) = (refused, form.role.parse()) else {
        let wrong = refused.unwrap_or("The role is one of viewer, analyst, approver, admin.");
        return show(&shared, viewer, (StatusCode::UNPROCESSABLE_ENTITY, wrong)).await;
    };
    let account = NewAccount {
        name: form.name,
        role,
        password: form.password,
    };
    setup::make(&shared, &viewer.user, account).await?;
    Ok(Redirect::to("/accounts").into_response())
}

/// The form of a change.
#[derive(Deserialize)]
pub(crate) struct Changed {
    csrf: String,
    name: String,
    #[serde(default)]
    role: String,
}

/// Gives an account another role; open sessions have it at once.
pub(crate) async fn role(
    State(shared): State<Shared>,
    viewer: Viewer,
    Form(form): Form<Changed>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Admin, &form.csrf)?;
    let Some(user) = other(&shared, &viewer, &form.name).await? else {
        return own_refused(&shared, viewer).await;
    };
    let Ok(role) = form.role.parse::<UserRole>() else {
        let wrong = "The role is one of viewer, analyst, approver, admin.";
        return show(&shared, viewer, (StatusCode::UNPROCESSABLE_ENTITY, wrong)).await;
    };
    let text = format!("account {} went from {} to {role}", user.name, user.role);
    let changes = vec![
        Change::User(User { role, ..user }),
        setup::notice(&shared, &viewer.user, text),
    ];
    shared.ask(move |store| store.commit(changes)).await?;
    Ok(Redirect::to("/accounts").into_response())
}

/// Removes an account and ends its sessions.
pub(crate) async fn remove(
    State(shared): State<Shared>,
    viewer: Viewer,
    Form(form): Form<Changed>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Admin, &form.csrf)?;
    let Some(user) = other(&shared, &viewer, &form.name).await? else {
        return own_refused(&shared, viewer).await;
    };
    let text = format!("account {} was removed", user.name);
    let changes = vec![
        Change::RemoveUser(user.name),
        setup::notice(&shared, &viewer.user, text),
    ];
    shared.ask(move |store| store.commit(changes)).await?;
    Ok(Redirect::to("/accounts").into_response())
}

/// The account of that name; `None` if it is the viewer's own.
async fn other(shared: &Shared, viewer: &Viewer, name: &str) -> Result<Option<User>, Problem> {
    if viewer.user == name {
        return Ok(None);
    }
    let name = name.to_owned();
    let user = shared.ask(move |store| store.user(&name)).await?;
    user.map(Some).ok_or(Problem::Missing("account"))
}

/// Nobody can shut himself out: so there is always an admin.
async fn own_refused(shared: &Shared, viewer: Viewer) -> Result<Response, Problem> {
    let wrong = "Your own account can only be changed by another admin.";
    show(shared, viewer, (StatusCode::CONFLICT, wrong)).await
}
