//! The never-block list: what was found on this machine and what the operator configured.

use std::path::Path;
use std::time::Duration;

use event::Address;
use ipnet::IpNet;
use response::rails::Rails;

use crate::config::Response;

/// How often it is found anew.
pub(super) const EVERY: Duration = Duration::from_secs(30);

/// The rails as they stand now. `enforced_at` is the `/proc` folder of the actuator, whose network
/// namespace may be another one than ours.
pub(super) fn rails(config: &Response, enforced_at: Option<&Path>) -> Rails {
    let mut rails = Rails::default();
    let proc_folder = enforced_at.unwrap_or_else(|| Path::new("/proc/self"));
    let found = actuator::discover(proc_folder, Path::new("/etc/resolv.conf"));
    rails.never_block.extend(found);
    let configured = config
        .never_block
        .iter()
        .map(|network| (*network, "configured".into()));
    rails.never_block.extend(configured);
    rails.never_block.extend(operators());
    rails.internal.extend(config.internal.iter().copied());
    rails.critical.extend(config.critical.iter().copied());
    rails
}

/// Where operators are logged in from: found once, at the start of the process, since somebody who
/// breaks in later must not become untouchable by it.
fn operators() -> Vec<(IpNet, String)> {
    static AT_START: std::sync::OnceLock<Vec<(IpNet, String)>> = std::sync::OnceLock::new();
    AT_START.get_or_init(find_operators).clone()
}

fn find_operators() -> Vec<(IpNet, String)> {
    let mut found = Vec::new();
    for (ip, why) in actuator::login_sources(Path::new("/var/run/utmp")) {
        found.push((IpNet::from(ip), why));
    }
    if let Some(ip) = own_connection() {
        found.push((
            IpNet::from(ip.ip()),
            "the session that started Vértice".into(),
        ));
    }
    found
}

/// The peer of the SSH session that started us: `SSH_CONNECTION` is "peer port own port".
#[expect(
    clippy::disallowed_methods,
    reason = "who started us stands in the environment only"
)]
fn own_connection() -> Option<Address> {
    let connection = std::env::var("SSH_CONNECTION").ok()?;
    connection.split_ascii_whitespace().next()?.parse().ok()
}
