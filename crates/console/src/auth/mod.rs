//! Who is asking: sessions, roles, and the token that each form repeats.
//!
//! A session's cookie holds a random token; the store holds only its hash. A session ends after
//! [`SESSION_LIFE`] whatever happens, at logout, and when the account's password changes.

pub(crate) mod limit;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod setup;

use std::fmt::Write;
use std::time::Duration;

use axum::extract::{Form, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::{Change, Session, UserRole};

use crate::problem::Problem;
use crate::state::Shared;

/// How long a session lasts.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);
/// What the cookie's name begins with; the port follows, so that several nodes reached through
/// one `localhost` do not end one another's sessions.
const COOKIE: &str = "vertice_session";

fn cookie_name(headers: &HeaderMap) -> String {
    let port = crate::edge::port_seen(headers);
    port.map_or_else(|| COOKIE.to_owned(), |port| format!("{COOKIE}_{port}"))
}

/// A person who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// Name of the account.
    pub(crate) user: String,
    /// What it may do now.
    pub(crate) role: UserRole,
    /// What each form must repeat.
    pub(crate) csrf: String,
    token_hash: [u8; 32],
}

impl Viewer {
    /// May this person do what `needs` asks for, with a form of this session?
    pub(crate) fn permit(&self, needs: UserRole, csrf: &str) -> Result<(), Problem> {
        if blake3::hash(csrf.as_bytes()) != blake3::hash(self.csrf.as_bytes()) {
            Err(Problem::Token)
        } else if self.role < needs {
            Err(Problem::Role { needs })
        } else {
            Ok(())
        }
    }

    /// May this person manage accounts?
    pub(crate) fn manages(&self) -> bool {
        self.role >= UserRole::Admin
    }

    /// May this person decide at gates?
    pub(crate) fn may_decide(&self) -> bool {
        self.role >= UserRole::Approver
    }
}

impl FromRequestParts<Shared> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let Some(token_hash) = token_of(&parts.headers).map(|token| hash_of(&token)) else {
            return Err(stranger(parts));
        };
        let session = shared.ask(move |store| store.session(&token_hash)).await?;
        match session {
            Some(session) if session.expires > shared.app.clock.now() => Ok(Self {
                user: session.user,
                role: session.role,
                csrf: session.csrf,
                token_hash,
            }),
            _ => Err(stranger(parts)),
        }
    }
}

fn stranger(parts: &Parts) -> Problem {
    let path = parts.uri.path();
    let page = parts.method == Method::GET && !path.starts_with("/_") && !path.starts_with("/api");
    if page {
        let next = parts.uri.path_and_query().map_or("/", |next| next.as_str());
        Problem::Login {
            next: next.to_owned(),
        }
    } else {
        Problem::Unauthorized
    }
}

fn token_of(headers: &HeaderMap) -> Option<String> {
    let wanted = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted && value.len() == 64).then(|| value.to_owned())
    })
}

fn hash_of(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// Opens a session and sends its cookie along with a redirect to `next`.
async fn open(
    shared: &Shared,
    headers: &HeaderMap,
    (user, role): (String, UserRole),
    next: &str,
) -> Result<Response, Problem> {
    let token = secret(shared);
    let now = shared.app.clock.now();
    let session = Session {
        token_hash: hash_of(&token),
        user,
        role,
        csrf: secret(shared),
        created: now,
        expires: now.plus(SESSION_LIFE),
    };
    let change = vec![Change::Session(session)];
    shared.ask(move |store| store.commit(change)).await?;
    let life = SESSION_LIFE.as_secs();
    let name = cookie_name(headers);
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life}");
    Ok(with_cookie(&cookie, &inside(next)))
}

/// 32 random bytes in hexadecimal.
fn secret(shared: &Shared) -> String {
    let mut bytes = [0; 32];
    (shared.app.random)(&mut bytes);
    let mut text = String::with_capacity(64);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

fn with_cookie(cookie: &str, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A path of this console, or `/` for anything that could lead elsewhere.
fn inside(next: &str) -> String {
    let plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let local = next.starts_with('/') && !next.starts_with("//");
    if plain && local && next.len() <= crate::edge::QUERY_BYTES_MAX {
        next.to_owned()
    } else {
        "/".to_owned()
    }
}

/// Percent-encodes all but letters, digits and `/-._~`.
pub(crate) fn encoded(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            shown.push(char::from(byte));
        } else {
            write!(shown, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    shown
}

/// A form that holds nothing but the session's token.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    csrf: String,
}

/// Ends the session.
pub(crate) async fn logout(
    State(shared): State<Shared>,
    viewer: Viewer,
    headers: HeaderMap,
    Form(form): Form<TokenForm>,
) -> Result<Response, Problem> {
    viewer.permit(UserRole::Viewer, &form.csrf)?;
    let change = vec![Change::RemoveSession(viewer.token_hash)];
    shared.ask(move |store| store.commit(change)).await?;
    let name = cookie_name(&headers);
    let cookie = format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(with_cookie(&cookie, "/login"))
}

#[cfg(test)]
mod tests;
