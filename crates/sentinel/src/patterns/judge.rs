//! What a command does to logs, auditing and rights. Pure: a command line and a folder in, a
//! verdict out.
//!
//! Absent on purpose: whether the actor may do it; a package script and an intruder look alike,
//! and fusion sees what came before.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::command::{Simple, base, parse};

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Removes or empties a log; `system` if it is one that the system itself writes.
    LogRemoved { path: String, system: bool },
    /// Throws away the journal.
    JournalRemoved,
    /// Removes or switches off the shell's history.
    HistoryRemoved,
    /// Switches auditing off or deletes its rules.
    AuditDisabled,
    /// Switches a logging service off for good, or kills it.
    LoggingDisabled { service: String },
    /// Stops a logging service; it may be a restart.
    LoggingStopped { service: String },
    /// Starts a logging service.
    LoggingStarted { service: String },
    /// Lets a file run with its owner's rights.
    SetUid { path: String },
}

/// A line without any of these is not looked at any further.
const NEEDLES: [&str; 9] = [
    "HIST", "audit", "chmod", "history", "journal", "log", "tmp", "vertice", "kill",
];

/// Services whose silence hides an attack.
const LOGGING: [&str; 6] = [
    "auditd",
    "rsyslog",
    "rsyslogd",
    "syslog-ng",
    "systemd-journald",
    "vertice",
];

/// Logs that the system itself writes, by the start of their name in `/var/log`.
const SYSTEM_LOGS: [&str; 13] = [
    "audit", "auth", "btmp", "cron", "daemon", "faillog", "journal", "kern", "lastlog", "maillog",
    "messages", "secure", "syslog",
];
const SYSTEM_LOG_WTMP: &str = "wtmp";

/// Everything that `command`, run in `directory`, does of this kind.
pub(super) fn judge(command: &str, directory: Option<&str>) -> Vec<Deed> {
    static SUSPECT: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let needles = SUSPECT.get_or_init(|| AhoCorasick::new(NEEDLES).ok());
    let inside_logs = directory.is_some_and(|path| path.starts_with("/var/log"));
    let suspect = needles
        .as_ref()
        .is_none_or(|needles| needles.is_match(command));
    if !suspect && !inside_logs {
        return Vec::new(); // the usual way out
    }
    let commands = parse(command);
    commands
        .iter()
        .flat_map(|simple| deeds(simple, directory))
        .collect()
}

fn deeds(simple: &Simple, directory: Option<&str>) -> Vec<Deed> {
    let mut deeds = overwritten(simple, directory);
    let deed = match simple.program() {
        "rm" | "unlink" | "shred" | "truncate" | "wipe" | "srm" => {
            deeds.extend(removed(simple, directory));
            None
        }
        "cp" | "ln" | "install" => emptied_by_copy(simple, directory),
        "dd" => written_by_dd(simple, directory),
        "journalctl" => journal(simple),
        "history" if simple.has(&["-c", "-cw", "-wc"]) => Some(Deed::HistoryRemoved),
        "unset" if simple.operands().any(|word| word == "HISTFILE") => Some(Deed::HistoryRemoved),
        "export" | "set" => history_off(simple),
        "auditctl" => auditctl(simple),
        "systemctl" => systemctl(simple),
        "service" => service(simple),
        "kill" | "pkill" | "killall" => killed(simple),
        "chmod" => chmod(simple, directory),
        _ => init_script(simple),
    };
    deeds.extend(deed);
    deeds
}

/// `> /var/log/auth.log`. A program that writes a log of its own is no deed: only logs of the
/// system count, and others if nothing is written into them.
fn overwritten(simple: &Simple, directory: Option<&str>) -> Vec<Deed> {
    let nothing = match simple.program() {
        "" | ":" | "true" => true,
        "cat" => simple.operands().all(|word| word == "/dev/null"),
        "echo" | "printf" => simple.operands().all(str::is_empty),
        _ => false,
    };
    let files = simple.overwrites.iter();
    files
        .filter_map(|file| log_deed(file, directory))
        .filter(|deed| nothing || !matches!(deed, Deed::LogRemoved { system: false, .. }))
        .collect()
}

