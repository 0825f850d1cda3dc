//! The configuration: what an operator may set, with defaults that are safe on a first run.
//!
//! Layers, later wins: defaults, the file (TOML), environment `VERTICE__SECTION__KEY`, flags.
//! Unknown keys are errors with file, line and column.

mod layers;
mod schema;

use std::net::SocketAddr;
use std::path::PathBuf;

use event::Mode;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use layers::{ConfigError, Loaded, load};
pub use schema::{reference, schema};

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The node itself.
    pub node: Node,
    /// What to read. Empty: the well-known logs that exist on this machine.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// What detectors may be told.
    pub detect: sentinel::Settings,
    /// What may be done, and how.
    pub response: Response,
    /// The web console.
    pub console: Console,
    /// The event log.
    pub log: Log,
    /// The bus.
    pub topics: Topics,
}

/// The node itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// The name shown to people.
    pub name: String,
    /// Folder for the log, the database and the status; made with mode 0700.
    pub state: PathBuf,
    /// Offset from UTC, in minutes, of log times that carry no zone.
    pub zone_offset_minutes: i32,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: layers::host_name(),
            state: layers::default_state_folder(),
            zone_offset_minutes: 0,
        }
    }
}

/// One thing to read: a file or folder, standard input, or a syslog listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// A file, a folder, or `-` for standard input.
    pub file: Option<PathBuf>,
    /// Go on reading when the end is reached (through rotation and truncation).
    pub follow: Option<bool>,
    /// `auto`, or one of `vertice detect --help`'s formats.
    pub format: Option<String>,
    /// Syslog over UDP on this address: its sender can be forged, so it never blocks by itself.
    pub udp: Option<SocketAddr>,
    /// Syslog over TCP on this address.
    pub tcp: Option<SocketAddr>,
}

/// What may be done, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Response {
    /// `observe` (plan and show), `ask` (a person decides) or `act` (the gate matrix decides).
    pub mode: Mode,
    /// Networks that are never blocked, beside those found at start.
    pub never_block: Vec<IpNet>,
    /// Our own networks, beside RFC 1918 and ULA.
    pub internal: Vec<IpNet>,
    /// Our networks where containment hurts most: gates ask for more there.
    pub critical: Vec<IpNet>,
    /// New effects a minute that no person approved; beyond, they wait for one.
    pub new_per_minute: u32,
    /// Folders with playbooks (`*.yaml`) that replace or join the shipped ones.
    pub playbooks: Vec<PathBuf>,
    /// Start the privileged actuator in this network namespace (`ip netns`) instead of our own.
    pub namespace: Option<String>,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            never_block: Vec::new(),
            internal: Vec::new(),
            critical: Vec::new(),
            new_per_minute: 1000,
            playbooks: Vec::new(),
            namespace: None,
        }
    }
}

/// The web console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// Serve it at all.
    pub enabled: bool,
    /// Where. Beyond loopback, put a TLS proxy before it.
    pub listen: SocketAddr,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8642)),
        }
    }
}

/// The event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Oldest segments go when it grows beyond this many MiB.
    pub retain_mib: u64,
    /// Segments older than this many days go.
    pub retain_days: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            retain_mib: 8192,
            retain_days: 30,
        }
    }
}

/// The bus: what is published to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Oldest messages of a topic go when it grows beyond this many MiB, read or not.
    pub retain_mib: u64,
    /// Messages older than this many days go, read or not.
    pub retain_days: u64,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            retain_mib: 256,
            retain_days: 7,
        }
    }
}

/// Well-known logs, with their formats; those that exist are read when no source is configured.
pub const WELL_KNOWN: &[(&str, &str)] = &[
    ("/var/log/auth.log", "syslog"),
    ("/var/log/secure", "syslog"),
    ("/var/log/suricata/eve.json", "eve"),
    ("/opt/zeek/logs/current/conn.log", "zeek_conn"),
    ("/usr/local/zeek/logs/current/conn.log", "zeek_conn"),
];

impl Config {
    /// The configured sources, or the well-known logs that exist.
    pub fn effective_sources(&self) -> Vec<Source> {
        if !self.sources.is_empty() {
            return self.sources.clone();
        }
        let existing = WELL_KNOWN
            .iter()
            .filter(|(path, _)| std::path::Path::new(path).exists());
        let source = |(path, format): &(&str, &str)| Source {
            file: Some(PathBuf::from(path)),
            follow: Some(true),
            format: Some((*format).into()),
            ..Source::default()
        };
        existing.map(source).collect()
    }
}

#[cfg(test)]
mod tests;
