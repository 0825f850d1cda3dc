//! One line of sshd, read by the daemon's own format strings, **from the right**: the user name
//! is the peer's to choose and may hold ` from 192.0.2.1 port 22 ssh2`; what the daemon appends
//! after it cannot be forged.
//!
//! Where text of the peer stands on both sides (a key's comment, a changed user name), both
//! readings are handed on and the connection decides. Pure; remembers nothing.

use crate::text::{cut, end_of, split_last, whole};

/// Bytes of the longest host name that DNS allows, with room for a zone.
const HOST_BYTES_MAX: usize = 320;
/// Bytes in which `HOST port N ssh2: ` fits.
const PLACE_BYTES_MAX: usize = 400;
/// Bytes in which a user name and a place fit: sshd cuts names at 100 bytes, four times that where
/// it escapes them. No further reading of a line is tried beyond.
const WHO_BYTES_MAX: usize = 1024;

/// What a line says, before the connection's past is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A connection begins.
    Hello,
    Accepted,
    /// Said beside another line; never counted.
    Echo,
    Failed,
    Refused,
    UnknownUser,
    Probe,
    /// Disconnected by the daemon for too many tries.
    TooMany,
    /// The connection ended, and nobody had logged in.
    EndBeforeLogin,
    /// The connection ended.
    End,
}

/// The other end, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) text: &'a str,
    pub(super) port: Option<u16>,
}

/// A line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) kind: Kind,
    pub(super) method: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) user_exists: Option<bool>,
    pub(super) peer: Option<Endpoint<'a>>,
    /// Another reading of user and peer that the grammar allows.
    pub(super) otherwise: Option<(Option<&'a str>, Endpoint<'a>)>,
    /// Without knowledge of the connection, believe the first reading.
    pub(super) first_is_right: bool,
}

impl<'a> Said<'a> {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            method: None,
            user: None,
            user_exists: None,
            peer: None,
            otherwise: None,
            first_is_right: true,
        }
    }

    const fn by(mut self, peer: Endpoint<'a>) -> Self {
        self.peer = Some(peer);
        self
    }

    /// `invalid user ` or `illegal user ` before a name says that it does not exist.
    fn of_user(mut self, user: &'a str) -> Self {
        let (user, exists) = user_of(user);
        self.user = Some(user);
        self.user_exists = exists;
        self
    }
}

/// Reads a line; `None` if it is about something else.
pub(super) fn read(text: &str) -> Option<Said<'_>> {
    let text = without_prefixes(text).trim_end();
    let (text, before_login) = match text.strip_suffix("[preauth]") {
        Some(text) => (text.trim_end_matches(' '), true),
        None => (text, false),
    };
    let (word, rest) = text.split_once(' ')?;
    match word {
        "Accepted" => attempt(Kind::Accepted, rest),
        "Failed" => attempt(Kind::Failed, rest),
        "Invalid" | "Illegal" => unknown_user(rest),
        "Connection" => connection(rest, before_login),
        "Disconnected" => disconnected(rest, before_login),
        "Disconnecting" => disconnecting(rest),
        "Disconnecting:" => disconnecting_unnamed(rest),
        "Received" => received_disconnect(rest, before_login),
        "User" => not_allowed(rest),
        "PAM:" => pam(rest),
        "maximum" => exceeded(rest),
        "ROOT" => root_refused(rest),
        "refused" => refused_by_wrapper(rest),
        "input_userauth_request:" => Some(Said::new(Kind::Echo).of_user(rest)),
        _ => probe(word, rest),
    }
}

/// Takes off `[ID 800047 auth.info] ` (Solaris), `kernel:[ 970.6]: ` and the daemon's own level.
fn without_prefixes(text: &str) -> &str {
    let mut text = text;
    if let Some(rest) = text.strip_prefix("[ID ")
        && let Some((_, rest)) = rest.split_once("] ")
    {
        text = rest;
    }
    if let Some(rest) = text.strip_prefix("kernel:")
        && let Some(rest) = rest.trim_start_matches(' ').strip_prefix('[')
        && let Some((_, rest)) = rest.split_once("] ").or_else(|| rest.split_once("]: "))
    {
        text = rest;
    }
    for level in ["error: ", "fatal: "] {
        text = text.strip_prefix(level).unwrap_or(text);
    }
    text
}

