//! The actuator against a real kernel's packet filter, in network namespaces of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[cfg(test)]
mod world;

use std::time::Duration;

use event::actuate::{Answer, OperationResult, Verb};
use event::{Action, Address};
use world::{
    Actuator, Namespace, Options, absent, approved, block, command, id_of, is_present, present,
    process,
};

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_block_stands_is_read_back_and_goes() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    actuator.generation();
    let before = namespace.ruleset();
    for target in ["203.0.113.7", "2001:db8::7"] {
        let result = actuator.one(present(block(target), 60));
        let OperationResult::Present { expires_s, shown } = result else {
            panic!("{result:?}");
        };
        assert!((59..=60).contains(&expires_s));
        assert!(shown.contains(target), "{shown}");
        let id = id_of(&block(target)).to_string();
        assert!(namespace.ruleset().contains(&id));
        assert_eq!(actuator.one(absent(block(target))), OperationResult::Absent);
        assert_eq!(actuator.one(absent(block(target))), OperationResult::Absent);
    }
    assert_eq!(namespace.ruleset(), before);
}

/// One action of every kind and family.
fn all_kinds() -> Vec<Action> {
    let mut all = vec![block("203.0.113.0/24"), block("2001:db8:7::/48")];
    for address in ["203.0.114.7", "2001:db8::7"] {
        let address: Address = address.parse().unwrap();
        let rate = "5/min".parse().unwrap();
        all.push(block(&address.to_string()));
        all.push(Action::RateLimit { address, rate });
        for port in [None, Some(443)] {
            all.push(Action::BlockEgress { address, port });
        }
    }
    all
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn undo_leaves_the_ruleset_as_it_was_for_every_kind() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    actuator.generation();
    let before = namespace.ruleset();
    let make: Vec<_> = all_kinds()
        .into_iter()
        .map(|action| approved(present(action, 600)))
        .collect();
    for result in actuator.change(make.clone()) {
        assert!(is_present(&result), "{result:?}");
    }
    let listed = namespace.ruleset();
    for operation in &make {
        assert!(
            listed.contains(&operation.action_id.to_string()),
            "{listed}"
        );
    }
    let mut dumped: Vec<Action> = actuator.dump().into_iter().map(|one| one.action).collect();
    let mut wanted = all_kinds();
    dumped.sort();
    wanted.sort();
    assert_eq!(dumped, wanted);
    let results = actuator.change(all_kinds().into_iter().map(absent).collect());
    assert!(results.iter().all(|one| *one == OperationResult::Absent));
    assert_eq!(namespace.ruleset(), before);
    assert!(actuator.dump().is_empty());
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn the_ruleset_reads_as_documented() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    actuator.generation();
    let listed = namespace.ruleset();
    for line in [
        "set block4 {",
        "type ipv4_addr . inet_service",
        "flags interval,timeout",
        "limit rate over 1/second",
        "type filter hook input priority filter - 10; policy accept;",
        "ip saddr @block4 counter packets 0 bytes 0 drop",
        "ip6 saddr @blocknet6 counter packets 0 bytes 0 drop",
        "ip6 saddr @limit6 counter packets 0 bytes 0 drop",
        "ip6 daddr @egress6 counter packets 0 bytes 0 drop",
        "ip daddr . tcp dport @egressport4 counter packets 0 bytes 0 drop",
        "ip6 daddr . udp dport @egressport6 counter packets 0 bytes 0 drop",
    ] {
        // `-s` leaves the counters' values out.
        let line = line.replace(" packets 0 bytes 0", "");
        assert!(listed.contains(&line), "{line} is not in\n{listed}");
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_new_time_to_live_replaces_the_old_one_both_ways() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    for action in all_kinds() {
        for seconds in [60, 6000, 30] {
            let result = actuator.one(approved(present(action.clone(), seconds)));
            let OperationResult::Present { expires_s, .. } = result else {
                panic!("{action:?}: {result:?}");
            };
            assert!(
                expires_s <= seconds && expires_s + 2 >= seconds,
                "{expires_s}"
            );
        }
    }
    assert_eq!(actuator.dump().len(), all_kinds().len());
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_flush_by_somebody_else_is_noticed_and_repaired() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let first = actuator.generation();
    let whole = namespace.ruleset();
    assert!(is_present(
        &actuator.one(present(block("203.0.113.7"), 600))
    ));
    assert_eq!(actuator.generation(), first);
    namespace.nft("flush ruleset");
    assert!(is_present(
        &actuator.one(present(block("203.0.113.8"), 600))
    ));
    assert_eq!(actuator.generation(), first + 1);
    namespace.nft("flush ruleset");
    assert!(actuator.dump().is_empty());
    assert_eq!(namespace.ruleset(), whole);
    assert_eq!(actuator.generation(), first + 2);
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn rules_that_others_change_are_made_anew_and_elements_stay() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let mut generation = actuator.generation();
    assert!(is_present(
        &actuator.one(present(block("203.0.113.7"), 600))
    ));
    let whole = namespace.ruleset();
    for meddling in [
        "flush chain inet vertice input",
        "add rule inet vertice forward accept",
        "insert rule inet vertice input ip saddr 203.0.113.7 accept",
        "add chain inet vertice input { policy drop; }",
    ] {
        namespace.nft(meddling);
        generation += 1;
        assert_eq!(actuator.generation(), generation, "{meddling}");
        assert_eq!(actuator.dump().len(), 1, "{meddling}");
        let now = namespace.ruleset();
        assert_eq!(without_expiry(&now), without_expiry(&whole), "{meddling}");
    }
    namespace.nft("add table inet other");
    assert_eq!(actuator.generation(), generation);
    namespace.nft("delete element inet vertice block4 { 203.0.113.7 }");
    assert!(actuator.dump().is_empty());
}

fn without_expiry(listed: &str) -> Vec<&str> {
    listed
        .lines()
        .map(|line| line.split(" expires ").next().unwrap_or_default())
        .collect()
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn effects_outlive_the_actuator_and_are_known_to_the_next_one() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let first = actuator.generation();
    for action in all_kinds() {
        assert!(is_present(&actuator.one(approved(present(action, 600)))));
    }
    let before = actuator.dump();
    drop(actuator);
    let mut next = Actuator::start(&namespace);
    assert_ne!(next.generation(), first);
    let after = next.dump();
    assert_eq!(after.len(), before.len());
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.action_id, &old.action), (new.action_id, &new.action));
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn overlapping_requests_stand_apart_and_overlapping_ranges_are_refused() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let range = |text| approved(present(block(text), 600));
    assert!(is_present(&actuator.one(range("203.0.113.0/24"))));
    assert!(
        is_present(&actuator.one(range("203.0.112.0/24"))),
        "beside it"
    );
    assert!(is_present(
        &actuator.one(present(block("203.0.113.7"), 600))
    ));
    for overlapping in ["203.0.113.0/25", "203.0.112.0/20", "203.0.112.0/23"] {
        let result = actuator.one(range(overlapping));
        let OperationResult::Failed { reason } = result else {
            panic!("{overlapping}: {result:?}");
        };
        assert!(reason.contains("overlaps the range 203.0.11"), "{reason}");
    }
    let results = actuator.change(vec![range("198.51.100.0/24"), range("198.51.100.0/25")]);
    assert!(is_present(&results[0]), "{results:?}");
    assert!(matches!(results[1], OperationResult::Failed { .. }));
    assert_eq!(
        actuator.one(absent(block("203.0.113.0/24"))),
        OperationResult::Absent
    );
    let left: Vec<Action> = actuator.dump().into_iter().map(|one| one.action).collect();
    assert!(left.contains(&block("203.0.113.7")), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn one_slot_twice_in_a_request_is_changed_in_order() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let results = actuator.change(vec![
        present(block("203.0.113.7"), 60),
        present(block("203.0.113.8"), 60),
        absent(block("203.0.113.7")),
        present(block("203.0.113.7"), 600),
    ]);
    assert!(is_present(&results[0]) && is_present(&results[1]));
    assert_eq!(results[2], OperationResult::Absent);
    let OperationResult::Present { expires_s, .. } = results[3] else {
        panic!("{results:?}");
    };
    assert!(expires_s > 60);
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn only_the_network_capability_is_left() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    actuator.generation();
    let path = format!("/proc/{}/status", actuator.process.id());
    let status = std::fs::read_to_string(path).unwrap();
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000001000",
        "CapEff:\t0000000000001000",
        "CapBnd:\t0000000000001000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
    ] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let process = rustix::process::Pid::from_child(&actuator.process);
    assert_eq!(rustix::process::getpgid(Some(process)), Ok(process));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_gone_engine_ends_the_actuator_with_success() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    assert!(is_present(
        &actuator.one(present(block("203.0.113.7"), 600))
    ));
    assert!(actuator.hang_up().success());
    assert!(namespace.ruleset().contains("203.0.113.7"));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_process_that_may_not_says_so() {
    let (_ours, theirs) = vertice_actuator::Connection::pair().unwrap();
    let mut unprivileged = command("setpriv");
    unprivileged.args(["--bounding-set=-all", "--inh-caps=-all"]);
    unprivileged.arg(env!("CARGO_BIN_EXE_actuator-under-test"));
    let output = process(unprivileged, &Options::default(), theirs)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("CAP_NET_ADMIN is needed"), "{error}");
    assert_eq!(output.status.code(), Some(5));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn own_addresses_gateways_and_resolvers_are_found_inside_the_namespace() {
    let namespace = Namespace::new();
    let other = Namespace::new();
    world::wire(
        (&namespace, "eth0", "192.0.2.1/24"),
        (&other, "eth0", "192.0.2.2/24"),
    );
    namespace.ip("addr add 2001:db8:1::1/64 dev eth0 nodad");
    namespace.ip("route add default via 192.0.2.254");
    namespace.ip("route add default via 2001:db8:1::fe");
    let resolv_conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(resolv_conf.path(), "nameserver 198.51.100.53\n").unwrap();
    std::fs::set_permissions(
        resolv_conf.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let options = Options {
        resolv_conf: resolv_conf.path().to_str().unwrap().to_owned(),
        ..Options::default()
    };
    let mut actuator = Actuator::with(&namespace, &options);
    for target in [
        "192.0.2.1",
        "192.0.2.255",
        "192.0.2.254",
        "2001:db8:1::1",
        "2001:db8:1::fe",
        "198.51.100.53",
        "64:ff9b::192.0.2.1",
        "192.0.2.0/24",
        "2001:db8:1::/64",
    ] {
        let result = actuator.one(approved(present(block(target), 60)));
        assert!(
            matches!(result, OperationResult::Railed { .. }),
            "{target}: {result:?}"
        );
    }
    assert!(is_present(&actuator.one(present(block("192.0.2.2"), 60))));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn protecting_a_network_frees_it_at_once() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    for action in all_kinds() {
        assert!(is_present(&actuator.one(approved(present(action, 600)))));
    }
    let networks = vec![
        "203.0.113.9/32".parse().unwrap(),
        "2001:db8::/64".parse().unwrap(),
    ];
    let Answer::Protected { removed } = actuator.ask(Verb::Protect { networks }) else {
        panic!("not protected");
    };
    assert!(removed.contains(&id_of(&block("203.0.113.0/24"))));
    assert!(removed.contains(&id_of(&block("2001:db8::7"))));
    assert_eq!(removed.len(), 5);
    let left: Vec<Action> = actuator.dump().into_iter().map(|one| one.action).collect();
    assert!(
        left.contains(&block("203.0.114.7")) && left.len() == 5,
        "{left:?}"
    );
    let result = actuator.one(present(block("203.0.113.9"), 60));
    assert!(matches!(result, OperationResult::Railed { .. }));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn ten_thousand_and_a_hundred_thousand_blocks_stand_and_are_told_page_by_page() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let mut made = 0_u32;
    for count in [1_000, 10_000, 100_000] {
        let took = timed(|| {
            while made < count {
                let end = count.min(made + 256);
                let operations = (made..end).map(|one| present(numbered(one), 3600));
                let results = actuator.change(operations.collect());
                assert!(results.iter().all(is_present), "{:?}", results[0]);
                made = end;
            }
        });
        let mut standing = 0;
        let told = timed(|| standing = actuator.dump().len());
        assert_eq!(standing, usize::try_from(count).unwrap());
        let mut ones: Vec<Duration> = (0..500)
            .map(|one| timed(|| assert!(is_present(&actuator.one(present(numbered(one), 3600))))))
            .collect();
        ones.sort_unstable();
        let (half, most) = (ones[250], ones[495]);
        println!("{count} stand after {took:?} more; dump {told:?}; one p50 {half:?} p99 {most:?}");
    }
    let path = format!("/proc/{}/status", actuator.process.id());
    let status = std::fs::read_to_string(path).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS"));
    println!("resident: {resident:?}");
}

/// One of 2^24 addresses outside every protected network.
fn numbered(number: u32) -> Action {
    block(&std::net::Ipv4Addr::from(0x1400_0000 + number).to_string())
}

#[expect(
    clippy::disallowed_methods,
    reason = "figures for people, never asserted"
)]
fn timed(body: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    body();
    start.elapsed()
}
