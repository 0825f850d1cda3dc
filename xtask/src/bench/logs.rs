//! Seeded input: an auth.log as sshd, PAM, cron and sudo write it, and Suricata's EVE records.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;

const SOURCES: u64 = 5_000;
const ATTACKERS_AT_ONCE: usize = 24;
const USERS: &[&str] = &[
    "admin", "oracle", "test", "ubuntu", "postgres", "git", "pi", "user", "ftp", "nagios", "deploy",
];
/// Mean size of an EVE record, bytes with its line end.
pub(super) const EVE_BYTES: usize = 1038;

/// A small generator (xorshift64*), the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % bound.max(1)
    }
}

/// An address of the range that is set aside for benchmarks (RFC 2544), for numbers below 131,072.
pub(super) fn address(number: u64) -> Ipv4Addr {
    let offset = u32::try_from(number % (1 << 17)).unwrap_or(0);
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + offset)
}

/// The stamp of a classic syslog line, UTC.
pub(super) fn stamp(unix_s: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400);
    let name = MONTHS.get(month as usize - 1).copied().unwrap_or("Jan");
    format!(
        "{name} {day:2} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day since 1970 (the well-known arithmetic over 400-year eras).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let part = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    (
        year + era * 400 + i64::from(month <= 2),
        month,
        day_of_month,
    )
}

/// A failed password, as sshd writes it.
pub(super) fn failure(unix_s: i64, from: Ipv4Addr, process: u64) -> String {
    let port = 20_000 + process % 40_000;
    let stamp = stamp(unix_s);
    format!("{stamp} web1 sshd[{process}]: Failed password for root from {from} port {port} ssh2\n")
}

/// One attacker in the middle of a burst of guesses.
#[derive(Clone, Copy, Debug)]
struct Attacker {
    source: u64,
    left: u64,
}

/// Writes an auth.log of `lines` lines that ends at `until`, a day long.
///
/// Of 100 lines 30 are failed passwords of [`SOURCES`] sources in bursts; the others are what
/// stands around them, logins that succeed, cron, sudo and systemd.
pub(super) fn write_auth(path: &Path, lines: u64, until_unix_s: i64) -> Result<()> {
    let mut random = Random::new(4711);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let fresh = |random: &mut Random| Attacker {
        source: random.below(SOURCES),
        left: 3 + random.below(40),
    };
    let mut attackers: Vec<Attacker> = (0..ATTACKERS_AT_ONCE).map(|_| fresh(&mut random)).collect();
    for line in 0..lines {
        let time = until_unix_s - 86_400 + (line * 86_400 / lines.max(1)) as i64;
        let slot = random.below(ATTACKERS_AT_ONCE as u64) as usize;
        let kind = random.below(100);
        let message = message(kind, attackers[slot].source, &mut random);
        if kind < 30 {
            attackers[slot].left -= 1;
            if attackers[slot].left == 0 {
                attackers[slot] = fresh(&mut random);
            }
        }
        writeln!(file, "{} web1 {message}", stamp(time))?;
    }
    file.flush()?;
    Ok(())
}

fn message(kind: u64, source: u64, random: &mut Random) -> String {
    let from = address(source);
    let process = 1000 + random.below(60_000);
    let port = 1024 + random.below(64_000);
    let guessed = USERS[random.below(USERS.len() as u64) as usize];
    let colleague = ["alice", "bob", "carol"][random.below(3) as usize];
    let desk = Ipv4Addr::new(192, 0, 2, 10 + random.below(40) as u8);
    match kind {
        0..18 => format!("sshd[{process}]: Failed password for root from {from} port {port} ssh2"),
        18..30 => format!(
            "sshd[{process}]: Failed password for invalid user {guessed} from {from} port {port} ssh2"
        ),
        30..38 => format!("sshd[{process}]: Invalid user {guessed} from {from} port {port}"),
        38..48 => format!(
            "sshd[{process}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 \
             tty=ssh ruser= rhost={from}  user=root"
        ),
        48..58 => format!(
            "sshd[{process}]: Connection closed by authenticating user root {from} port {port} [preauth]"
        ),
        58..66 => format!(
            "sshd[{process}]: Received disconnect from {from} port {port}:11: Bye Bye [preauth]"
        ),
        66..70 => format!(
            "sshd[{process}]: Accepted publickey for {colleague} from {desk} port {port} ssh2: \
             ED25519 SHA256:AAAAC3NzaC1lZDI1NTE5AAAAIHk0bG1vcmVub3RhcmVhbGs"
        ),
        70..75 => format!(
            "sshd[{process}]: pam_unix(sshd:session): session opened for user {colleague}(uid=1000) by (uid=0)"
        ),
        75..80 => {
            format!("sshd[{process}]: pam_unix(sshd:session): session closed for user {colleague}")
        }
        80..85 => format!("sshd[{process}]: Disconnected from user {colleague} {desk} port {port}"),
        85..90 => format!("CRON[{process}]: pam_unix(cron:session): session closed for user root"),
        90..95 => format!(
            "sudo: {colleague} : TTY=pts/0 ; PWD=/home/{colleague} ; USER=root ; COMMAND=/usr/bin/apt-get update"
        ),
        _ => format!("systemd-logind[512]: Removed session {process}."),
    }
}

