//! The shadow tools and PAM's password change: accounts and groups that change.
//!
//! `add 'x' to shadow group` is the second half of the same change and stays a plain message.

use event::body::{Account, AccountChange};
use event::{Body, Name};

use crate::text::{quoted, whole};

/// Reads a message of useradd, usermod, userdel, groupadd, gpasswd, passwd, chage and kin.
pub(super) fn read(text: &str) -> Option<Body> {
    created(text)
        .or_else(|| membership(text))
        .or_else(|| administered(text))
        .or_else(|| modified(text))
        .map(Body::Account)
}

/// PAM's `password changed for alice`.
pub(super) fn password_changed(user: &str) -> Body {
    Body::Account(change(AccountChange::PasswordChanged, user))
}

fn change(change: AccountChange, user: &str) -> Account {
    Account {
        change,
        user: Name::new(user),
        group: None,
        uid: None,
        by: None,
    }
}

/// `new user: name=eve, UID=1001, …`, `new group: name=ops, GID=1002`.
fn created(text: &str) -> Option<Account> {
    let value = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        rest.split(',').next()
    };
    if text.starts_with("new user: ") || text.starts_with("new account added: ") {
        let name = value("name=").or_else(|| value("account="))?;
        let uid = value("UID=").or_else(|| value("uid="));
        return Some(Account {
            uid: uid.and_then(whole),
            ..change(AccountChange::Created, name)
        });
    }
    if text.starts_with("new group: ") {
        let name = value("name=")?;
        return Some(Account {
            group: Some(Name::new(name)),
            ..change(AccountChange::GroupCreated, "")
        });
    }
    None
}

/// `add 'eve' to group 'sudo'`, `delete 'eve' from group 'sudo'`.
fn membership(text: &str) -> Option<Account> {
    let (kind, rest, middle) = match text.strip_prefix("add '") {
        Some(rest) => (AccountChange::AddedToGroup, rest, "' to group '"),
        None => {
            let rest = text.strip_prefix("delete '")?;
            (AccountChange::RemovedFromGroup, rest, "' from group '")
        }
    };
    let (user, rest) = rest.split_once(middle)?;
    Some(Account {
        group: rest.split('\'').next().map(Name::new),
        ..change(kind, user)
    })
}

/// gpasswd: `user eve added by root to group sudo`, `user eve removed by root from group sudo`.
fn administered(text: &str) -> Option<Account> {
    let rest = text.strip_prefix("user ")?;
    let (user, kind, rest) = match rest.split_once(" added by ") {
        Some((user, rest)) => (user, AccountChange::AddedToGroup, rest),
        None => {
            let (user, rest) = rest.split_once(" removed by ")?;
            (user, AccountChange::RemovedFromGroup, rest)
        }
    };
    let (by, group) = rest
        .split_once(" to group ")
        .or_else(|| rest.split_once(" from group "))?;
    Some(Account {
        group: Some(Name::new(group)),
        by: Some(Name::new(by)),
        ..change(kind, user)
    })
}

fn modified(text: &str) -> Option<Account> {
    if let Some(user) = quoted(text, "delete user '", "'") {
        return Some(change(AccountChange::Deleted, user));
    }
    if text.starts_with("password for ") || text.starts_with("change user password '") {
        let user = quoted(text, "'", "'")?;
        return Some(Account {
            by: quoted(text, "changed by '", "'").map(Name::new),
            ..change(AccountChange::PasswordChanged, user)
        });
    }
    for verb in ["change user '", "lock user '", "unlock user '"] {
        if text.starts_with(verb) {
            let user = quoted(text, verb, "'")?;
            let kind = if text.contains("' password") && verb.starts_with('c') {
                AccountChange::PasswordChanged
            } else {
                AccountChange::Modified
            };
            return Some(Account {
                uid: quoted(text, "' to '", "'")
                    .filter(|_| text.contains("' UID from "))
                    .and_then(whole),
                ..change(kind, user)
            });
        }
    }
    if let Some(user) = quoted(text, "change user name '", "'") {
        return Some(change(AccountChange::Modified, user));
    }
    let user = text.strip_prefix("changed password expiry for ")?;
    Some(change(AccountChange::Modified, user))
}
