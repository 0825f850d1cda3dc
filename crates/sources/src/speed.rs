//! How fast the parsers are, one thread, event ids included. Prints; asserts nothing about time.
//!
//! `cargo test --release -p vertice-sources speed -- --ignored --nocapture`

use std::time::Instant;

use crate::Parsed;
use crate::testing::{parse_at, parser, read_at};

const ROUNDS: usize = 20;
const LINES: usize = 20_000;

/// Lines of a brute force with the peer's own variety.
fn auth_log() -> Vec<String> {
    let one = |n: usize| {
        let (pid, port, last) = (1000 + n / 3, 20_000 + n % 40_000, n % 250);
        let head = format!(
            "Nov 24 12:{:02}:{:02} web1 sshd[{pid}]:",
            n / 60 % 60,
            n % 60
        );
        match n % 3 {
            0 => format!("{head} Invalid user test{n} from 192.0.2.{last} port {port}"),
            1 => format!(
                "{head} Failed password for invalid user test{n} from 192.0.2.{last} port {port} ssh2"
            ),
            _ => format!("{head} Connection closed by 192.0.2.{last} port {port} [preauth]"),
        }
    };
    (0..LINES).map(one).collect()
}

/// Flow records of about 1 kB, as Suricata 7 writes them.
fn eve_flows() -> Vec<String> {
    let one = |n: usize| {
        let padding = "x".repeat(150);
        format!(
            r#"{{"timestamp":"2026-11-24T12:00:05.000000+0000","flow_id":{n},"in_iface":"eth0","event_type":"flow","src_ip":"192.0.2.{}","src_port":{},"dest_ip":"198.51.100.1","dest_port":22,"ip_v":4,"proto":"TCP","app_proto":"ssh","flow":{{"pkts_toserver":12,"pkts_toclient":11,"bytes_toserver":2100,"bytes_toclient":2400,"start":"2026-11-24T12:00:01.000000+0000","end":"2026-11-24T12:00:03.500000+0000","age":2,"state":"closed","reason":"timeout","alerted":false,"exception_policy":[{{"target":"stream_midstream","policy":"ignore"}}]}},"community_id":"1:o897Hf8fds7hioHIU8fdsfjhhoHJ","tcp":{{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,"state":"closed","ts_max_regions":1,"tc_max_regions":1}},"metadata":{{"flowbits":["a","b","{padding}"]}},"ether":{{"dest_mac":"00:00:5e:00:53:01","src_mac":"00:00:5e:00:53:02"}},"host":"sensor1","traffic":{{"id":["ssh"],"label":["remote"]}},"vlan":[100]}}"#,
            n % 250,
            20_000 + n % 40_000
        )
    };
    (0..LINES).map(one).collect()
}

fn zeek_rows() -> Vec<String> {
    let header = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes";
    let one = |n: usize| {
        format!(
            "1795521601.123456\tC{n}\t192.0.2.{}\t{}\t198.51.100.1\t22\ttcp\tssh\t2.5\t1200\t2400\tSF\t12\t1900\t11\t2900",
            n % 250,
            20_000 + n % 40_000
        )
    };
    std::iter::once(header.to_owned())
        .chain((0..LINES).map(one))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "measures its own running time")]
fn measure(format: &str, lines: &[String]) {
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut parser = parser(format);
        let start = Instant::now();
        let events = lines
            .iter()
            .filter(|line| {
                let parsed = parse_at(&mut *parser, read_at(), line.as_bytes());
                matches!(parsed, Parsed::Event(_))
            })
            .count();
        best = best.min(start.elapsed().as_secs_f64());
        assert!(events >= LINES);
    }
    let per_second = lines.len() as f64 / best;
    let size = bytes / lines.len();
    println!("{format}: {per_second:.0} records/s of {size} bytes, best of {ROUNDS}");
}

#[test]
#[ignore = "prints figures; meant for a release build"]
fn speed() {
    measure("syslog", &auth_log());
    measure("eve", &eve_flows());
    measure("zeek_conn", &zeek_rows());
    measure("auto", &auth_log());
}
