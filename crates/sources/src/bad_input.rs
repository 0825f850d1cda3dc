//! Bad input against every format: no parser panics, stalls or keeps what it should refuse.

use event::{Event, Name, RAW_BYTES_MAX, Time};
use proptest::prelude::*;

use crate::testing::{parse, parse_at, parser, read_at};
use crate::{ALL, BadReason, CONNECTIONS_MAX, DropReason, Parsed, RECORD_BYTES_MAX, fuzz};

const FORMATS: [&str; 6] = ["auto", "eve", "event", "journald", "syslog", "zeek_conn"];

const SAMPLES: [&[u8]; 8] = [
    include_bytes!("eve/samples/eve.jsonl"),
    include_bytes!("eve/samples/hostile.jsonl"),
    include_bytes!("event_lines/samples/hostile.jsonl"),
    include_bytes!("journald/samples/journal.jsonl"),
    include_bytes!("syslog/samples/auth.log"),
    include_bytes!("syslog/samples/hostile.log"),
    include_bytes!("zeek_conn/samples/conn.jsonl"),
    include_bytes!("zeek_conn/samples/conn.log"),
];

fn of(parsed: Parsed) -> Option<Event> {
    match parsed {
        Parsed::Event(event) => Some(*event),
        _ => None,
    }
}

#[test]
fn the_table_is_sorted_and_tested_here_whole() {
    let names: Vec<_> = ALL.iter().map(|format| format.name).collect();
    assert!(names.is_sorted());
    assert_eq!(names, FORMATS[1..]);
    for format in ALL {
        assert_eq!(
            (format.new)(&crate::Settings::default()).name(),
            format.name
        );
    }
    assert!(crate::by_name("cef", &crate::Settings::default()).is_none());
    assert_eq!(fuzz("cef", b"x"), [0, 0, 0]);
}

#[test]
fn nothing_and_almost_nothing() {
    for format in FORMATS {
        for blank in ["", " ", "\r", "\t \r"] {
            let parsed = parse(format, blank.as_bytes());
            assert_eq!(parsed, Parsed::Nothing(DropReason::Blank), "{format}");
        }
        for byte in 0..=255_u8 {
            assert!(of(parse(format, &[byte])).is_none(), "{format} {byte}");
        }
    }
}

#[test]
fn every_sample_cut_at_every_place() {
    for sample in SAMPLES {
        for format in FORMATS {
            for line in sample.split(|byte| *byte == b'\n') {
                for end in 0..line.len() {
                    let [events, dropped, bad] = fuzz(format, &line[..end]);
                    assert_eq!(events + dropped + bad, 1);
                }
            }
        }
    }
}

#[test]
fn a_megabyte_is_read_and_more_is_refused() {
    let long = "x".repeat(RECORD_BYTES_MAX);
    for format in FORMATS {
        let parsed = parse(format, format!("{long}x").as_bytes());
        assert_eq!(parsed, Parsed::Bad(BadReason::TooLong), "{format}");
        assert!(of(parse(format, long.as_bytes())).is_none(), "{format}");
    }
    let mut line = format!("Nov 24 12:00:01 web1 sshd[1]: Failed password for {long}");
    line.truncate(RECORD_BYTES_MAX - 40);
    line.push_str(" from 192.0.2.7 port 9 ssh2");
    let event = of(parse("syslog", line.as_bytes())).unwrap();
    assert_eq!(event.raw.len(), RAW_BYTES_MAX);
    let user = event.as_auth().unwrap().user.as_ref().unwrap();
    assert_eq!(user.as_str().len(), event::NAME_BYTES_MAX);
}

#[test]
fn a_megabyte_of_repeated_anchors_stays_linear() {
    for unit in [
        " from 192.0.2.7 port 9 ssh2: RSA x",
        " rhost=x",
        ": Change of username or service not allowed: (",
        " [",
        "]",
    ] {
        let many = unit.repeat(RECORD_BYTES_MAX / unit.len() - 10);
        for head in [
            "Failed publickey for x",
            "Disconnecting authenticating user a 192.0.2.7 port 1",
            "pam_unix(sshd:auth): authentication failure; ruser=a",
        ] {
            let line = format!("Nov 24 12:00:01 web1 sshd[1]: {head}{many}");
            let line = line.get(..line.len().min(RECORD_BYTES_MAX)).unwrap();
            assert!(of(parse("syslog", line.as_bytes())).is_some());
        }
    }
}

