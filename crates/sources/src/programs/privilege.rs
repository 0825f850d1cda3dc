//! sudo, su, doas and pkexec: who took whose rights, or tried to.
//!
//! sudo's fields stand in a fixed order (`TTY`, `PWD`, `USER`, `COMMAND`). A working folder may
//! be named ` ; USER=…`: the first such field is taken, as the log cannot tell.

use event::body::Privilege;
use event::{Body, Name};

/// Reads a message of `tool`; `None` if it is about something else.
pub(super) fn read(tool: &str, text: &str) -> Option<Body> {
    match tool {
        "sudo" => sudo(text),
        "su" => su(text),
        "doas" => doas(text),
        _ => pkexec(text),
    }
    .map(Body::Privilege)
}

/// `alice : [REASON ; ]TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id`.
fn sudo(text: &str) -> Option<Privilege> {
    let (actor, rest) = text.trim_start().split_once(" : ")?;
    if rest.starts_with("(command continued)") {
        return None;
    }
    let command = rest.split_once("COMMAND=").map(|(_, command)| command);
    let target = field(rest, "USER=");
    if command.is_none() && target.is_none() {
        return None;
    }
    let first = rest.split(" ; ").next().unwrap_or_default();
    let reason = (!is_field(first)).then_some(first);
    Some(Privilege {
        tool: Name::new("sudo"),
        granted: reason.is_none(),
        actor: Name::new(actor),
        target: Name::new(target.unwrap_or("root")),
        command: command.map(Name::new),
        directory: field(rest, "PWD=").map(Name::new),
        reason: reason.map(Name::new),
    })
}

/// `TTY=…`: a word in capitals before an equals sign.
fn is_field(text: &str) -> bool {
    text.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

/// The value of the first ` ; `-separated field of that key.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(" ; ").find_map(|part| part.strip_prefix(key))
}

/// The three dialects of su: shadow's words, its signs, and util-linux's.
fn su(text: &str) -> Option<Privilege> {
    if let Some(rest) = text.strip_prefix("Successful su for ") {
        let (target, actor) = rest.rsplit_once(" by ")?;
        return Some(su_of(true, actor, target));
    }
    if let Some(rest) = text.strip_prefix("FAILED su for ") {
        let (target, actor) = rest.rsplit_once(" by ")?;
        return Some(su_of(false, actor, target));
    }
    if let Some(rest) = text.strip_prefix("FAILED SU ") {
        return su_to(false, rest);
    }
    if let Some(rest) = text.strip_prefix("'su ") {
        let (target, rest) = rest.split_once("' failed for ")?;
        let (actor, _) = rest.rsplit_once(" on ")?;
        return Some(su_of(false, actor, target));
    }
    su_to(true, text).or_else(|| su_signs(text))
}

/// `(to root) alice on pts/0`.
fn su_to(granted: bool, text: &str) -> Option<Privilege> {
    let (target, rest) = text.strip_prefix("(to ")?.split_once(") ")?;
    let (actor, _) = rest.rsplit_once(" on ")?;
    Some(su_of(granted, actor, target))
}

/// `+ /dev/pts/0 alice:root`, `- ??? alice:root`.
fn su_signs(text: &str) -> Option<Privilege> {
    let (sign, rest) = text.split_once(' ')?;
    let (_, who) = rest.split_once(' ')?;
    let (actor, target) = who.split_once(':')?;
    match sign {
        "+" | "Successful" => Some(su_of(true, actor, target)),
        "-" => Some(su_of(false, actor, target)),
        _ => None,
    }
}

fn su_of(granted: bool, actor: &str, target: &str) -> Privilege {
    Privilege {
        tool: Name::new("su"),
        granted,
        actor: Name::new(actor),
        target: Name::new(target),
        command: None,
        directory: None,
        reason: None,
    }
}

/// `alice ran command id as root from /home/alice`, `command not permitted for alice: id`,
/// `failed auth for alice`.
fn doas(text: &str) -> Option<Privilege> {
    if let Some((actor, rest)) = text.split_once(" ran command ") {
        let (rest, directory) = rest.rsplit_once(" from ")?;
        let (command, target) = rest.rsplit_once(" as ")?;
        return Some(Privilege {
            tool: Name::new("doas"),
            granted: true,
            actor: Name::new(actor),
            target: Name::new(target),
            command: Some(Name::new(command)),
            directory: Some(Name::new(directory)),
            reason: None,
        });
    }
    let (reason, rest) = text
        .split_once(" for ")
        .filter(|(reason, _)| matches!(*reason, "failed auth" | "command not permitted"))?;
    let (actor, command) = match rest.split_once(": ") {
        Some((actor, command)) => (actor, Some(command)),
        None => (rest, None),
    };
    Some(Privilege {
        tool: Name::new("doas"),
        granted: false,
        actor: Name::new(actor),
        target: Name::new("root"),
        command: command.map(Name::new),
        directory: None,
        reason: Some(Name::new(reason)),
    })
}

/// `alice: Executing command [USER=root] [TTY=/dev/pts/1] [CWD=/home/alice] [COMMAND=/bin/sh]`.
fn pkexec(text: &str) -> Option<Privilege> {
    let (actor, rest) = text.split_once(": ")?;
    let granted = rest.starts_with("Executing command ");
    if !granted && !rest.contains("[USER=") {
        return None;
    }
    let field = |key: &str| crate::text::quoted(rest, key, "]");
    Some(Privilege {
        tool: Name::new("pkexec"),
        granted,
        actor: Name::new(actor),
        target: Name::new(field("[USER=")?),
        command: field("[COMMAND=").map(Name::new),
        directory: field("[CWD=").map(Name::new),
        reason: if granted {
            None
        } else {
            rest.split(" [").next().map(Name::new)
        },
    })
}
