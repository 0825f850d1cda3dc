//! `vertice doctor`: looks for what could keep the node from working here, and says what to do.

use std::path::Path;

use serde::Serialize;

use super::config_verb::Place;
use super::{Printer, Verdict};
use crate::config::Config;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    health: Health,
    says: String,
    hint: &'static str,
}

/// Runs all checks; exit code 1 if one fails.
pub(crate) fn doctor(place: &Place, printer: &mut Printer) -> Verdict {
    let config = place.load(&[])?.config;
    let checks = [
        state(&config),
        sources(&config),
        privilege(&config),
        playbooks(&config),
        console(&config),
        space(&config),
    ];
    for check in &checks {
        if printer.json {
            printer.document(check)?;
            continue;
        }
        let word = match check.health {
            Health::Ok => "ok  ",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        printer.line(format!("{word}  {:<10} {}", check.name, check.says))?;
        if check.health != Health::Ok {
            printer.line(format!("      hint: {}", check.hint))?;
        }
    }
    Ok(checks.iter().all(|check| check.health != Health::Fail))
}

fn state(config: &Config) -> Check {
    let folder = &config.node.state;
    let hint = "name a folder that you may write with --state or node.state";
    let writable = match folder.parent() {
        _ if folder.exists() => may_write(folder),
        Some(parent) => may_write(parent) || !parent.exists(),
        None => false,
    };
    let health = if writable { Health::Ok } else { Health::Fail };
    let says = format!(
        "{} {}",
        folder.display(),
        if writable {
            "can be written"
        } else {
            "cannot be written"
        }
    );
    Check {
        name: "state",
        health,
        says,
        hint,
    }
}

fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn sources(config: &Config) -> Check {
    let sources = config.effective_sources();
    let files = sources.iter().filter_map(|source| source.file.as_deref());
    let unreadable: Vec<String> = files
        .filter(|file| *file != Path::new("-"))
        .filter(|file| rustix::fs::access(*file, rustix::fs::Access::READ_OK).is_err())
        .map(|file| file.display().to_string())
        .collect();
    let (health, says) = match (sources.len(), unreadable.as_slice()) {
        (0, _) => (
            Health::Warn,
            "nothing to read: no known log exists here".into(),
        ),
        (count, []) => (Health::Ok, format!("{count} to read")),
        (_, missing) => (
            Health::Warn,
            format!("cannot be read: {}", missing.join(", ")),
        ),
    };
    Check {
        name: "sources",
        health,
        says,
        hint: "add a [[source]] with a file, or run as a user who may read it",
    }
}

fn privilege(config: &Config) -> Check {
    let root = rustix::process::geteuid().is_root();
    let observe = config.response.mode == event::Mode::Observe;
    let (health, says) = match (root, observe) {
        (true, _) => (Health::Ok, "the actuator can have CAP_NET_ADMIN".into()),
        (false, true) => (Health::Ok, "mode observe needs none".into()),
        (false, false) => (
            Health::Fail,
            format!("mode {} needs CAP_NET_ADMIN", config.response.mode),
        ),
    };
    Check {
        name: "privilege",
        health,
        says,
        hint: "run as root, or set response.mode to observe",
    }
}

fn playbooks(config: &Config) -> Check {
    let (health, says) = match crate::node::playbooks(&config.response) {
        Ok(_) => (Health::Ok, "all load".into()),
        Err(error) => (Health::Fail, error.to_string()),
    };
    Check {
        name: "playbooks",
        health,
        says,
        hint: "run vertice playbook check FILE",
    }
}

fn console(config: &Config) -> Check {
    let listen = config.console.listen;
    let bound = std::net::TcpListener::bind(listen);
    let (health, says) = match bound {
        _ if !config.console.enabled => (Health::Ok, "switched off".into()),
        Ok(_) if listen.ip().is_loopback() => (Health::Ok, format!("{listen} is free")),
        Ok(_) => (
            Health::Warn,
            format!("{listen} is reachable from outside without TLS"),
        ),
        Err(error) => (Health::Warn, format!("{listen}: {error}")),
    };
    Check {
        name: "console",
        health,
        says,
        hint: "set console.listen to another port; a running node holds its own",
    }
}

fn space(config: &Config) -> Check {
    let mut folder = config.node.state.as_path();
    while !folder.exists() {
        let Some(parent) = folder.parent() else { break };
        folder = parent;
    }
    let free =
        rustix::fs::statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let mib = free / (1024 * 1024);
    let wanted = config.log.retain_mib;
    let health = if mib >= wanted {
        Health::Ok
    } else {
        Health::Warn
    };
    Check {
        name: "space",
        health,
        says: format!("{mib} MiB free, log may take {wanted} MiB"),
        hint: "lower log.retain_mib",
    }
}
