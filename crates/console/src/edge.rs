//! What every request passes before a handler sees it, and every answer before it leaves: host
//! check, origin check, limits, and the security headers of guide 09, section 7.
//!
//! Absent on purpose: sessions and roles (see `auth`), which need the store.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::state::Shared;

/// Largest request body, bytes: the forms are a few hundred.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest sum of header names and values, bytes.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest path and query, bytes.
pub(crate) const QUERY_BYTES_MAX: usize = 2048;

/// The content security policy: nothing inline, nothing from elsewhere, no `unsafe-`.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types vertice";

/// Refuses what no page of ours would ask, and dresses every answer.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared, &request) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    };
    dress(response.headers_mut());
    response
}

fn refusal(shared: &Shared, request: &Request) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    let header_bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if header_bytes > HEADER_BYTES_MAX {
        return Some((
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers too large\n",
        ));
    }
    let uri = request.uri();
    if uri.path_and_query().map_or(0, |path| path.as_str().len()) > QUERY_BYTES_MAX {
        return Some((StatusCode::URI_TOO_LONG, "address too long\n"));
    }
    if !shared.hosts.allows(headers) {
        return Some((
            StatusCode::MISDIRECTED_REQUEST,
            "this console does not answer to that host name\n",
        ));
    }
    if declared_length(headers) > BODY_BYTES_MAX {
        return Some((StatusCode::PAYLOAD_TOO_LARGE, "body too large\n"));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !same_origin(headers) {
        return Some((
            StatusCode::FORBIDDEN,
            "this request did not come from the console's own page\n",
        ));
    }
    None
}

fn declared_length(headers: &HeaderMap) -> usize {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A browser says where a request comes from in two headers; both must agree with us. A client
/// that sends neither is no browser, and is held by the session and the form's token alone.
fn same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let origin = origin.to_str().ok().and_then(|text| {
        let rest = text.strip_prefix("http://");
        rest.or_else(|| text.strip_prefix("https://"))
    });
    host.is_some() && host == origin
}

/// The security headers of every answer; a page that said nothing else is never stored.
fn dress(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The host names that this console answers to: an answer to another name would let a page of
/// that name read us after its DNS entry is turned to 127.0.0.1 (DNS rebinding).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts {
    bound: IpAddr,
}

impl Hosts {
    /// For a listener at `bound`.
    pub(crate) const fn new(bound: SocketAddr) -> Self {
        Self { bound: bound.ip() }
    }

    fn allows(self, headers: &HeaderMap) -> bool {
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok());
        host.is_some_and(|host| self.allows_name(host))
    }

    fn allows_name(self, host: &str) -> bool {
        let Some((name, _port)) = split_port(host) else {
            return false;
        };
        if name == "localhost" {
            return true;
        }
        let plain = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let address: Option<IpAddr> = plain.unwrap_or(name).parse().ok();
        address.is_some_and(|address| address.is_loopback() || address == self.bound)
    }
}

/// Name and port of a `Host` header; `None` where the port is no port.
///
/// Any port will do: people come through `ssh -L 9000:localhost:…`, and a rebound name is
/// recognised by its name.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && !port.ends_with(']') => {
            Some((name, Some(port.parse().ok()?)))
        }
        _ => Some((host, None)),
    }
}

/// The port that the browser sees: cookies do not know ports, so their names have to.
pub(crate) fn port_seen(headers: &HeaderMap) -> Option<u16> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    split_port(host)?.1
}