#[test]
fn zero_bytes_and_broken_utf8_are_replaced_not_refused() {
    let line = b"Nov 24 12:00:01 web1 sshd[1]: Failed password for a\0\xff\xc3 from 192.0.2.7 port 9 ssh2\r";
    let event = of(parse("syslog", line)).unwrap();
    let auth = event.as_auth().unwrap();
    assert_eq!(auth.user.as_ref().unwrap().as_str(), "a\0\u{fffd}\u{fffd}");
    assert!(auth.peer.as_ref().unwrap().address.is_some());
    assert!(event.raw.contains('\u{fffd}'));
}

#[test]
fn json_of_any_depth_ends() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let inside = format!(
        r#"{{"ts":1,"timestamp":"2026-11-24T12:00:00Z","event_type":"x","__REALTIME_TIMESTAMP":"1","MESSAGE":"x","a":{deep}}}"#
    );
    for format in ["auto", "eve", "event", "journald", "zeek_conn"] {
        for line in [deep.clone(), "{\"a\":".repeat(10_000)] {
            let parsed = parse(format, line.as_bytes());
            assert!(matches!(parsed, Parsed::Bad(_)), "{format}");
        }
        // What lies deep in a field that nobody reads is passed over, and kept as raw text only.
        if let Some(event) = of(parse(format, inside.as_bytes())) {
            assert!(!serde_json::to_string(&event.body).unwrap().contains("[["));
        }
    }
}