/// Writes `records` EVE records of about [`EVE_BYTES`] bytes: flows, DNS and alerts.
pub(super) fn write_eve(path: &Path, records: u64, until_unix_s: i64) -> Result<()> {
    let mut random = Random::new(815);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for number in 0..records {
        let time = until_unix_s - 3600 + (number * 3600 / records.max(1)) as i64;
        let record = eve_record(number, time, &mut random);
        writeln!(file, "{record}")?;
    }
    file.flush()?;
    Ok(())
}

fn iso(unix_s: i64, micros: u64) -> String {
    let (year, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{micros:06}+0000",
        second % 60
    )
}

fn eve_record(number: u64, time: i64, random: &mut Random) -> String {
    let client = Ipv4Addr::new(10, 20, random.below(16) as u8, 1 + random.below(250) as u8);
    let server = address(random.below(3_000));
    let (port, protocol, application) = [
        (443, "TCP", "tls"),
        (80, "TCP", "http"),
        (53, "UDP", "dns"),
        (22, "TCP", "ssh"),
    ][random.below(4) as usize];
    let stamp = iso(time, random.below(1_000_000));
    let from = 1024 + random.below(64_000);
    let head = format!(
        r#"{{"timestamp":"{stamp}","flow_id":{},"in_iface":"eth0","event_type":"#,
        1_000_000_000_000 + number * 7919
    );
    let ends = format!(
        r#""src_ip":"{client}","src_port":{from},"dest_ip":"{server}","dest_port":{port},"ip_v":4,"proto":"{protocol}","app_proto":"{application}","community_id":"1:o897Hf8fds7hioHIU8fdsfjhh{number:08}=""#
    );
    let bytes = (1000 + random.below(90_000), 1000 + random.below(900_000));
    let flow = format!(
        r#""flow":{{"pkts_toserver":{},"pkts_toclient":{},"bytes_toserver":{},"bytes_toclient":{},"start":"{}","end":"{stamp}","age":{},"state":"closed","reason":"timeout","alerted":false}}"#,
        5 + bytes.0 / 900,
        5 + bytes.1 / 1200,
        bytes.0,
        bytes.1,
        iso(time - 20, 0),
        random.below(20)
    );
    let body = match random.below(20) {
        0 => format!(
            r#""alert",{ends},{flow},"alert":{{"action":"allowed","gid":1,"signature_id":2013028,"rev":7,"signature":"ET POLICY curl User-Agent Outbound","category":"Attempted Information Leak","severity":3,"metadata":{{"created_at":["2011_06_14"],"signature_severity":["Informational"],"updated_at":["2022_05_03"]}}}}"#
        ),
        1..6 => format!(
            r#""dns",{ends},"dns":{{"version":2,"type":"answer","id":{},"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rrname":"host{}.example.com","rrtype":"A","rcode":"NOERROR","answers":[{{"rrname":"host.example.com","rrtype":"A","ttl":300,"rdata":"{server}"}}],"grouped":{{"A":["{server}"]}}}}"#,
            random.below(65_536),
            random.below(5_000)
        ),
        _ => format!(
            r#""flow",{ends},{flow},"tcp":{{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed","ts_max_regions":1,"tc_max_regions":1}}"#
        ),
    };
    let tail = r#","host":"sensor1","ether":{"dest_mac":"00:00:5e:00:53:01","src_mac":"00:00:5e:00:53:02"},"metadata":{"flowbits":[""#;
    let missing = EVE_BYTES.saturating_sub(head.len() + body.len() + tail.len() + 5);
    format!(
        "{head}{body}{tail}{}\"]}}}}",
        "exe.no.referer."
            .repeat(missing / 15 + 1)
            .get(..missing)
            .unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::{EVE_BYTES, Random, address, eve_record, iso, message, stamp};

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(stamp(1_709_164_800), "Feb 29 00:00:00");
        assert_eq!(stamp(1_709_251_199), "Feb 29 23:59:59");
        assert_eq!(iso(1_735_689_599, 7), "2024-12-31T23:59:59.000007+0000");
        assert_eq!(iso(0, 0), "1970-01-01T00:00:00.000000+0000");
    }

    #[test]
    fn eve_records_are_json_of_the_promised_size() {
        let mut random = Random::new(1);
        for number in 0..500 {
            let record = eve_record(number, 1_795_521_600, &mut random);
            assert_eq!(record.len() + 1, EVE_BYTES, "{record}");
            let value: serde_json::Value = serde_json::from_str(&record).unwrap();
            assert!(value["src_ip"].is_string() && value["event_type"].is_string());
        }
    }

    #[test]
    fn every_kind_of_line_exists_and_addresses_stay_in_their_range() {
        let mut random = Random::new(1);
        let lines: Vec<String> = (0..100)
            .map(|kind| message(kind, kind, &mut random))
            .collect();
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.contains("Failed password"))
                .count(),
            30
        );
        assert!(address(131_071).to_string() == "198.19.255.255");
    }
}