fn removed(simple: &Simple, directory: Option<&str>) -> Vec<Deed> {
    let operands = simple.operands();
    operands
        .filter_map(|path| log_deed(path, directory))
        .collect()
}

/// `cp /dev/null LOG`, `ln -sf /dev/null LOG`.
fn emptied_by_copy(simple: &Simple, directory: Option<&str>) -> Option<Deed> {
    let mut operands = simple.operands();
    if operands.next()? != "/dev/null" {
        return None;
    }
    log_deed(operands.last()?, directory)
}

fn written_by_dd(simple: &Simple, directory: Option<&str>) -> Option<Deed> {
    let target = simple
        .arguments()
        .find_map(|word| word.strip_prefix("of="))?;
    log_deed(target, directory)
}

/// A log or a shell's history at `path`; rotated copies are left to whoever tidies up.
fn log_deed(path: &str, directory: Option<&str>) -> Option<Deed> {
    let path = absolute(path, directory);
    if base(&path).ends_with("_history") && base(&path).starts_with('.') {
        return Some(Deed::HistoryRemoved);
    }
    let name = match path.strip_prefix("/var/log") {
        Some("") => "*",
        Some(rest) => rest.strip_prefix('/')?,
        None if path == "/run/utmp" || path == "/var/run/utmp" => SYSTEM_LOG_WTMP,
        None => return None,
    };
    if is_rotated(name) {
        return None;
    }
    let first = name.split('/').next().unwrap_or(name);
    let all = first.starts_with('*');
    let system = all
        || first.starts_with(SYSTEM_LOG_WTMP)
        || SYSTEM_LOGS.iter().any(|log| first.starts_with(log));
    Some(Deed::LogRemoved { path, system })
}

/// `syslog.3.gz`, `auth.log.1`, `x-20260301`, `x.old`.
fn is_rotated(name: &str) -> bool {
    let (_, extension) = name.rsplit_once('.').unwrap_or_default();
    let packed = ["gz", "xz", "zst", "bz2", "old"].contains(&extension);
    let numbered = !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_digit());
    let dated = name
        .rsplit_once('-')
        .is_some_and(|(_, date)| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()));
    packed || numbered || dated
}

/// The path from the root, without `.`, `..` and doubled slashes.
fn absolute(path: &str, directory: Option<&str>) -> String {
    let start = if path.starts_with('/') {
        ""
    } else {
        directory.unwrap_or("")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Keeping the journal small is housekeeping; keeping less than a day or next to nothing is not.
fn journal(simple: &Simple) -> Option<Deed> {
    let mut arguments = simple.arguments().peekable();
    while let Some(word) = arguments.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, value),
            None => (word, arguments.peek().copied().unwrap_or_default()),
        };
        let (number, unit) = number_and_unit(value);
        let gone = match option {
            "--vacuum-time" => seconds(number, unit).is_some_and(|kept| kept < 86_400),
            "--vacuum-size" => megabytes(number, unit).is_some_and(|kept| kept < 10),
            "--vacuum-files" => number.is_some_and(|kept| kept <= 1),
            _ => false,
        };
        if gone {
            return Some(Deed::JournalRemoved);
        }
    }
    None
}

fn number_and_unit(value: &str) -> (Option<u64>, &str) {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at_checked(digits).unwrap_or((value, ""));
    (number.parse().ok(), unit)
}

fn seconds(number: Option<u64>, unit: &str) -> Option<u64> {
    let factor = match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hr" | "hour" | "hours" => 3600,
        _ => 86_400,
    };
    number?.checked_mul(factor)
}