fn user_of(text: &str) -> (&str, Option<bool>) {
    for unknown in ["invalid user ", "illegal user "] {
        if let Some(user) = text.strip_prefix(unknown) {
            return (user, Some(false));
        }
    }
    if text == "<invalid username>" {
        return (text, Some(false));
    }
    (text, None)
}

/// `HOST` or `HOST port N`, nothing else.
fn endpoint(text: &str) -> Option<Endpoint<'_>> {
    let (host, port) = match text.split_once(' ') {
        Some((host, rest)) => (host, Some(whole(rest.strip_prefix("port ")?)?)),
        None => (text, None),
    };
    let plain = !host.is_empty() && host.len() <= HOST_BYTES_MAX;
    plain.then_some(Endpoint { text: host, port })
}

/// `… HOST port N`, whatever stands before: the text before, and the endpoint.
fn ends_with_endpoint(text: &str) -> Option<(&str, Endpoint<'_>)> {
    let end = end_of(text, PLACE_BYTES_MAX);
    let (place, port) = split_last(end, " port ")?;
    let port = Some(whole(port)?);
    let host = split_last(place, " ").map_or(place, |(_, host)| host);
    let peer = endpoint(host)?;
    let behind = end.len().checked_sub(place.len())?;
    let named = text.len().checked_sub(behind)?.checked_sub(host.len())?;
    let user = text.get(..named)?;
    let user = user.strip_suffix(' ').unwrap_or(user);
    Some((user, Endpoint { port, ..peer }))
}

/// `METHOD for [invalid user ]USER from HOST port N ssh2[: KEY]`.
fn attempt(kind: Kind, text: &str) -> Option<Said<'_>> {
    let (method, rest) = text.split_once(" for ")?;
    if method.contains(' ') {
        return None;
    }
    let keyed = method.starts_with("publickey") || method.starts_with("hostbased");
    let mut said = who_from(rest, keyed)?;
    said.kind = kind;
    said.method = Some(method);
    let exists = said.user_exists.is_none();
    if kind == Kind::Failed && method == "none" {
        said.kind = Kind::Probe;
    } else if kind == Kind::Failed && method.starts_with("publickey") && exists {
        said.kind = Kind::Echo;
    }
    if kind == Kind::Accepted {
        said.user_exists = Some(true);
    }
    Some(said)
}

/// `USER from HOST port N ssh2[: KEY]`: the daemon's words are the last ones, except that a key
/// (and, in SSH-1, the remote user) may follow them.
fn who_from(text: &str, keyed: bool) -> Option<Said<'_>> {
    let ending = at_the_end(text);
    let inside = before_details(text, keyed);
    let (first, other) = match (ending, inside) {
        (Some(end), None) => (end.named, None),
        (Some(end), Some(inside)) if end.full => (end.named, Some(inside.named)),
        (_, Some(inside)) => (inside.named, inside.again),
        (None, None) => return None,
    };
    let mut said = Said::new(Kind::Failed).of_user(first.0).by(first.1);
    said.otherwise = other.map(|(user, peer)| (Some(user_of(user).0), peer));
    said.first_is_right = other.is_none() || !keyed;
    Some(said)
}

type Named<'a> = (&'a str, Endpoint<'a>);

struct Ending<'a> {
    named: Named<'a>,
    /// With port and protocol, as every OpenSSH since 2.2 writes it.
    full: bool,
}

fn at_the_end(text: &str) -> Option<Ending<'_>> {
    let (user, tail) = from_last(text)?;
    let (place, full) = match split_last(tail, " ") {
        Some((place, protocol)) if is_protocol(protocol) => (place, true),
        _ => (tail, false),
    };
    let named = (user, endpoint(place)?);
    let full = full && named.1.port.is_some();
    Some(Ending { named, full })
}

/// Splits at the last ` from `; the user may be empty.
fn from_last(text: &str) -> Option<(&str, &str)> {
    if let Some(split) = split_last(text, " from ") {
        return Some(split);
    }
    text.strip_prefix("from ").map(|tail| ("", tail))
}

