//! Two network namespaces with a cable: a victim with a real packet filter, and the outside, where
//! any attacker's address can be used. Removed when dropped, also when a test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

/// The victim's address.
pub(crate) const VICTIM: &str = "198.51.100.10";
/// The victim's gateway.
pub(crate) const GATEWAY: &str = "198.51.100.1";
/// Long enough for a packet over the cable, short enough to wait for one that never comes.
const SHORT: Duration = Duration::from_millis(300);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// See the module.
pub(crate) struct Arena {
    /// Namespace of the victim, in which the actuator enforces.
    pub(crate) victim: String,
    outside: String,
    service: UdpSocket,
}

impl Arena {
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let pair = Pair(["v", "o"].map(|side| format!("vt-it-{side}-{process}-{number}")));
        let [victim, outside] = pair.0.clone();
        ip(&format!("netns add {victim}"));
        ip(&format!("netns add {outside}"));
        ip(&format!(
            "-n {victim} link add eth0 type veth peer eth0 netns {outside}"
        ));
        for name in [&victim, &outside] {
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set eth0 up"));
        }
        ip(&format!("-n {victim} addr add {VICTIM}/24 dev eth0"));
        ip(&format!("-n {outside} addr add {GATEWAY}/24 dev eth0"));
        ip(&format!("-n {victim} route add default via {GATEWAY}"));
        for range in ["203.0.113.0/24", "192.0.2.0/24"] {
            ip(&format!("-n {outside} route add local {range} dev lo"));
        }
        let service = udp(&victim, VICTIM, 9999);
        std::mem::forget(pair);
        Self {
            victim,
            outside,
            service,
        }
    }

    /// Does a datagram from this address outside reach the victim?
    pub(crate) fn reaches(&self, address: &str) -> bool {
        let from = udp(&self.outside, address, 0);
        for _ in 0..3 {
            from.send_to(b"x", self.service.local_addr().unwrap())
                .unwrap();
            if self.service.recv_from(&mut [0; 8]).is_ok() {
                return true;
            }
        }
        false
    }

    /// A program inside the victim.
    pub(crate) fn inside(&self, program: &str, arguments: &str) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.victim, program]);
        let output = must(command.args(arguments.split_whitespace()));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The victim's rules without what changes by itself.
    pub(crate) fn ruleset(&self) -> String {
        self.inside("nft", "-s list ruleset")
    }

    /// What is enforced now: `set address` and the comment of the element.
    pub(crate) fn elements(&self) -> BTreeMap<String, String> {
        let listed: Value = serde_json::from_str(&self.inside("nft", "-j list ruleset")).unwrap();
        let mut found = BTreeMap::new();
        for set in listed["nftables"].as_array().unwrap() {
            let set = &set["set"];
            for element in set["elem"].as_array().into_iter().flatten() {
                let inner = if element["elem"].is_object() {
                    &element["elem"]
                } else {
                    element
                };
                let key = format!("{} {}", text(&set["name"]), text(&inner["val"]));
                assert_eq!(found.insert(key, text(&inner["comment"])), None);
            }
        }
        found
    }

    /// The addresses in the set of blocked ones.
    pub(crate) fn blocked(&self) -> BTreeSet<String> {
        let blocks = self.elements().into_keys();
        let address = |key: String| key.strip_prefix("block4 ").map(str::to_owned);
        blocks.filter_map(address).collect()
    }

    /// Takes the victim's name away until the guard is dropped: whoever is inside stays, nobody
    /// else can enter.
    pub(crate) fn hide(&self) -> Hidden {
        let (name, other) = (self.victim.clone(), format!("{}-h", self.victim));
        rename(&name, &other);
        Hidden { name, other }
    }

    /// The configuration's lines that make a node enforce here.
    pub(crate) fn enforce(&self, mode: &str) -> String {
        format!(
            "response.mode = \"{mode}\"\nresponse.namespace = \"{}\"\n",
            self.victim
        )
    }
}

/// See [`Arena::hide`].
pub(crate) struct Hidden {
    name: String,
    other: String,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        rename(&self.other, &self.name);
    }
}

/// A namespace gets a second name by a process that is inside, and loses the first.
fn rename(name: &str, other: &str) {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", name, "sh", "-c", "echo in; exec sleep 30"]);
    let mut inside = inside.stdout(Stdio::piped()).spawn().unwrap();
    inside
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 3])
        .unwrap();
    ip(&format!("netns attach {other} {}", inside.id()));
    ip(&format!("netns del {name}"));
    inside.kill().unwrap();
    inside.wait().unwrap();
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

impl Drop for Arena {
    fn drop(&mut self) {
        drop(Pair([self.victim.clone(), self.outside.clone()]));
    }
}

/// Two names whose namespaces go when it is dropped.
struct Pair([String; 2]);

impl Drop for Pair {
    fn drop(&mut self) {
        for name in &self.0 {
            let deleted = Command::new("ip").args(["netns", "del", name]).status();
            assert!(std::thread::panicking() || deleted.unwrap().success());
        }
    }
}

/// A socket made inside a namespace stays there.
fn udp(namespace: &str, address: &str, port: u16) -> UdpSocket {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    let make = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        UdpSocket::bind(address).unwrap()
    };
    let socket = std::thread::scope(|scope| scope.spawn(make).join().unwrap());
    socket.set_read_timeout(Some(SHORT)).unwrap();
    socket
}

fn ip(arguments: &str) {
    must(Command::new("ip").args(arguments.split_whitespace()));
}

fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
