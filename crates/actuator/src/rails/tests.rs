#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of the tests themselves"
)]

use event::{ActionId, Address};
use proptest::prelude::*;

use super::*;

fn rails() -> Rails {
    let never_block: Vec<IpNet> = ["192.0.2.1/32", "10.0.0.0/8", "2001:db8:1::/48"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    Rails::new(Limits::default(), &never_block).unwrap()
}

fn block(target: &str) -> Operation {
    operation(Action::BlockIp {
        target: target.parse().unwrap(),
    })
}

fn operation(action: Action) -> Operation {
    Operation {
        action_id: ActionId::of(&[b"test"]),
        action,
        present_s: Some(60),
        approved: true,
    }
}

const NOW: Duration = Duration::from_secs(1000);

fn reason(rails: &mut Rails, operation: &Operation) -> String {
    rails.admit(operation, NOW).unwrap_err()
}

#[test]
fn protected_networks_are_railed_in_both_directions_and_every_form() {
    let mut rails = rails();
    for target in [
        "192.0.2.1/32",
        "192.0.2.0/24",
        "10.9.8.7/32",
        "10.9.0.0/16",
        "::ffff:192.0.2.1/128",
        "::ffff:198.51.100.1/128",
        "::192.0.2.1/128",
        "64:ff9b::192.0.2.1/128",
        "64:ff9b::c000:0200/120",
        "64:ff9b:1::1/128",
        "2002:c000:0201::/48",
        "2001:db8:1:2::3/128",
        "2001:db8::/32",
        "127.0.0.1/32",
        "0.0.0.0/32",
        "255.255.255.255/32",
        "224.0.0.1/32",
        "169.254.169.254/32",
        "::1/128",
        "::/128",
        "fe80::1/128",
        "ff02::1/128",
    ] {
        let reason = reason(&mut rails, &block(target));
        assert!(reason.contains("never-block"), "{target}: {reason}");
    }
    for target in ["192.0.2.2/32", "198.51.100.0/24", "64:ff9b::c633:6401/128"] {
        assert!(rails.admit(&block(target), NOW).is_ok(), "{target}");
    }
}

#[test]
fn every_kind_of_effect_is_railed() {
    let mut rails = rails();
    let address: Address = "192.0.2.1".parse().unwrap();
    let rate = "5/min".parse().unwrap();
    for action in [
        Action::RateLimit { address, rate },
        Action::BlockEgress {
            address,
            port: None,
        },
        Action::BlockEgress {
            address,
            port: Some(53),
        },
    ] {
        assert!(reason(&mut rails, &operation(action)).contains("(configured)"));
    }
}

#[test]
fn width_is_limited_and_ranges_need_a_person() {
    let mut rails = rails();
    assert!(reason(&mut rails, &block("198.48.0.0/15")).contains("never"));
    assert!(reason(&mut rails, &block("2600::/31")).contains("never"));
    assert!(rails.admit(&block("198.51.0.0/16"), NOW).is_ok());
    let mut unapproved = block("198.51.100.0/31");
    unapproved.approved = false;
    assert!(reason(&mut rails, &unapproved).contains("approved"));
}

#[test]
fn values_out_of_range_are_railed_and_removal_never_is() {
    let mut rails = rails();
    for present_s in [0, Ttl::SECONDS_MAX + 1, u32::MAX] {
        let mut operation = block("198.51.100.7/32");
        operation.present_s = Some(present_s);
        assert!(reason(&mut rails, &operation).contains("30 days"));
    }
    let address: Address = "198.51.100.7".parse().unwrap();
    for (packets, per_seconds) in [(0, 1), (100_001, 1), (1, 0), (1, 61)] {
        let rate = Rate {
            packets,
            per_seconds,
        };
        let limit = operation(Action::RateLimit { address, rate });
        assert!(reason(&mut rails, &limit).contains("packets per"));
    }
    let port = Some(0);
    let egress = operation(Action::BlockEgress { address, port });
    assert!(reason(&mut rails, &egress).contains("port 0"));
    let mut removal = block("10.0.0.1/32");
    removal.present_s = None;
    assert_eq!(rails.admit(&removal, NOW).unwrap().put, None);
}

fn host(number: u32, approved: bool) -> Operation {
    let target = IpNet::from(std::net::IpAddr::V4((0x1400_0000 + number).into()));
    Operation {
        approved,
        ..operation(Action::BlockIp { target })
    }
}

fn capped(new_per_minute_max: usize, live_max: usize) -> Rails {
    let limits = Limits {
        new_per_minute_max,
        live_max,
    };
    Rails::new(limits, &[]).unwrap()
}

#[test]
fn the_cap_of_a_minute_slides_and_neither_approval_nor_extension_counts() {
    let mut rails = capped(2, 100);
    let second = Duration::from_secs(1);
    assert!(rails.admit(&host(1, false), NOW).is_ok());
    assert!(rails.admit(&host(2, false), NOW + second).is_ok());
    assert!(rails.admit(&host(3, false), NOW + second * 59).is_err());
    assert!(rails.admit(&host(3, true), NOW + second * 59).is_ok());
    assert!(rails.admit(&host(1, false), NOW + second * 59).is_ok());
    assert!(rails.admit(&host(4, false), NOW + second * 60).is_ok());
    assert!(rails.admit(&host(5, false), NOW + second * 60).is_err());
    assert!(rails.admit(&host(5, false), NOW + second * 61).is_ok());
}

#[test]
fn the_cap_of_what_stands_frees_with_time_and_removal() {
    let mut rails = capped(1000, 2);
    assert!(rails.admit(&host(1, false), NOW).is_ok());
    assert!(rails.admit(&host(2, false), NOW).is_ok());
    let reason = rails.admit(&host(3, false), NOW).unwrap_err();
    assert!(reason.contains("2 effects stand"), "{reason}");
    for number in 3..5 {
        assert!(rails.admit(&host(number, true), NOW).is_ok(), "approved");
    }
    assert!(rails.admit(&host(5, true), NOW).is_err(), "as many again");
    for number in 1..4 {
        rails.gone(Slot::of(&host(number, false).action));
    }
    assert!(rails.admit(&host(6, false), NOW).is_ok());
    let later = NOW + Duration::from_secs(62);
    assert!(rails.admit(&host(7, false), later).is_ok());
}

#[test]
fn a_full_list_refuses_and_forgets_nothing() {
    let mut rails = rails();
    let full = (0..20_000_u32).find_map(|number| {
        let network = IpNet::from(std::net::IpAddr::V4((0x1400_0000 + number).into()));
        rails.protect(network, "test").err()
    });
    let max = PROTECTED_MAX;
    assert!(matches!(full, Some(ActuatorError::TooManyProtected { max: told, .. }) if told == max));
    assert!(rails.admit(&block("192.0.2.1/32"), NOW).is_err());
    assert!(rails.admit(&host(0, true), NOW).is_err());
    assert_eq!(rails.protected().len(), READY_NETWORKS_MAX);
}

fn span(network: IpNet) -> (u128, u128) {
    let number = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(address) => u128::from(u32::from(address)),
        std::net::IpAddr::V6(address) => u128::from(address),
    };
    (number(network.network()), number(network.broadcast()))
}

