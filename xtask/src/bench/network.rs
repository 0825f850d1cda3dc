//! A victim and the outside in two network namespaces, joined by a cable, removed when dropped.
//!
//! Every address of 198.18.0.0/15 (set aside for benchmarks) is one of the outside's own, so that
//! packets of any attacker are real packets.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::programs::command;

/// The attacked host's address.
pub(super) const VICTIM: &str = "198.51.100.10";
const OUTSIDE: &str = "203.0.113.1";
const ATTACKERS: &str = "198.18.0.0/15";

#[derive(Debug)]
pub(super) struct Network {
    pub(super) victim: String,
    pub(super) outside: String,
}

impl Network {
    pub(super) fn make(label: &str) -> Result<Self> {
        let process = std::process::id();
        let network = Self {
            victim: format!("vt-bench-{label}-v-{process}"),
            outside: format!("vt-bench-{label}-o-{process}"),
        };
        let Self { victim, outside } = &network;
        for name in [victim, outside] {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!(
            "-n {victim} link add eth0 type veth peer eth0 netns {outside}"
        ))?;
        ip(&format!("-n {victim} addr add {VICTIM}/24 dev eth0"))?;
        ip(&format!("-n {outside} addr add {OUTSIDE}/32 dev eth0"))?;
        for name in [victim, outside] {
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        for range in [ATTACKERS, "203.0.113.0/24"] {
            ip(&format!("-n {victim} route add {range} dev eth0"))?;
        }
        ip(&format!(
            "-n {outside} route add 198.51.100.0/24 dev eth0 src {OUTSIDE}"
        ))?;
        ip(&format!("-n {outside} route add local {ATTACKERS} dev lo"))?;
        Ok(network)
    }
}

/// A program inside a namespace; `ip` becomes it, so its id is the program's.
pub(super) fn inside(namespace: &str, program: &str) -> Command {
    let mut inside = command("ip");
    inside.args(["netns", "exec", namespace, program]);
    inside
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.victim, &self.outside] {
            if let Err(error) = ip(&format!("netns del {name}")) {
                println!("{name} is left behind: {error}");
            }
        }
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = command("ip").args(arguments.split(' ')).output()?;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ip {arguments}: {}", why.trim());
    Ok(())
}
