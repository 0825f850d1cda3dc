//! The cards are whole, and the lines are what the packet filter takes.

use super::*;

#[test]
fn cards_are_sorted_complete_and_found_by_kind() {
    assert_eq!(ALL.map(|card| card.kind), ActionKind::ALL);
    for known in ALL {
        assert!(std::ptr::eq(card(known.kind), known));
        assert!(
            known
                .parameters
                .is_sorted_by_key(|parameter| parameter.name)
        );
        assert!(known.d3fend.iter().all(|id| id.starts_with("D3-")));
        assert!(known.react.iter().all(|id| id.starts_with("RA")));
    }
}

fn values(ip: &str) -> Values {
    Values {
        ip: Some(ip.parse().unwrap()),
        rate: Some("5/min".parse().unwrap()),
        ..Values::default()
    }
}

#[test]
fn lines_and_sentences() {
    let port = Values {
        port: Some(443),
        ..values("2001:db8::9")
    };
    let range = Values {
        prefix_v4: Some(24),
        ..values("203.0.113.7")
    };
    let cases = [
        (
            ActionKind::BlockIp,
            values("203.0.113.7"),
            "block4 { 203.0.113.7",
            "Block 203.0.113.7 for 10 min",
        ),
        (
            ActionKind::BlockIp,
            values("::ffff:203.0.113.7"),
            "block4 { 203.0.113.7",
            "Block 203.0.113.7 for 10 min",
        ),
        (
            ActionKind::BlockIp,
            values("2001:db8::9"),
            "block6 { 2001:db8::9",
            "Block 2001:db8::9 for 10 min",
        ),
        (
            ActionKind::BlockIp,
            range,
            "blocknet4 { 203.0.113.0/24",
            "Block 203.0.113.0/24 for 10 min",
        ),
        (
            ActionKind::RateLimit,
            values("203.0.113.7"),
            "limit4 { 203.0.113.7 limit rate over 5/minute burst 5 packets",
            "Limit 203.0.113.7 to 5/min for 10 min",
        ),
        (
            ActionKind::BlockEgress,
            values("203.0.113.7"),
            "egress4 { 203.0.113.7",
            "Block traffic to 203.0.113.7 for 10 min",
        ),
        (
            ActionKind::BlockEgress,
            port,
            "egressport6 { 2001:db8::9 . 443",
            "Block traffic to [2001:db8::9]:443 for 10 min",
        ),
    ];
    let (ttl, id) = (Ttl::new(600).unwrap(), ActionId::from_bytes([7; 16]));
    for (kind, values, line, words) in cases {
        let action = (card(kind).make)(&values).unwrap();
        let added = format!("add element inet vertice {line} timeout 10m comment \"{id}\" }}");
        assert_eq!(diff(&action, ttl, id).added, [added]);
        assert_eq!(sentence(&action, ttl), words);
    }
}

#[test]
fn an_action_without_its_values_is_none() {
    for card in ALL {
        assert_eq!((card.make)(&Values::default()), None);
    }
    let without_rate = Values {
        rate: None,
        ..values("203.0.113.7")
    };
    assert_eq!((card(ActionKind::RateLimit).make)(&without_rate), None);
}

#[test]
fn times_are_written_as_the_packet_filter_does() {
    for (seconds, text) in [
        (1, "1s"),
        (90, "1m30s"),
        (3600, "1h"),
        (86_400, "1d"),
        (93_784, "1d2h3m4s"),
    ] {
        assert_eq!(filter_time(Ttl::new(seconds).unwrap()), text);
    }
}
