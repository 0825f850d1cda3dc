//! What programs say in their messages, whoever carried them (syslog, journald).
//!
//! Each decoder reads one program's own grammar and answers with a body or `None`; what none of
//! them understands is `Body::Other` with the message as its one field.
//!
//! Absent on purpose: judgement (detectors), and reading of a message by a program it did not
//! come from: a line of `sshd` inside a message of `cron` stays a message of `cron`.

mod accounts;
mod audit;
mod pam;
mod privilege;
mod sshd;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use event::body::Other;
use event::{Body, Name, Time};

use crate::names::Names;
use crate::text::cut;

pub use sshd::CONNECTIONS_MAX;

/// Bytes kept of the message of a `Body::Other`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 2048;

/// A program's message with what its carrier says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) time: Time,
    pub(crate) host: Option<&'a Name>,
    pub(crate) program: &'a str,
    pub(crate) pid: Option<u32>,
    pub(crate) text: &'a str,
}

/// All decoders with the little they remember.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    names: Names,
    sshd: sshd::Sshd,
}

impl Programs {
    /// What the message means.
    pub(crate) fn decode(&mut self, message: &Message<'_>) -> Body {
        let program = base_name(message.program);
        self.understood(program, message)
            .unwrap_or_else(|| self.other(program, message))
    }

    /// Connections forgotten at [`CONNECTIONS_MAX`].
    pub(crate) const fn evicted(&self) -> u64 {
        self.sshd.evicted()
    }

    fn understood(&mut self, program: &str, message: &Message<'_>) -> Option<Body> {
        if let Some(line) = pam::read(program, is_pam_tag(message.program), message.text) {
            return self.pam(line, message);
        }
        match program {
            "sshd" | "sshd-session" | "sshd-auth" => self.sshd.decode(message, &mut self.names),
            "sudo" | "su" | "doas" | "pkexec" => privilege::read(program, message.text),
            "useradd" | "usermod" | "userdel" | "groupadd" | "groupmod" | "gpasswd" | "passwd"
            | "chpasswd" | "chage" | "chfn" | "chsh" => accounts::read(message.text),
            "systemd" | "rsyslogd" | "syslogd" | "syslog-ng" | "auditd" | "kernel"
            | "systemd-journald" | "auditctl" => audit::read(program, message.text),
            "cron" | "CRON" | "crond" => Some(cron(message)),
            _ => None,
        }
    }

    fn pam(&mut self, line: pam::Line<'_>, message: &Message<'_>) -> Option<Body> {
        match line {
            pam::Line::Failure(failure) if failure.service == "sshd" => {
                Some(self.sshd.pam_failure(&failure, message, &mut self.names))
            }
            pam::Line::Failure(failure) => Some(Body::Auth(failure.into_auth(message.pid))),
            pam::Line::Session(session) => Some(Body::Session(session.into_body(message.pid))),
            pam::Line::PasswordChanged { user } => Some(accounts::password_changed(user)),
            pam::Line::Unknown => None,
        }
    }

    fn other(&mut self, program: &str, message: &Message<'_>) -> Body {
        let text = cut(message.text, MESSAGE_BYTES_MAX);
        Body::Other(Other {
            program: self.names.name(program),
            pid: message.pid,
            fields: BTreeMap::from([("message".into(), text.into())]),
        })
    }
}

/// The program without its folder and without PAM's old suffix (`sshd(pam_unix)`).
fn base_name(program: &str) -> &str {
    let name = program.rsplit('/').next().unwrap_or(program);
    name.strip_suffix(PAM_TAG).unwrap_or(name)
}

/// What PAM before 0.99 put behind the program's name.
const PAM_TAG: &str = "(pam_unix)";

fn is_pam_tag(program: &str) -> bool {
    program.ends_with(PAM_TAG)
}

/// `(root) CMD (run-parts /etc/cron.hourly)`: the user and the command get fields of their own.
fn cron(message: &Message<'_>) -> Body {
    let text = cut(message.text, MESSAGE_BYTES_MAX);
    let mut fields = BTreeMap::from([("message".to_owned(), text.to_owned())]);
    if let Some((user, rest)) = text
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(") "))
        && let Some((verb, detail)) = rest.split_once(" (")
    {
        let detail = detail.strip_suffix(')').unwrap_or(detail);
        fields.insert("user".into(), user.into());
        fields.insert("action".into(), verb.into());
        fields.insert("command".into(), detail.into());
    }
    Body::Other(Other {
        program: Name::new("cron"),
        pid: message.pid,
        fields,
    })
}
