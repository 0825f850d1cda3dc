//! PAM's own lines, of whatever service: `pam_unix(sshd:auth): authentication failure; …`.
//!
//! The fields stand in a fixed order and the two hostile ones are last but one (`ruser`) and last
//! (`user`). Where a value forges a second `rhost=`, the peer keeps its text and loses its
//! address: a name in a log never decides what can be blocked.

use event::Name;
use event::body::{Auth, AuthOutcome, Peer, Session};

use crate::text::whole;

/// A line written by a PAM module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Failure(Failure<'a>),
    Session(Opened<'a>),
    PasswordChanged { user: &'a str },
    Unknown,
}

/// `authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure<'a> {
    pub(super) service: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) remote: Option<&'a str>,
    /// The remote host could be read in one way only.
    pub(super) certain: bool,
    pub(super) count: u32,
}

/// `session opened for user alice(uid=1000) by (uid=0)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    opened: bool,
    service: &'a str,
    user: &'a str,
    by: Option<&'a str>,
}

/// Reads a message that a PAM module wrote; `None` if none did. The old form has the module in
/// the tag (`sshd(pam_unix)[1]:`): `tagged` says so, and `program` is without it.
pub(super) fn read<'a>(program: &'a str, tagged: bool, text: &'a str) -> Option<Line<'a>> {
    let (service, rest) = module(program, tagged, text)?;
    if let Some(rest) = rest.strip_prefix("authentication failure; ") {
        return Some(failure(service, rest, 1));
    }
    if let Some(line) = more_failures(service, rest) {
        return Some(line);
    }
    if let Some(rest) = rest.strip_prefix("session opened for user ") {
        return Some(Line::Session(opened(service, rest)));
    }
    if let Some(user) = rest.strip_prefix("session closed for user ") {
        return Some(Line::Session(closed(service, user)));
    }
    if let Some(user) = rest.strip_prefix("password changed for ") {
        return Some(Line::PasswordChanged { user: user.trim() });
    }
    Some(Line::Unknown)
}

/// The service and what follows, if a PAM module speaks.
fn module<'a>(program: &'a str, tagged: bool, text: &'a str) -> Option<(&'a str, &'a str)> {
    if let Some(rest) = text.strip_prefix("(pam_unix) ") {
        return Some((program, rest));
    }
    if tagged || text.starts_with("PAM ") {
        return Some((program, text));
    }
    let rest = text.strip_prefix("pam_")?;
    let (head, rest) = rest.split_once(": ")?;
    if head.contains(' ') {
        return None;
    }
    let inside = head.split_once('(').map(|(_, inside)| inside);
    let service = inside.and_then(|inside| inside.split_once(':'));
    Some((service.map_or(program, |(service, _)| service), rest))
}

/// `PAM 5 more authentication failures; logname= …`: the sum of what was already said.
fn more_failures<'a>(service: &'a str, text: &'a str) -> Option<Line<'a>> {
    let rest = text.strip_prefix("PAM ").unwrap_or(text);
    let (count, rest) = rest.split_once(" more authentication failure")?;
    let (_, rest) = rest.split_once("; ")?;
    Some(failure(service, rest, whole(count)?))
}

fn failure<'a>(service: &'a str, fields: &'a str, count: u32) -> Line<'a> {
    let fields = fields.strip_suffix(" [preauth]").unwrap_or(fields);
    let remote = remote(fields);
    Line::Failure(Failure {
        service,
        user: remote.user,
        remote: remote.host,
        certain: remote.certain,
        count,
    })
}

#[derive(Debug, Default)]
struct Remote<'a> {
    host: Option<&'a str>,
    user: Option<&'a str>,
    certain: bool,
}

fn remote(fields: &str) -> Remote<'_> {
    let Some((before, tail)) = fields.split_once(" rhost=") else {
        return Remote::default();
    };
    let asked_for = before.split_once("ruser=").map(|(_, ruser)| ruser);
    let (host, rest) = host_and_user(tail);
    let forged = tail.contains(" rhost=");
    let plain = rest.is_none_or(|rest| rest.starts_with("user="));
    if !forged || (asked_for == Some("") && plain) {
        let user = rest.and_then(|rest| rest.strip_prefix("user="));
        return Remote {
            host: present(host),
            user: user.or_else(|| asked_for.and_then(present)),
            certain: !forged,
        };
    }
    forged_remote(fields, tail)
}

/// A value holds ` rhost=` itself: with nothing after the last one, that one is PAM's own.
fn forged_remote<'a>(fields: &'a str, tail: &'a str) -> Remote<'a> {
    let (before, last) = fields.rsplit_once(" rhost=").unwrap_or((fields, tail));
    let (host, rest) = host_and_user(last);
    let user = rest.and_then(|rest| rest.strip_prefix("user="));
    let asked_for = before.split_once("ruser=").map(|(_, ruser)| ruser);
    Remote {
        host: present(host),
        user: user.or(asked_for),
        certain: rest.is_none() && !fields.contains(" user="),
    }
}

/// The host up to the first blank, and what follows the blanks, if anything does.
fn host_and_user(tail: &str) -> (&str, Option<&str>) {
    match tail.split_once(' ') {
        Some((host, rest)) => (host, present(rest.trim_start_matches(' '))),
        None => (tail, None),
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn opened<'a>(service: &'a str, text: &'a str) -> Opened<'a> {
    let (user, by) = match text.rsplit_once(" by ") {
        Some((user, by)) => (user, present(before_uid(by))),
        None => (text, None),
    };
    Opened {
        opened: true,
        service,
        user: before_uid(user),
        by,
    }
}

fn closed<'a>(service: &'a str, user: &'a str) -> Opened<'a> {
    Opened {
        opened: false,
        service,
        user: before_uid(user.trim_end()),
        by: None,
    }
}

/// `alice(uid=1000)` → `alice`.
fn before_uid(text: &str) -> &str {
    text.rsplit_once("(uid=").map_or(text, |(name, _)| name)
}

impl Failure<'_> {
    /// The peer; without an address where the line can be read in two ways.
    pub(super) fn peer(&self) -> Option<Peer> {
        let mut peer = Peer::new(self.remote?, None);
        if !self.certain {
            peer.address = None;
        }
        Some(peer)
    }

    /// The failure of a service that does not report it itself.
    pub(super) fn into_auth(self, pid: Option<u32>) -> Auth {
        Auth {
            outcome: AuthOutcome::Failed,
            service: Name::new(self.service),
            method: Some(Name::new("pam")),
            peer: self.peer(),
            user: self.user.map(Name::new),
            user_exists: None,
            pid,
            count: self.count,
        }
    }
}

impl Opened<'_> {
    /// The session as a body.
    pub(super) fn into_body(self, pid: Option<u32>) -> Session {
        Session {
            opened: self.opened,
            service: Name::new(self.service),
            user: Name::new(self.user),
            by: self.by.map(Name::new),
            pid,
        }
    }
}
