//! How fast the parsers are, one thread, event ids included. Prints; asserts nothing about time.
//!
//! `cargo test --release -p vertice-sources speed -- --ignored --nocapture`

use std::time::Instant;

use event::{Event, Name};

use crate::testing::{parser, read_at};
use crate::{Parsed, RawRecord};

/// Short rounds, many of them: the best one ran without another process in its way.
const ROUNDS: usize = 300;
const LINES: usize = 1000;

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

/// Reads all lines several times; the best round counts. The hash of the ids, which no parser
/// can do without, is measured on its own beside it.
fn measure(format: &str, lines: &[String]) {
    let bytes: usize = lines.iter().map(String::len).sum();
    let (stream, observed) = (Name::new("sample"), read_at());
    let parsing = best_of(|| {
        let mut parser = parser(format);
        let events = lines
            .iter()
            .filter(|line| {
                let parsed = parser.parse(&RawRecord {
                    stream: &stream,
                    position: 0,
                    observed,
                    bytes: line.as_bytes(),
                    spoofable: false,
                });
                matches!(parsed, Parsed::Event(_))
            })
            .count();
        assert!(events >= LINES);
    });
    let hashing = best_of(|| {
        for line in lines {
            std::hint::black_box(Event::id_of("sample", 0, line.as_bytes()));
        }
    });
    let count = lines.len() as f64;
    println!(
        "{format}: {:.0} records/s of {} bytes; without the id's hash ({:.1} µs) {:.0}/s",
        count / parsing,
        bytes / lines.len(),
        hashing / count * 1e6,
        count / (parsing - hashing)
    );
}

#[expect(clippy::disallowed_methods, reason = "measures its own running time")]
fn best_of(mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

#[test]
#[ignore = "prints figures; meant for a release build"]
fn speed() {
    measure("syslog", &auth_log());
    measure("eve", &eve_flows());
    measure("zeek_conn", &zeek_rows());
    measure("auto", &auth_log());
}
