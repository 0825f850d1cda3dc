//! Addresses that people are logged in from, by the login records (`utmp`).
//!
//! Hosts without such records (newer systems) yield nothing; the caller then has to name the
//! operator's networks in its configuration.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

/// Records read, at most.
const RECORDS_MAX: u64 = 16_384;
/// Size of a record: 64-bit ARM has longer times in it.
const RECORD_BYTES: usize = if cfg!(target_arch = "aarch64") {
    400
} else {
    384
};
const ADDRESS_AT: usize = if cfg!(target_arch = "aarch64") {
    360
} else {
    348
};
const USER_PROCESS: i16 = 7;
const LINE_AT: usize = 8;
const USER_AT: usize = 44;
const HOST_AT: usize = 76;
const NAME_BYTES: usize = 32;
const HOST_BYTES: usize = 256;

/// Remote addresses of the sessions on record, each with "session of USER on LINE".
/// `utmp` is `/run/utmp`. Sessions without a remote address are left out.
pub fn login_sources(utmp: &Path) -> Vec<(IpAddr, String)> {
    let mut bytes = Vec::new();
    let record_bytes = u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX);
    let bytes_max = RECORDS_MAX.saturating_mul(record_bytes);
    let read = File::open(utmp).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let mut sources: Vec<(IpAddr, String)> = Vec::new();
    for (address, why) in bytes.chunks_exact(RECORD_BYTES).filter_map(session) {
        if !sources.iter().any(|(known, _)| *known == address) {
            sources.push((address, why));
        }
    }
    sources
}

fn session(record: &[u8]) -> Option<(IpAddr, String)> {
    if i16::from_ne_bytes(*record.first_chunk()?) != USER_PROCESS {
        return None;
    }
    let address = binary_address(record).or_else(|| {
        let host = text(record, HOST_AT, HOST_BYTES)?;
        host.split('%').next()?.parse().ok()
    })?;
    let user = text(record, USER_AT, NAME_BYTES).unwrap_or_default();
    let line = text(record, LINE_AT, NAME_BYTES).unwrap_or_default();
    let why = format!(
        "session of {} on {}",
        event::hostile(&user),
        event::hostile(&line)
    );
    Some((address.to_canonical(), why))
}

/// Four words; an IPv4 address uses the first only.
fn binary_address(record: &[u8]) -> Option<IpAddr> {
    let bytes: &[u8; 16] = record.get(ADDRESS_AT..)?.first_chunk()?;
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    if rest.iter().any(|byte| *byte != 0) {
        return Some(IpAddr::V6(Ipv6Addr::from(*bytes)));
    }
    (*first != [0; 4]).then(|| IpAddr::from(*first))
}

fn text(record: &[u8], at: usize, bytes_max: usize) -> Option<String> {
    let field = record.get(at..at.checked_add(bytes_max)?)?;
    let text = field.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests;
