//! Every rail, from both sides of its border.

use proptest::prelude::*;

use super::*;

fn block(target: &str) -> Action {
    let target = target
        .parse()
        .unwrap_or_else(|_| IpNet::from(target.parse::<IpAddr>().unwrap()));
    Action::BlockIp { target }
}

fn limit(address: &str) -> Action {
    Action::RateLimit {
        address: address.parse().unwrap(),
        rate: "5/min".parse().unwrap(),
    }
}

fn rails() -> Rails {
    let protected = [
        "203.0.113.1/32",
        "198.51.100.0/24",
        "::ffff:192.0.2.53/128",
        "2001:db8::53/128",
    ];
    Rails {
        never_block: protected
            .iter()
            .map(|net| (net.parse().unwrap(), "default gateway".into()))
            .collect(),
        internal: vec!["203.0.113.64/26".parse().unwrap()],
        critical: vec!["10.0.0.53/32".parse().unwrap()],
    }
}

fn rail_of(action: &Action, approved: bool) -> &'static str {
    rails()
        .check(action, approved)
        .map_or_else(|hit| hit.rail, |()| "none")
}

#[test]
fn hard_rails_hold_with_and_without_approval() {
    for (target, rail) in [
        ("0.0.0.0/0", "too_wide"),
        ("::/0", "too_wide"),
        ("8.0.0.0/15", "too_wide"),
        ("2a00::/31", "too_wide"),
        ("0.0.0.0", "special"),
        ("0.1.2.3", "special"),
        ("127.0.0.1", "special"),
        ("127.8.0.0/16", "special"),
        ("169.254.169.254", "special"),
        ("224.0.0.251", "special"),
        ("255.255.255.255", "special"),
        ("::", "special"),
        ("::1", "special"),
        ("::ffff:127.0.0.1", "special"),
        ("fe80::1", "special"),
        ("ff02::1", "special"),
        ("203.0.113.1", "never_block"),
        ("::ffff:203.0.113.1", "never_block"),
        ("203.0.113.0/30", "never_block"), // holds a protected address
        ("198.51.100.7", "never_block"),   // held by a protected range
        ("192.0.2.53", "never_block"),     // listed in its v4-mapped form
        ("2001:db8::53", "never_block"),
        ("2001:db8::/64", "never_block"),
        ("2002:cb00:7101::1", "embedded"), // 6to4 of 203.0.113.1
        ("2002:cb00:7101::/48", "embedded"),
        ("2002:cb00::/32", "embedded"),       // 6to4 of 203.0.0.0/16
        ("64:ff9b::203.0.113.1", "embedded"), // NAT64
        ("64:ff9b:1::203.0.113.1", "embedded"),
        ("64:ff9b::/96", "embedded"),
        ("::203.0.113.1", "embedded"),       // v4-compatible
        ("2001:0:cb00:7101::1", "embedded"), // Teredo server
        ("2002:7f00:1::1", "embedded"),      // 6to4 of 127.0.0.1
    ] {
        assert_eq!(rail_of(&block(target), false), rail, "{target}");
        assert_eq!(rail_of(&block(target), true), rail, "{target} approved");
    }
}

#[test]
fn soft_rails_give_way_to_an_approval() {
    for (target, rail) in [
        ("192.0.2.0/24", "never_block"), // holds the resolver: stays hard
        ("8.8.0.0/16", "wide"),
        ("8.8.8.0/31", "wide"),
        ("2a00::/32", "wide"),
        ("10.1.2.3", "internal"),
        ("fd00::5", "internal"),
        ("100.64.0.9", "internal"),
        ("203.0.113.65", "internal"), // by configuration
    ] {
        let action = block(target);
        assert_eq!(rail_of(&action, false), rail, "{target}");
        let approved = if rail == "never_block" { rail } else { "none" };
        assert_eq!(rail_of(&action, true), approved, "{target} approved");
    }
}

#[test]
fn an_external_address_and_a_limit_on_an_internal_one_pass() {
    for action in [
        block("203.0.113.7"),
        block("2a00::1"),
        limit("10.1.2.3"),
        block("2002:808:808::1"),
    ] {
        assert_eq!(rail_of(&action, false), "none", "{action:?}");
    }
    assert_eq!(rail_of(&limit("203.0.113.1"), true), "never_block");
}

#[test]
fn a_hit_says_what_overlaps_what_and_why() {
    let hit = rails().check(&block("198.51.100.7"), true).unwrap_err();
    let text = "rail never_block: 198.51.100.7/32 overlaps 198.51.100.0/24, \
                which is never blocked: default gateway";
    assert_eq!(hit.to_string(), text);
}

#[test]
fn criticality_and_inside_are_asked_by_address() {
    let rails = rails();
    assert!(rails.is_critical("10.0.0.53".parse().unwrap()));
    assert!(!rails.is_critical("10.0.0.54".parse().unwrap()));
    assert!(rails.is_internal("::ffff:203.0.113.100".parse().unwrap()));
    assert!(!rails.is_internal("203.0.113.1".parse().unwrap()));
}

proptest! {
    /// Whatever is asked, an accepted target never shares an address with a protected one, in
    /// any of its forms.
    #[test]
    fn nothing_protected_is_ever_accepted(bits: u128, prefix in 0_u8..=128, v4: bool, approved: bool) {
        let target = if v4 {
            let ip = Ipv4Addr::from((bits & 0xffff_ffff) as u32);
            IpNet::new(IpAddr::V4(ip), prefix.min(32)).unwrap()
        } else {
            IpNet::new(IpAddr::V6(Ipv6Addr::from(bits)), prefix).unwrap()
        };
        if rails().check(&Action::BlockIp { target }, approved).is_ok() {
            for protected in ["127.0.0.1/32", "203.0.113.1/32", "192.0.2.53/32", "2002:cb00:7101::/48", "::1/128"] {
                let protected: IpNet = protected.parse().unwrap();
                prop_assert!(!target.contains(&protected) && !protected.contains(&target));
            }
        }
    }

    /// A protected IPv4 address is refused in every form that carries it.
    #[test]
    fn every_form_of_a_protected_address_is_refused(host: u8, low: u64) {
        let v4 = Ipv4Addr::new(198, 51, 100, host);
        let bits = u128::from(u32::from(v4));
        let mapped = Ipv6Addr::from(0xffff_0000_0000 | bits);
        let six = Ipv6Addr::from((0x2002_u128 << 112) | (bits << 80) | u128::from(low));
        let nat = Ipv6Addr::from((0x64_ff9b_u128 << 96) | bits);
        for ip in [IpAddr::V4(v4), mapped.into(), six.into(), nat.into()] {
            prop_assert!(rails().check(&Action::BlockIp { target: ip.into() }, true).is_err(), "{ip}");
        }
    }
}
