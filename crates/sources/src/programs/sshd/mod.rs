//! OpenSSH's daemon: what each line means for the one question "who tries to get in".
//!
//! How outcomes are chosen, so that `Failed + Refused + UnknownUser` counts each attempt once:
//! - a wrong password, keyboard-interactive answer or host key is `Failed`; so is any method for
//!   an account that does not exist;
//! - a refused key *offer* of an existing account is `Echo`: clients with several keys offer them
//!   all, and what remains unlucky is said again at the connection's end;
//! - `none` is `Probe`: it asks which methods there are;
//! - `Invalid user` is `UnknownUser`; `input_userauth_request: invalid user` its `Echo`;
//! - AllowUsers and the like, too many tries and a change of the user name are `Refused`;
//! - a connection that ends before a login is `Probe`, or `Echo` where an offence of it was
//!   already reported; an offence told without a peer is told again by the first line with one;
//! - PAM's failure for sshd is `Echo`, unless sshd itself is silent in this stream
//!   ([`PAM_ALONE_MIN`]), as where the two go to different files.
//!
//! Absent on purpose: times between lines (detectors'), and belief in any address that could
//! have been written by the peer (see `grammar`).

mod connection;
mod grammar;
#[cfg(test)]
mod tests;

use event::body::{Auth, AuthOutcome, Peer};
use event::{Body, Name};

use self::connection::{Connection, Connections};
use self::grammar::{Kind, Said};
use super::Message;
use super::pam::Failure;
use crate::names::Names;

pub use self::connection::CONNECTIONS_MAX;

/// Failures that PAM reports for sshd, without a line of sshd itself, before they are taken for
/// the only report there is.
const PAM_ALONE_MIN: u32 = 3;
/// The highest count believed of "message repeated N times".
const REPEATED_MAX: u32 = 100_000;

/// The decoder of sshd, sshd-session and sshd-auth.
#[derive(Debug, Default)]
pub(super) struct Sshd {
    connections: Connections,
    /// Has sshd itself judged a login in this stream?
    heard: bool,
    /// Failures of PAM while it had not.
    pam_alone: u32,
}

impl Sshd {
    /// What the line means; `None` if nothing for the login question.
    pub(super) fn decode(&mut self, message: &Message<'_>, names: &mut Names) -> Option<Body> {
        let (text, count) = unrepeated(message.text);
        let said = grammar::read(text)?;
        let mut spare = Connection::default();
        let connection = self.connections.of(message).unwrap_or(&mut spare);
        let peer = resolve(&said, connection);
        let outcome = judge(said.kind, peer.0.as_ref(), connection);
        if peer.0.is_some() {
            connection.peer.clone_from(&peer.0);
        }
        let outcome = outcome?;
        self.heard = true;
        Some(Body::Auth(Auth {
            outcome,
            service: names.name("sshd"),
            method: said.method.map(|method| names.name(method)),
            user: peer.1.map(Name::new),
            user_exists: said.user_exists,
            peer: peer.0,
            pid: message.pid,
            count,
        }))
    }

    /// PAM reports a failure for sshd.
    pub(super) fn pam_failure(
        &mut self,
        failure: &Failure<'_>,
        message: &Message<'_>,
        names: &mut Names,
    ) -> Body {
        let peer = failure.peer();
        if let Some(connection) = self.connections.of(message)
            && connection.peer.is_none()
        {
            connection.peer.clone_from(&peer);
        }
        self.pam_alone = self.pam_alone.saturating_add(1);
        let alone = !self.heard && self.pam_alone > PAM_ALONE_MIN;
        Body::Auth(Auth {
            outcome: if alone {
                AuthOutcome::Failed
            } else {
                AuthOutcome::Echo
            },
            service: names.name("sshd"),
            method: Some(names.name("pam")),
            user: failure.user.map(Name::new),
            user_exists: None,
            peer,
            pid: message.pid,
            count: failure.count.clamp(1, REPEATED_MAX),
        })
    }

    /// Connections forgotten at [`CONNECTIONS_MAX`].
    pub(super) const fn evicted(&self) -> u64 {
        self.connections.evicted()
    }
}

/// `message repeated 5 times: [ Failed password …]` → the message and 5.
fn unrepeated(text: &str) -> (&str, u32) {
    let inner = text
        .strip_prefix("message repeated ")
        .and_then(|rest| rest.split_once(" times: ["));
    let Some((count, rest)) = inner else {
        return (text, 1);
    };
    let rest = rest.trim_start_matches(' ');
    let rest = rest.strip_suffix(']').unwrap_or(rest);
    match crate::text::whole::<u32>(count) {
        Some(count) => (rest, count.clamp(1, REPEATED_MAX)),
        None => (text, 1),
    }
}

/// The peer and the user: as the line says, or, where it can be read in two ways, the reading
/// that fits what is known of the connection; else the text without an address.
fn resolve<'a>(said: &Said<'a>, connection: &Connection) -> (Option<Peer>, Option<&'a str>) {
    let Some(stated) = said.peer else {
        return (connection.peer.clone(), said.user);
    };
    let first = Peer::new(stated.text, stated.port);
    let Some((other_user, other)) = said.otherwise else {
        return (Some(first), said.user);
    };
    let second = Peer::new(other.text, other.port);
    match &connection.peer {
        Some(known) if same(known, &second) => (Some(second), other_user),
        Some(known) if same(known, &first) => (Some(first), said.user),
        _ if said.first_is_right => (Some(first), said.user),
        _ => (Some(without_address(first)), said.user),
    }
}

fn same(one: &Peer, two: &Peer) -> bool {
    match (one.address, two.address) {
        (Some(one), Some(two)) => one == two,
        _ => one.text == two.text,
    }
}

fn without_address(mut peer: Peer) -> Peer {
    peer.address = None;
    peer
}

/// The outcome, given what this connection has shown so far; `None` if the line says nothing.
fn judge(kind: Kind, peer: Option<&Peer>, connection: &mut Connection) -> Option<AuthOutcome> {
    match kind {
        Kind::Hello => {
            *connection = Connection::since(connection.last);
            None
        }
        Kind::Accepted => {
            *connection = Connection::since(connection.last);
            Some(AuthOutcome::Accepted)
        }
        Kind::Echo => Some(AuthOutcome::Echo),
        Kind::Failed => Some(offence(AuthOutcome::Failed, peer, connection)),
        Kind::Refused => Some(offence(AuthOutcome::Refused, peer, connection)),
        Kind::UnknownUser => Some(offence(AuthOutcome::UnknownUser, peer, connection)),
        Kind::Probe => Some(offence(AuthOutcome::Probe, peer, connection)),
        Kind::TooMany if connection.exceeded => Some(AuthOutcome::Echo),
        Kind::TooMany => {
            connection.exceeded = true;
            Some(offence(AuthOutcome::Refused, peer, connection))
        }
        Kind::EndBeforeLogin => Some(ended(peer, connection)),
        Kind::End => {
            let owed = connection.owed.take()?;
            Some(offence(owed, peer, connection))
        }
    }
}

fn offence(outcome: AuthOutcome, peer: Option<&Peer>, connection: &mut Connection) -> AuthOutcome {
    if peer.is_some() {
        connection.reported = true;
        connection.owed = None;
    } else {
        connection.owed = Some(outcome);
    }
    outcome
}

fn ended(peer: Option<&Peer>, connection: &mut Connection) -> AuthOutcome {
    match connection.owed.take() {
        Some(owed) => offence(owed, peer, connection),
        None if connection.reported => AuthOutcome::Echo,
        None => offence(AuthOutcome::Probe, peer, connection),
    }
}