fn is_protocol(word: &str) -> bool {
    word.strip_prefix("ssh")
        .is_some_and(|version| version == "1" || version == "2")
}

struct Inside<'a> {
    named: Named<'a>,
    /// A second place that reads the same.
    again: Option<Named<'a>>,
}

/// `… from HOST port N ssh2: DETAILS` somewhere in the text.
fn before_details(text: &str, keyed: bool) -> Option<Inside<'_>> {
    let mut found: Option<Inside<'_>> = None;
    for (at, _) in text.match_indices(" from ") {
        let Some(named) = detailed(text, at, keyed) else {
            continue;
        };
        match &mut found {
            None => found = Some(Inside { named, again: None }),
            Some(first) => {
                first.again = Some(named);
                return found;
            }
        }
    }
    found
}

fn detailed(text: &str, at: usize, keyed: bool) -> Option<Named<'_>> {
    let user = text.get(..at)?;
    let tail = text.get(at..)?.strip_prefix(" from ")?;
    let (host, rest) = cut(tail, PLACE_BYTES_MAX).split_once(" port ")?;
    let (port, rest) = rest.split_once(' ')?;
    let (protocol, details) = rest.split_once(": ")?;
    let port = Some(whole(port)?);
    let peer = Endpoint {
        port,
        ..endpoint(host)?
    };
    let fits = if keyed {
        is_protocol(protocol) && is_key(details)
    } else {
        is_protocol(protocol)
    };
    fits.then_some((user, peer))
}

/// `RSA SHA256:…`, `ED25519-CERT ID …`: a kind of key in capitals comes first.
fn is_key(details: &str) -> bool {
    let kind = details.split(' ').next().unwrap_or_default();
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    !kind.is_empty() && kind.bytes().all(capital)
}

/// `user NAME from HOST[ port N]`.
fn unknown_user(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("user ")?;
    let (user, place) = from_last(rest)?;
    let mut said = Said::new(Kind::UnknownUser).by(endpoint(place)?);
    said.user = Some(user);
    said.user_exists = Some(false);
    Some(said)
}

/// `closed by …`, `reset by …`, `from HOST port N on …`.
fn connection(text: &str, before_login: bool) -> Option<Said<'_>> {
    if let Some(rest) = text.strip_prefix("from ") {
        let place = rest.split_once(" on ").map_or(rest, |(place, _)| place);
        return Some(Said::new(Kind::Hello).by(endpoint(place)?));
    }
    let rest = text
        .strip_prefix("closed by ")
        .or_else(|| text.strip_prefix("reset by "))?;
    ended(rest, before_login)
}

/// `from HOST[ port N]`, `from authenticating user NAME HOST port N`, `from user NAME HOST port N`.
fn disconnected(text: &str, before_login: bool) -> Option<Said<'_>> {
    ended(text.strip_prefix("from ")?, before_login)
}

fn ended(text: &str, before_login: bool) -> Option<Said<'_>> {
    let kind = if before_login {
        Kind::EndBeforeLogin
    } else {
        Kind::End
    };
    for known in ["authenticating user ", "user "] {
        if let Some(rest) = text.strip_prefix(known) {
            let (user, peer) = ends_with_endpoint(rest)?;
            let mut said = Said::new(kind).by(peer);
            said.user = Some(user);
            return Some(said);
        }
    }
    if text.starts_with("invalid user ") {
        let (user, peer) = ends_with_endpoint(text)?;
        return Some(Said::new(kind).of_user(user).by(peer));
    }
    Some(Said::new(kind).by(endpoint(text)?))
}

const TOO_MANY: &str = ": Too many authentication failures";
const CHANGED: &str = ": Change of username or service not allowed: (";

/// `authenticating user NAME HOST port N: REASON`.
fn disconnecting(text: &str) -> Option<Said<'_>> {
    let text = text.strip_prefix("authenticating user ").unwrap_or(text);
    if let Some(rest) = text.strip_suffix(TOO_MANY) {
        let (user, peer) = ends_with_endpoint(rest)?;
        return Some(Said::new(Kind::TooMany).of_user(user).by(peer));
    }
    changed_user(text)
}

