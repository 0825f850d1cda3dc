//! Live TCP connections of this machine by remote address, from `/proc/net/tcp` and `tcp6`: how
//! many would be cut by a block.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use event::{Address, Clock};

use crate::clock::SystemClock;

/// Bytes read of each table.
const TABLE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A reading is good for this long.
const FRESH: Duration = Duration::from_millis(500);
const ESTABLISHED: &str = "01";

/// Counts of established connections, read at most twice a second.
#[derive(Debug)]
pub struct Connections {
    proc_net: PathBuf,
    read: Mutex<Option<(Duration, HashMap<Address, u32>)>>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            proc_net: PathBuf::from("/proc/net"),
            read: Mutex::new(None),
        }
    }
}

impl Connections {
    /// Established connections with `address`.
    pub fn with(&self, address: Address) -> u32 {
        let now = SystemClock.elapsed();
        let mut read = self
            .read
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let stale = read
            .as_ref()
            .is_none_or(|(at, _)| now.saturating_sub(*at) > FRESH);
        if stale {
            *read = Some((now, self.table()));
        }
        read.as_ref()
            .and_then(|(_, counts)| counts.get(&address))
            .copied()
            .unwrap_or(0)
    }

    fn table(&self) -> HashMap<Address, u32> {
        let mut counts = HashMap::new();
        for name in ["tcp", "tcp6"] {
            let text = read_limited(&self.proc_net.join(name)).unwrap_or_default();
            for address in text.lines().skip(1).filter_map(remote_of) {
                *counts.entry(address).or_insert(0) += 1;
            }
        }
        counts
    }
}

fn read_limited(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(TABLE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The remote address of an established connection's line.
fn remote_of(line: &str) -> Option<Address> {
    let mut fields = line.split_ascii_whitespace();
    let remote = fields.nth(2)?;
    let state = fields.next()?;
    if state != ESTABLISHED {
        return None;
    }
    let (digits, _port) = remote.split_once(':')?;
    address_of(digits)
}

/// The kernel prints each 32-bit word of an address in the machine's byte order.
fn address_of(digits: &str) -> Option<Address> {
    let mut bytes = Vec::with_capacity(16);
    for start in (0..digits.len()).step_by(8) {
        let word = u32::from_str_radix(digits.get(start..start.checked_add(8)?)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(Address::from(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn established_lines_are_counted_by_remote_address() {
        let folder = tempfile::tempdir().unwrap();
        let header = "  sl  local_address rem_address   st\n";
        let lines = "   0: 0100007F:0016 077100CB:C350 01 0 0\n\
                     1: 0100007F:0016 077100CB:C351 01 0 0\n\
                     2: 0100007F:0016 077100CB:C352 06 0 0\n   3: broken\n";
        std::fs::write(folder.path().join("tcp"), format!("{header}{lines}")).unwrap();
        let connections = Connections {
            proc_net: folder.path().into(),
            read: Mutex::new(None),
        };
        assert_eq!(connections.with("203.0.113.7".parse().unwrap()), 2);
        assert_eq!(connections.with("203.0.113.8".parse().unwrap()), 0);
    }
}