#[test]
fn numbers_beyond_every_type_are_refused_or_held() {
    for number in [
        "9223372036854775808",
        "-9223372036854775808",
        "1e400",
        "-1",
        "1e-400",
        "NaN",
        "00",
    ] {
        for (format, line) in [
            (
                "eve",
                format!(
                    r#"{{"timestamp":"2026-11-24T12:00:00Z","event_type":"flow","src_ip":"192.0.2.7","dest_ip":"192.0.2.8","src_port":{number},"flow":{{}}}}"#
                ),
            ),
            (
                "zeek_conn",
                format!(
                    r#"{{"ts":1,"id.orig_h":"192.0.2.7","id.orig_p":{number},"id.resp_h":"192.0.2.8","id.resp_p":1,"proto":"tcp","conn_state":"SF"}}"#
                ),
            ),
            ("event", format!(r#"{{"position":{number}}}"#)),
        ] {
            let parsed = parse(format, line.as_bytes());
            assert_eq!(parsed, Parsed::Bad(BadReason::Json), "{format} {number}");
        }
    }
}

#[test]
fn a_time_far_ahead_does_not_move_the_windows() {
    for line in [
        "2031-01-01T00:00:00Z web1 sshd[1]: Failed password for root from 192.0.2.7 port 9 ssh2",
        "<38>1 9998-01-01T00:00:00Z web1 sshd 1 - - Failed password for root from 192.0.2.7 port 9 ssh2",
    ] {
        let event = of(parse("syslog", line.as_bytes())).unwrap();
        assert_eq!(event.time, read_at());
        assert_eq!(event.time_quality, event::TimeQuality::Guessed);
    }
}

#[test]
fn new_year_belongs_to_the_year_before() {
    let line = b"Dec 31 23:59:59 web1 sshd[1]: Failed password for root from 192.0.2.7 port 9 ssh2";
    for (observed, year) in [
        ("2027-01-01T00:00:05Z", "2026"),
        ("2026-12-31T23:59:59Z", "2026"),
        ("2026-12-30T23:59:58Z", "2025"),
        ("2026-12-31T00:00:00Z", "2026"),
    ] {
        let observed: Time = observed.parse().unwrap();
        let event = of(parse_at(&mut *parser("syslog"), observed, line)).unwrap();
        assert!(event.time.to_string().starts_with(year), "{observed}");
    }
}

#[test]
fn the_zone_of_the_settings_counts_where_the_record_has_none() {
    let settings = crate::Settings {
        zone_offset_s: 3600,
    };
    let mut parser = crate::by_name("syslog", &settings).unwrap();
    let line = b"Nov 24 12:00:01 web1 cron[1]: x";
    let event = of(parse_at(&mut *parser, read_at(), line)).unwrap();
    assert_eq!(event.time.to_string(), "2026-11-24T11:00:01.000000Z");
    let line = b"2026-11-24 12:00:01 web1 cron[1]: x";
    let event = of(parse_at(&mut *parser, read_at(), line)).unwrap();
    assert_eq!(event.time.to_string(), "2026-11-24T11:00:01.000000Z");
    assert_eq!(event.time_quality, event::TimeQuality::NoZone);
    let settings = crate::Settings {
        zone_offset_s: i32::MIN,
    };
    let mut parser = crate::by_name("syslog", &settings).unwrap();
    let event = of(parse_at(&mut *parser, read_at(), line)).unwrap();
    assert_eq!(event.time.to_string(), "2026-11-25T12:00:01.000000Z");
}

#[test]
fn connections_are_bounded_and_counted() {
    let mut parser = parser("syslog");
    for pid in 0..CONNECTIONS_MAX + 10 {
        let line = format!(
            "Nov 24 12:00:01 web1 sshd[{pid}]: Connection from 192.0.2.7 port 9 on 192.0.2.1 port 22"
        );
        assert!(of(parse_at(&mut *parser, read_at(), line.as_bytes())).is_some());
    }
    assert_eq!(parser.evicted(), 10);
    let peer = |parser: &mut dyn crate::Parser, pid: usize| {
        let line = format!(
            "Nov 24 12:00:02 web1 sshd[{pid}]: fatal: Unable to negotiate a key exchange method [preauth]"
        );
        let event = of(parse_at(parser, read_at(), line.as_bytes())).unwrap();
        event.as_auth().unwrap().peer.is_some()
    };
    assert!(peer(&mut *parser, CONNECTIONS_MAX));
    assert!(!peer(&mut *parser, 0));
}

#[test]
fn a_stream_is_pinned_and_stays_open() {
    let mut auto = parser("auto");
    let mut parser_of = |line: &str| {
        let event = of(parse_at(&mut *auto, read_at(), line.as_bytes()))?;
        Some(event.origin.parser.as_str().to_owned())
    };
    let syslog = "Nov 24 12:00:01 web1 cron[1]: x";
    let eve = r#"{"timestamp":"2026-11-24T12:00:00Z","event_type":"x"}"#;
    let journal = r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}"#;
    let zeek = r#"{"_path":"dns","ts":1}"#;
    for line in [syslog, eve, syslog, syslog, syslog] {
        assert!(parser_of(line).is_some());
    }
    for (line, format) in [
        (eve, "eve"),
        (journal, "journald"),
        (zeek, "zeek_conn"),
        (syslog, "syslog"),
    ] {
        assert_eq!(parser_of(line).as_deref(), Some(format));
    }
    assert_eq!(parser_of("no form at all"), None);
}

#[test]
fn the_same_record_gives_the_same_id_and_another_place_another() {
    let line = b"Nov 24 12:00:01 web1 sshd[1]: Failed password for root from 192.0.2.7 port 9 ssh2";
    let at = |position: u64, spoofable: bool| {
        let stream = Name::new("auth.log");
        let parsed = parser("syslog").parse(&crate::RawRecord {
            stream: &stream,
            position,
            observed: read_at(),
            bytes: line,
            spoofable,
        });
        of(parsed).unwrap()
    };
    assert_eq!(at(7, false), at(7, false));
    assert_ne!(at(7, false).id, at(8, false).id);
    assert!(at(7, true).spoofable && !at(7, false).spoofable);
}

/// Pieces that parsers look for, put together at random.
fn shard() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "Nov 24 12:00:01 ",
        "2026-11-24T12:00:01Z ",
        "<38>",
        "1 ",
        "- ",
        "web1 ",
        "sshd[1]: ",
        "sudo: ",
        "su: ",
        "useradd[2]: ",
        "[origin x] ",
        "pam_unix(sshd:auth): ",
        "authentication failure; ",
        "rhost=",
        " user=",
        "Failed password for ",
        "invalid user ",
        " from ",
        "192.0.2.7",
        " port ",
        "22",
        " ssh2",
        ": ",
        " [preauth]",
        "Disconnecting ",
        "Connection closed by ",
        "message repeated ",
        " times: [ ",
        "]",
        "[",
        "(",
        ")",
        "\"",
        "\\",
        "{",
        "}",
        ",",
        "\"ts\":",
        "\"event_type\":",
        "\"flow\"",
        "\"__REALTIME_TIMESTAMP\":",
        "\"MESSAGE\":",
        "#fields\t",
        "#separator ",
        "\\x09",
        "\t",
        "\n",
        "\u{feff}",
        "é",
        " via ",
        ": RSA SHA256:",
        " not allowed because ",
        ": Change of username or service not allowed: (",
        "TTY=x ; ",
        "COMMAND=",
        " : ",
        "1e400",
        "-9223372036854775808",
    ];
    let pick = proptest::sample::select(known.to_vec());
    prop_oneof![
        4 => pick.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for format in FORMATS {
            prop_assert_eq!(fuzz(format, &bytes).iter().sum::<usize>(), lines);
        }
    }

    #[test]
    fn no_order_of_known_pieces_makes_a_parser_panic(shards in proptest::collection::vec(shard(), 0..30)) {
        let bytes = shards.concat();
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for format in FORMATS {
            prop_assert_eq!(fuzz(format, &bytes).iter().sum::<usize>(), lines);
        }
    }

    /// The one promise that matters most: whatever the user name, the peer is the daemon's.
    #[test]
    fn no_user_name_moves_the_peer(user in proptest::collection::vec(shard(), 0..8)) {
        let user = String::from_utf8_lossy(&user.concat()).replace(['\n', '\r'], " ");
        let user: String = user.chars().take(100).collect();
        for line in [
            format!("Failed password for {user} from 203.0.113.9 port 4711 ssh2"),
            format!("Failed password for invalid user {user} from 203.0.113.9 port 4711 ssh2"),
            format!("Failed keyboard-interactive/pam for {user} from 203.0.113.9 port 4711 ssh2"),
            format!("Invalid user {user} from 203.0.113.9 port 4711"),
            format!("Connection closed by authenticating user {user} 203.0.113.9 port 4711 [preauth]"),
            format!("Connection reset by invalid user {user} 203.0.113.9 port 4711 [preauth]"),
            format!("Disconnected from authenticating user {user} 203.0.113.9 port 4711 [preauth]"),
            format!("User {user} from 203.0.113.9 not allowed because not listed in AllowUsers"),
            format!("error: maximum authentication attempts exceeded for {user} from 203.0.113.9 port 4711 ssh2 [preauth]"),
            format!("Disconnecting authenticating user {user} 203.0.113.9 port 4711: Too many authentication failures [preauth]"),
            format!("error: PAM: Authentication failure for {user} from 203.0.113.9"),
            format!("Failed publickey for {user} from 203.0.113.9 port 4711 ssh2: RSA SHA256:abc"),
            format!("Accepted publickey for {user} from 203.0.113.9 port 4711 ssh2: RSA SHA256:abc"),
            format!("Failed hostbased for {user} from 203.0.113.9 port 4711 ssh2: RSA SHA256:abc, client user \"{user}\", client host \"a.example.com\""),
            format!("Disconnecting authenticating user {user} 203.0.113.9 port 4711: Change of username or service not allowed: ({user},ssh-connection) -> ({user},ssh-connection) [preauth]"),
        ] {
            let record = format!("Nov 24 12:00:01 web1 sshd[1]: {line}");
            let event = of(parse("syslog", record.as_bytes())).unwrap();
            let doubtful = ["publickey", "hostbased", "Change of"];
            let peer = event.as_auth().and_then(|auth| auth.peer.as_ref());
            let address = peer.and_then(|peer| peer.address);
            let expected = "203.0.113.9".parse().ok();
            prop_assert!(address.is_none() || address == expected, "{line} {event:?}");
            if !doubtful.iter().any(|form| line.contains(form)) {
                prop_assert_eq!(address, expected, "{}", line);
            }
        }
    }
}