/// The reason names the user again: a reading counts only if both names agree.
fn changed_user(text: &str) -> Option<Said<'_>> {
    let readings = text.match_indices(CHANGED);
    let readings = readings.take_while(|(at, _)| *at <= WHO_BYTES_MAX);
    let mut agreeing = readings.filter_map(|(at, _)| {
        let (named, after) = (text.get(..at)?, text.get(at..)?.strip_prefix(CHANGED)?);
        let (user, peer) = ends_with_endpoint(named)?;
        let again = after.strip_prefix(user_of(user).0)?;
        again.starts_with(',').then_some((user, peer))
    });
    let (user, peer) = agreeing.next()?;
    let mut said = Said::new(Kind::Refused).of_user(user).by(peer);
    said.otherwise = agreeing
        .next()
        .map(|(user, peer)| (Some(user_of(user).0), peer));
    said.first_is_right = said.otherwise.is_none();
    Some(said)
}

/// `Too many authentication failures[ for NAME]`: the form that names no peer.
fn disconnecting_unnamed(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("Too many authentication failures")?;
    let said = Said::new(Kind::TooMany);
    Some(match rest.strip_prefix(" for ") {
        Some(user) => said.of_user(user),
        None => said,
    })
}

/// SSH's reasons for a disconnect that a client gives after its own choice.
const BY_APPLICATION: &str = "11";

/// `disconnect from HOST[ port N]:CODE: TEXT`: the peer's words come last, so read from the left.
fn received_disconnect(text: &str, before_login: bool) -> Option<Said<'_>> {
    let rest = text.strip_prefix("disconnect from ")?;
    let (host, rest) = rest.split_once(' ')?;
    let (peer, rest) = match rest.strip_prefix("port ") {
        Some(rest) => {
            let (port, rest) = rest.split_once(':')?;
            let port = Some(whole(port)?);
            (
                Endpoint {
                    port,
                    ..endpoint(host)?
                },
                rest,
            )
        }
        None => (endpoint(host.strip_suffix(':')?)?, rest),
    };
    let code = rest.trim_start_matches(' ').split(':').next()?;
    let kind = if before_login || code != BY_APPLICATION {
        Kind::EndBeforeLogin
    } else {
        Kind::End
    };
    Some(Said::new(kind).by(peer))
}

/// `NAME[ from HOST] not allowed because REASON`.
fn not_allowed(text: &str) -> Option<Said<'_>> {
    let (who, _) = split_last(text, " not allowed because ")?;
    let said = Said::new(Kind::Refused);
    Some(match split_last(who, " from ") {
        Some((user, place)) => said.of_user(user).by(endpoint(place)?),
        None => said.of_user(who),
    })
}

/// `Authentication failure for [illegal user ]NAME from HOST[ via ADDRESS]`.
fn pam(text: &str) -> Option<Said<'_>> {
    let (reason, who) = text.split_once(" for ")?;
    let unknown = reason.starts_with("User not known");
    if !unknown && !ends_in_failure(reason) {
        return None;
    }
    let (user, place) = from_last(who)?;
    let place = place.split_once(" via ").map_or(place, |(place, _)| place);
    let mut said = Said::new(Kind::Failed).of_user(user).by(endpoint(place)?);
    said.method = Some("pam");
    if unknown {
        said.user_exists = Some(false);
    }
    Some(said)
}

fn ends_in_failure(reason: &str) -> bool {
    let last = reason.rsplit(' ').next().unwrap_or_default();
    let known = ["failure", "error", "exceeded", "denied", "information"];
    known.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// `authentication attempts exceeded for [invalid user ]NAME from HOST port N ssh2`.
fn exceeded(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("authentication attempts exceeded for ")?;
    let ending = at_the_end(rest)?;
    let (user, peer) = ending.named;
    Some(Said::new(Kind::TooMany).of_user(user).by(peer))
}

/// `LOGIN REFUSED FROM HOST[ port N]`.
fn root_refused(text: &str) -> Option<Said<'_>> {
    let place = text.strip_prefix("LOGIN REFUSED FROM ")?;
    let mut said = Said::new(Kind::Refused).by(endpoint(place)?);
    said.user = Some("root");
    Some(said)
}

