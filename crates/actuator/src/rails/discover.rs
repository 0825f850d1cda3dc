//! Finds by itself what must never be blocked: own addresses, gateways, resolvers.
//!
//! Reads the kernel's text tables of the calling thread's network namespace and `resolv.conf`. An
//! unreadable file yields nothing; lines that do not parse are passed by. The caller repeats it,
//! since addresses come and go.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

/// Bytes read of one file: a full Internet routing table fits.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of one line.
const LINE_BYTES_MAX: u64 = 4096;
/// Networks found, at most; more are left out.
const FOUND_MAX: usize = 8192;
/// Route flag: the route goes through a gateway.
const ROUTE_GATEWAY: u32 = 2;

/// Own addresses and broadcast addresses, gateways of all routes and resolvers, each with the
/// reason. `proc_root` is `/proc`; `resolv_conf` is `/etc/resolv.conf` (a stub of systemd-resolved
/// leads to the file with the real resolvers beside it).
pub fn discover(proc_root: &Path, resolv_conf: &Path) -> Vec<(IpNet, String)> {
    let mut found = Found::default();
    let net = net_folder(proc_root);
    own_ipv4(&net.join("fib_trie"), &mut found);
    each_line(&net.join("if_inet6"), |line| {
        if let Some(address) = line.split_whitespace().next().and_then(hex_ipv6) {
            found.push(address.into(), "own address");
        }
    });
    each_line(&net.join("route"), |line| {
        if let Some(gateway) = gateway_ipv4(line) {
            found.push(gateway.into(), "gateway");
        }
    });
    each_line(&net.join("ipv6_route"), |line| {
        if let Some(gateway) = gateway_ipv6(line) {
            found.push(gateway.into(), "gateway");
        }
    });
    resolvers(resolv_conf, &mut found);
    found.0
}

/// Can the kernel's table of own addresses be read at all?
pub(crate) fn can_discover(proc_root: &Path) -> bool {
    File::open(net_folder(proc_root).join("fib_trie")).is_ok()
}

#[derive(Debug, Default)]
struct Found(Vec<(IpNet, String)>);

impl Found {
    fn push(&mut self, address: IpAddr, why: &str) {
        let network = IpNet::from(address.to_canonical());
        let known = self.0.iter().any(|(other, _)| *other == network);
        if !known && self.0.len() < FOUND_MAX {
            self.0.push((network, why.to_owned()));
        }
    }
}

/// The tables of the thread's own namespace, which need not be the process's.
fn net_folder(proc_root: &Path) -> PathBuf {
    let of_thread = proc_root.join("thread-self/net");
    if of_thread.is_dir() {
        return of_thread;
    }
    proc_root.join("net")
}

fn each_line(path: &Path, mut each: impl FnMut(&str)) {
    let Ok(file) = File::open(path) else { return };
    let mut reader = BufReader::new(file.take(FILE_BYTES_MAX));
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => each(&String::from_utf8_lossy(&line)),
        }
    }
}

/// `fib_trie` names an address on one line and what it is on the next:
/// `|-- 192.0.2.7` then `/32 host LOCAL`.
fn own_ipv4(path: &Path, found: &mut Found) {
    let mut address: Option<Ipv4Addr> = None;
    each_line(path, |line| {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("|-- ") {
            address = text.parse().ok();
        } else if let (true, Some(address)) = (line.starts_with("/32 "), address) {
            if line.ends_with("LOCAL") {
                found.push(address.into(), "own address");
            } else if line.ends_with("BROADCAST") {
                found.push(address.into(), "broadcast of an own network");
            }
        }
    });
}

fn hex_ipv6(text: &str) -> Option<Ipv6Addr> {
    if text.len() != 32 {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from)
}

/// `/proc/net/route`: interface, destination, gateway, flags, … in hexadecimal of host order.
fn gateway_ipv4(line: &str) -> Option<Ipv4Addr> {
    let mut fields = line.split_whitespace().skip(2);
    let gateway = u32::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
    let usable = gateway != 0 && flags & ROUTE_GATEWAY != 0;
    usable.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
}

/// `/proc/net/ipv6_route`: destination, its prefix, source, its prefix, next hop, …
fn gateway_ipv6(line: &str) -> Option<Ipv6Addr> {
    let gateway = line.split_whitespace().nth(4).and_then(hex_ipv6)?;
    (!gateway.is_unspecified()).then_some(gateway)
}

fn resolvers(resolv_conf: &Path, found: &mut Found) {
    let mut files = vec![resolv_conf.to_owned()];
    if let Ok(real) = resolv_conf.canonicalize()
        && real
            .file_name()
            .is_some_and(|name| name == "stub-resolv.conf")
    {
        files.push(real.with_file_name("resolv.conf"));
    }
    for file in files {
        each_line(&file, |line| {
            if let Some(address) = nameserver(line) {
                found.push(address, "resolver");
            }
        });
    }
}

fn nameserver(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    if words.next()? != "nameserver" {
        return None;
    }
    let address = words.next()?.split('%').next()?;
    address.parse().ok()
}

#[cfg(test)]
mod tests;
