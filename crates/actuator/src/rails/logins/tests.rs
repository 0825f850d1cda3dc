#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of the tests themselves"
)]

use super::*;

/// One login record with these fields.
fn record(kind: i16, user: &str, host: &str, address: [u8; 16]) -> Vec<u8> {
    let mut record = vec![0; RECORD_BYTES];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &kind.to_ne_bytes());
    put(LINE_AT, b"pts/0");
    put(USER_AT, user.as_bytes());
    put(HOST_AT, host.as_bytes());
    put(ADDRESS_AT, &address);
    record
}

fn ipv4(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&address);
    bytes
}

fn sources(records: &[Vec<u8>]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), records.concat()).unwrap();
    login_sources(file.path())
        .iter()
        .map(|(address, why)| format!("{address} {why}"))
        .collect()
}

#[test]
fn remote_sessions_are_found_once_each() {
    let v6: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let mapped: Ipv6Addr = "::ffff:192.0.2.9".parse().unwrap();
    let found = sources(&[
        record(2, "reboot", "6.1.0", [0; 16]),
        record(7, "ana", "192.0.2.7", ipv4([192, 0, 2, 7])),
        record(7, "ana", "192.0.2.7", ipv4([192, 0, 2, 7])),
        record(7, "bea", "host.example", v6.octets()),
        record(7, "cia", "fe80::1%eth0", [0; 16]),
        record(7, "dia", "", mapped.octets()),
        record(7, "local", ":0", [0; 16]),
        record(8, "gone", "192.0.2.8", ipv4([192, 0, 2, 8])),
    ]);
    assert_eq!(
        found,
        [
            "192.0.2.7 session of ana on pts/0",
            "2001:db8::7 session of bea on pts/0",
            "fe80::1 session of cia on pts/0",
            "192.0.2.9 session of dia on pts/0",
        ]
    );
}

#[test]
fn torn_and_missing_records_yield_nothing() {
    let mut torn = record(7, "ana", "192.0.2.7", ipv4([192, 0, 2, 7]));
    torn.pop();
    assert!(sources(&[torn]).is_empty());
    assert!(login_sources(Path::new("/nonexistent/utmp")).is_empty());
    let hostile = record(7, "a\u{1b}[2J\nb", "192.0.2.7", [0; 16]);
    let found = sources(&[hostile]);
    assert!(!found[0].contains(['\u{1b}', '\n']), "{found:?}");
}