/// `connect from IDENT@HOST (HOST)`, by libwrap.
fn refused_by_wrapper(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("connect from ")?;
    let place = match rest.strip_suffix(')') {
        Some(inner) => split_last(inner, " (")?.1,
        None => split_last(rest, "@").map_or(rest, |(_, host)| host),
    };
    Some(Said::new(Kind::Refused).by(endpoint(place)?))
}

/// Lines of a connection that never came to a login.
fn probe<'a>(word: &str, rest: &'a str) -> Option<Said<'a>> {
    let said = Said::new(Kind::Probe);
    match word {
        "Did" => {
            let (_, place) = split_last(rest, " from ")?;
            let known = rest.starts_with("not receive identification string");
            known.then_some(said.by(endpoint(place)?))
        }
        "Bad" if rest.starts_with("protocol version identification") => {
            let (_, place) = split_last(rest, " from ")?;
            Some(said.by(endpoint(place)?))
        }
        "Unable" => negotiate(rest.strip_prefix("to negotiate ")?),
        "no" if rest.starts_with("matching ") => Some(said),
        "Read" if rest.starts_with("from socket failed") => Some(said),
        "kex_exchange_identification:" | "kex_protocol_error:" => Some(said),
        "banner" => broken(rest.strip_prefix("exchange: Connection from ")?),
        "ssh_dispatch_run_fatal:" => broken(rest.strip_prefix("Connection from ")?),
        "Protocol" => differing(rest),
        "Timeout" => timeout(rest.strip_prefix("before authentication for ")?),
        "drop" => dropped(rest.strip_prefix("connection #")?),
        "SSH:" => summary(rest),
        _ => None,
    }
}

/// `with HOST port N: no matching … found. Their offer: …`, or without any peer.
fn negotiate(text: &str) -> Option<Said<'_>> {
    let said = Said::new(Kind::Probe);
    let Some(rest) = text.strip_prefix("with ") else {
        return Some(said);
    };
    let (place, _) = rest.split_once(": ")?;
    Some(said.by(endpoint(place)?))
}

/// `[authenticating user NAME ]HOST port N: REASON`: the reason holds no text of the peer.
fn broken(text: &str) -> Option<Said<'_>> {
    let (left, _) = split_last(text, ": ")?;
    let said = Said::new(Kind::Probe);
    let known = left.strip_prefix("authenticating user ");
    if known.is_none() && !left.starts_with("invalid user ") {
        return Some(said.by(endpoint(left)?));
    }
    let (user, peer) = ends_with_endpoint(known.unwrap_or(left))?;
    Some(said.of_user(user).by(peer))
}

/// `major versions differ for HOST[ port N]: THEIRS vs. OURS`.
fn differing(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("major versions differ for ")?;
    let (place, _) = rest.split_once(": ")?;
    Some(Said::new(Kind::Probe).by(endpoint(place)?))
}

/// `HOST[ port N]`, or `connection from HOST to HOST, pid = N`.
fn timeout(text: &str) -> Option<Said<'_>> {
    let place = match text.strip_prefix("connection from ") {
        Some(rest) => rest.split_once(" to ")?.0,
        None => text,
    };
    Some(Said::new(Kind::Probe).by(endpoint(place)?))
}

/// `N from [HOST]:PORT on [HOST]:PORT REASON`.
fn dropped(text: &str) -> Option<Said<'_>> {
    let (_, rest) = text.split_once(" from [")?;
    let (host, rest) = rest.split_once("]:")?;
    let (port, _) = rest.split_once(' ')?;
    let port = Some(whole(port)?);
    let peer = Endpoint {
        port,
        ..endpoint(host)?
    };
    Some(Said::new(Kind::Probe).by(peer))
}

/// `Server;Ltype: Kex;Remote: HOST-PORT;…`: says who is there, and nothing against him.
fn summary(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("Server;Ltype: ")?;
    let (_, rest) = rest.split_once(";Remote: ")?;
    let place = rest.split(';').next()?;
    let (host, port) = split_last(place, "-")?;
    let port = Some(whole(port)?);
    let peer = Endpoint {
        port,
        ..endpoint(host)?
    };
    Some(Said::new(Kind::Hello).by(peer))
}