proptest! {
    #[test]
    fn overlap_agrees_with_arithmetic(
        protected in proptest::collection::vec((any::<u32>(), 8_u8..=32), 0..40),
        address in any::<u32>(), prefix in 0_u8..=32,
    ) {
        let network = |address: u32, prefix| {
            IpNet::new(std::net::IpAddr::V4(address.into()), prefix).unwrap()
        };
        let mut rails = Rails::new(Limits::default(), &[]).unwrap();
        for (address, prefix) in protected {
            rails.protect(network(address, prefix), "test").unwrap();
        }
        let target = network(address, prefix);
        let (first, last) = span(target);
        let expected = rails.protected().into_iter().any(|protected| {
            let (low, high) = span(protected);
            protected.addr().is_ipv4() && first <= high && low <= last
        });
        let touched = rails.touches_protected(&Action::BlockIp { target });
        prop_assert_eq!(touched.is_some(), expected);
    }

    #[test]
    fn any_request_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz_request(&bytes);
    }

    #[test]
    fn any_targets_pass_the_fuzz_target(text in "[0-9a-f:./]{1,24}", seconds in any::<i64>()) {
        let request = format!(
            r#"{{"serial":1,"fence":1,"verb":{{"verb":"change","operations":[{{
                "action_id":"ac-000102030405060708090a0b0c0d0e0f","present_s":{seconds},
                "approved":true,"action":{{"do":"net.block_ip","target":"{text}"}}}}]}}}}"#
        );
        crate::fuzz_request(request.as_bytes());
    }
}