fn megabytes(number: Option<u64>, unit: &str) -> Option<u64> {
    match unit {
        "" | "B" | "K" => Some(0),
        "M" => number,
        _ => number?.checked_mul(1024),
    }
}

fn history_off(simple: &Simple) -> Option<Deed> {
    let off = simple.arguments().any(|word| {
        matches!(
            word,
            "HISTFILE=" | "HISTFILE=/dev/null" | "HISTSIZE=0" | "HISTFILESIZE=0"
        )
    });
    let set = simple.program() == "set" && simple.arguments().eq(["+o", "history"]);
    (off || set).then_some(Deed::HistoryRemoved)
}

fn auditctl(simple: &Simple) -> Option<Deed> {
    let words: Vec<&str> = simple.arguments().collect();
    let off = words.contains(&"-e0") || words.windows(2).any(|pair| pair == ["-e", "0"]);
    (off || words.contains(&"-D")).then_some(Deed::AuditDisabled)
}

fn systemctl(simple: &Simple) -> Option<Deed> {
    let mut operands = simple.operands();
    let verb = operands.next()?;
    let service = operands.find_map(logging_service)?;
    match verb {
        "stop" => Some(Deed::LoggingStopped { service }),
        "disable" | "mask" | "kill" => Some(Deed::LoggingDisabled { service }),
        "start" | "restart" | "reload-or-restart" | "try-restart" => {
            Some(Deed::LoggingStarted { service })
        }
        _ => None,
    }
}

fn service(simple: &Simple) -> Option<Deed> {
    let mut operands = simple.operands();
    let service = logging_service(operands.next()?)?;
    stop_or_start(service, operands.next()?)
}

fn init_script(simple: &Simple) -> Option<Deed> {
    let program = simple.words.first()?;
    let name = program.strip_prefix("/etc/init.d/")?;
    stop_or_start(logging_service(name)?, simple.operands().next()?)
}

fn stop_or_start(service: String, verb: &str) -> Option<Deed> {
    match verb {
        "stop" => Some(Deed::LoggingStopped { service }),
        "start" | "restart" | "force-reload" => Some(Deed::LoggingStarted { service }),
        _ => None,
    }
}

/// A hang-up makes a daemon read its settings or open its file anew: no deed.
fn killed(simple: &Simple) -> Option<Deed> {
    if simple.has(&["-HUP", "-SIGHUP", "-1", "-0", "-USR1", "-SIGUSR1"]) {
        return None;
    }
    let service = simple.operands().find_map(logging_service)?;
    Some(Deed::LoggingDisabled { service })
}

/// The service's plain name, if it is one that logs.
pub(super) fn logging_service(unit: &str) -> Option<String> {
    let name = base(unit);
    let name = name.strip_suffix(".service").unwrap_or(name);
    let name = name.strip_suffix(".socket").unwrap_or(name);
    let known = LOGGING.contains(&name) || name.starts_with("vertice-");
    let plain = if name == "rsyslogd" { "rsyslog" } else { name };
    known.then(|| plain.to_owned())
}

fn chmod(simple: &Simple, directory: Option<&str>) -> Option<Deed> {
    let mut operands = simple.operands();
    let mode = operands.next()?;
    let path = operands.next()?;
    sets_uid(mode).then(|| Deed::SetUid {
        path: absolute(path, directory),
    })
}

/// `u+s`, `+s`, `a=rws,g-w`, `4755`, `06755`; a folder's `g+s` and `2775` are everyday.
fn sets_uid(mode: &str) -> bool {
    if mode.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = mode.trim_start_matches('0');
        return digits.len() == 4 && digits.starts_with(['4', '5', '6', '7']);
    }
    mode.split(',').any(|clause| {
        let who: String = clause
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let rest = clause.strip_prefix(who.as_str()).unwrap_or_default();
        let owner = who.is_empty() || who.contains(['u', 'a']);
        owner && rest.starts_with(['+', '=']) && rest.contains('s')
    })
}
