//! What programs other than sshd say.

use event::Body;
use event::body::{AccountChange, AuditChange, AuthOutcome};

use crate::testing::said;

#[test]
#[expect(clippy::too_many_lines, reason = "one row per dialect")]
fn privileges_in_every_dialect() {
    for (program, text, granted, actor, target) in [
        (
            "sudo",
            "  alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            true,
            "alice",
            "root",
        ),
        (
            "sudo",
            "bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=www ; COMMAND=/bin/id",
            false,
            "bob",
            "www",
        ),
        (
            "sudo",
            "bob : command not allowed ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            false,
            "bob",
            "root",
        ),
        (
            "su",
            "Successful su for root by alice",
            true,
            "alice",
            "root",
        ),
        ("su", "FAILED su for root by bob", false, "bob", "root"),
        ("su", "+ /dev/pts/0 alice:root", true, "alice", "root"),
        ("su", "- /dev/pts/0 bob:root", false, "bob", "root"),
        (
            "su",
            "'su root' failed for bob on /dev/pts/8",
            false,
            "bob",
            "root",
        ),
        (
            "doas",
            "alice ran command id as root from /home/alice",
            true,
            "alice",
            "root",
        ),
        (
            "doas",
            "command not permitted for bob: sh",
            false,
            "bob",
            "root",
        ),
        (
            "pkexec",
            "alice: Executing command [USER=root] [TTY=unknown] [CWD=/home/alice] [COMMAND=/bin/sh]",
            true,
            "alice",
            "root",
        ),
    ] {
        let Body::Privilege(told) = said(program, text) else {
            panic!("{program}: {text}");
        };
        assert_eq!(told.granted, granted, "{text}");
        assert_eq!(
            (told.actor.as_str(), told.target.as_str()),
            (actor, target),
            "{text}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row per dialect")]
fn accounts_and_groups_that_change() {
    use AccountChange::{
        AddedToGroup, Created, Deleted, GroupCreated, Modified, PasswordChanged, RemovedFromGroup,
    };
    for (program, text, change, user, group) in [
        (
            "useradd",
            "new user: name=eve, UID=0, GID=0, home=/root, shell=/bin/sh",
            Created,
            "eve",
            None,
        ),
        (
            "useradd",
            "add 'eve' to group 'sudo'",
            AddedToGroup,
            "eve",
            Some("sudo"),
        ),
        (
            "usermod",
            "delete 'eve' from group 'sudo'",
            RemovedFromGroup,
            "eve",
            Some("sudo"),
        ),
        (
            "usermod",
            "change user 'eve' password",
            PasswordChanged,
            "eve",
            None,
        ),
        ("usermod", "lock user 'eve' password", Modified, "eve", None),
        (
            "usermod",
            "change user 'eve' shell from '/bin/sh' to '/bin/bash'",
            Modified,
            "eve",
            None,
        ),
        (
            "usermod",
            "change user name 'eve' to 'adam'",
            Modified,
            "eve",
            None,
        ),
        (
            "groupadd",
            "new group: name=ops, GID=1002",
            GroupCreated,
            "",
            Some("ops"),
        ),
        (
            "gpasswd",
            "user eve added by root to group sudo",
            AddedToGroup,
            "eve",
            Some("sudo"),
        ),
        (
            "gpasswd",
            "user eve removed by root from group sudo",
            RemovedFromGroup,
            "eve",
            Some("sudo"),
        ),
        ("userdel", "delete user 'eve'", Deleted, "eve", None),
        (
            "passwd",
            "password for 'eve' changed by 'root'",
            PasswordChanged,
            "eve",
            None,
        ),
        (
            "chpasswd",
            "pam_unix(chpasswd:chauthtok): password changed for eve",
            PasswordChanged,
            "eve",
            None,
        ),
        (
            "chage",
            "changed password expiry for eve",
            Modified,
            "eve",
            None,
        ),
    ] {
        let Body::Account(told) = said(program, text) else {
            panic!("{program}: {text}");
        };
        assert_eq!((told.change, told.user.as_str()), (change, user), "{text}");
        assert_eq!(
            told.group.as_ref().map(event::Name::as_str),
            group,
            "{text}"
        );
    }
}

#[test]
fn a_user_id_made_zero_is_kept() {
    let Body::Account(told) = said("usermod", "change user 'eve' UID from '1001' to '0'") else {
        panic!("not an account change");
    };
    assert_eq!(told.uid, Some(0));
}

#[test]
fn logging_that_stops_and_starts() {
    use AuditChange::{Disabled, Started, Stopped};
    for (program, text, change, object) in [
        (
            "systemd",
            "Stopping System Logging Service...",
            Stopped,
            "rsyslog",
        ),
        (
            "systemd",
            "Stopped rsyslog.service - System Logging Service.",
            Stopped,
            "rsyslog",
        ),
        (
            "systemd",
            "Started auditd.service - Security Auditing Service.",
            Started,
            "auditd",
        ),
        (
            "systemd",
            "Stopped Journal Service.",
            Stopped,
            "systemd-journald",
        ),
        (
            "rsyslogd",
            "[origin software=\"rsyslogd\" swVersion=\"8\"] exiting on signal 15.",
            Stopped,
            "rsyslog",
        ),
        (
            "rsyslogd",
            "[origin software=\"rsyslogd\" swVersion=\"8\"] start",
            Started,
            "rsyslog",
        ),
        ("auditd", "The audit daemon is exiting.", Stopped, "auditd"),
        (
            "auditd",
            "Init complete, auditd 3.0.9 listening for events (startup state enable)",
            Started,
            "auditd",
        ),
        (
            "systemd-journald",
            "Journal stopped",
            Stopped,
            "systemd-journald",
        ),
        (
            "kernel",
            "[ 12.3] audit: type=1305 audit(1.1:2): audit_enabled=0 old=1 auid=0",
            Disabled,
            "kernel audit",
        ),
    ] {
        let Body::Audit(told) = said(program, text) else {
            panic!("{program}: {text}");
        };
        assert_eq!(
            (told.change, told.object.as_str()),
            (change, object),
            "{text}"
        );
    }
}

#[test]
fn everyday_lines_are_messages() {
    for (program, text) in [
        ("systemd", "Stopped target Timers."),
        ("systemd", "Started Session 3 of User alice."),
        (
            "rsyslogd",
            "[origin software=\"rsyslogd\"] rsyslogd was HUPed",
        ),
        ("kernel", "usb 1-1: new device"),
        ("auditd", "Audit daemon rotating log files"),
        ("useradd", "failed adding user 'eve', data deleted"),
        ("sudo", "alice : (command continued) ; COMMAND=x"),
        ("su", "No passwd entry for user 'x'"),
        ("usermod", "add 'eve' to shadow group 'sudo'"),
        (
            "x",
            "authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.7",
        ),
        ("x", "session opened for user root by (uid=0)"),
        ("postfix/smtpd", "connect from unknown[192.0.2.7]"),
    ] {
        assert!(
            matches!(said(program, text), Body::Other(_)),
            "{program}: {text}"
        );
    }
}

#[test]
fn pam_of_any_service() {
    let text = "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=192.0.2.9  user=bob";
    let Body::Auth(told) = said("vsftpd", text) else {
        panic!("not a login");
    };
    assert_eq!(told.outcome, AuthOutcome::Failed);
    assert_eq!(told.service.as_str(), "vsftpd");
    let Body::Session(told) = said(
        "login",
        "pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)",
    ) else {
        panic!("not a session");
    };
    assert_eq!(
        (told.user.as_str(), told.by.unwrap().as_str()),
        ("root", "LOGIN")
    );
    let local = "pam_unix(sudo:auth): authentication failure; logname=bob uid=1001 euid=0 tty=/dev/pts/1 ruser=bob rhost=  user=bob";
    let Body::Auth(told) = said("sudo", local) else {
        panic!("not a login");
    };
    assert_eq!((told.peer, told.user.unwrap().as_str()), (None, "bob"));
}
