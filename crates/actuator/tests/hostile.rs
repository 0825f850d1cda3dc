//! A hostile engine at the actuator's socket: whatever it sends, nothing on the never-block list
//! is touched, the caps hold and every message is answered.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[cfg(test)]
mod world;

use std::net::IpAddr;
use std::time::Duration;

use event::actuate::{Answer, MESSAGE_BYTES_MAX, Operation, OperationResult, Reply, Verb};
use event::{Action, ActionId, Address, Rate};
use ipnet::IpNet;
use world::{Actuator, Namespace, Options, absent, approved, block, is_present, present, wire};

/// Requests sent when `VERTICE_HOSTILE_REQUESTS` says nothing else.
const REQUESTS: u64 = 100_000;

/// A small generator of our own: the same requests in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = usize::try_from(self.roll(all.len() as u64)).unwrap();
        all[index]
    }
}

const PROTECTED: [&str; 14] = [
    "10.77.0.1/32",
    "10.77.0.255/32",
    "10.77.0.254/32",
    "198.51.100.53/32",
    "203.0.113.16/28",
    "2001:db8:77::1/128",
    "2001:db8:77::fe/128",
    "127.0.0.0/8",
    "0.0.0.0/8",
    "224.0.0.0/4",
    "169.254.0.0/16",
    "fe80::/10",
    "ff00::/8",
    "::/96",
];

/// Does a network touch a protected one, in any form? Written without the actuator's own code.
fn touches(network: IpNet) -> bool {
    let (first, last) = span(network);
    PROTECTED.iter().any(|text| {
        let protected: IpNet = text.parse().unwrap();
        let (low, high) = span(protected);
        let hidden = |prefix: u128| first <= prefix + high && prefix + low <= last;
        let same = network.addr().is_ipv4() == protected.addr().is_ipv4();
        let v6_of_v4 = network.addr().is_ipv6() && protected.addr().is_ipv4();
        same && hidden(0) || v6_of_v4 && (hidden(0xffff << 32) || hidden(0x0064_ff9b << 96))
    })
}

fn span(network: IpNet) -> (u128, u128) {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    (number(network.network()), number(network.broadcast()))
}

/// An address close to, inside of, or hidden around a protected one.
fn address(dice: &mut Dice) -> IpAddr {
    let near: IpNet = dice.of(&PROTECTED).parse().unwrap();
    let near = match near.addr() {
        IpAddr::V4(address) => {
            let moved = u32::from(address).wrapping_add(u32::try_from(dice.roll(20)).unwrap());
            let moved = moved.wrapping_sub(u32::try_from(dice.roll(20)).unwrap());
            match dice.roll(8) {
                0 => IpAddr::V6(std::net::Ipv6Addr::from((0xffff << 32) | u128::from(moved))),
                1 => IpAddr::V6(std::net::Ipv6Addr::from(
                    (0x0064_ff9b << 96) | u128::from(moved),
                )),
                2 => IpAddr::V6(std::net::Ipv6Addr::from(
                    (0x2002 << 112) | (u128::from(moved) << 80),
                )),
                _ => IpAddr::V4(moved.into()),
            }
        }
        IpAddr::V6(address) => {
            let moved = u128::from(address).wrapping_add(u128::from(dice.roll(20)));
            IpAddr::V6(moved.wrapping_sub(u128::from(dice.roll(20))).into())
        }
    };
    if dice.roll(4) > 0 {
        return near;
    }
    let random = dice.roll(u64::from(u32::MAX));
    IpAddr::V4(u32::try_from(random).unwrap().into())
}

fn action(dice: &mut Dice) -> Action {
    let address = address(dice);
    match dice.roll(4) {
        0 => Action::RateLimit {
            address: Address::from(address),
            rate: Rate {
                packets: u32::try_from(dice.roll(200_000)).unwrap(),
                per_seconds: dice.of(&[0, 1, 60, 61, 3600, u32::MAX]),
            },
        },
        1 => Action::BlockEgress {
            address: Address::from(address),
            port: dice.of(&[None, Some(0), Some(53), Some(65_535)]),
        },
        _ => {
            let whole: u8 = if address.is_ipv4() { 32 } else { 128 };
            let narrower = u8::try_from(dice.roll(u64::from(whole) + 1)).unwrap();
            let prefix = dice.of(&[whole, whole, narrower]);
            Action::BlockIp {
                target: IpNet::new(address, prefix).unwrap(),
            }
        }
    }
}

fn operation(dice: &mut Dice) -> Operation {
    Operation {
        action_id: ActionId::of(&[&dice.roll(50).to_le_bytes()]),
        action: action(dice),
        present_s: dice.of(&[None, Some(0), Some(1), Some(600), Some(u32::MAX)]),
        approved: dice.roll(2) == 0,
    }
}

fn guarded() -> (Namespace, Namespace, tempfile::NamedTempFile, Options) {
    let (own, other) = (Namespace::new(), Namespace::new());
    wire(
        (&own, "eth0", "10.77.0.1/24"),
        (&other, "eth0", "10.77.0.2/24"),
    );
    own.ip("addr add 2001:db8:77::1/64 dev eth0 nodad");
    own.ip("route add default via 10.77.0.254");
    own.ip("route add default via 2001:db8:77::fe");
    let resolv_conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(resolv_conf.path(), "nameserver 198.51.100.53\n").unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(resolv_conf.path(), readable).unwrap();
    let options = Options {
        resolv_conf: resolv_conf.path().to_str().unwrap().to_owned(),
        ..Options::default()
    };
    (own, other, resolv_conf, options)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a longer run is asked for by hand"
)]
fn requests() -> u64 {
    std::env::var("VERTICE_HOSTILE_REQUESTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(REQUESTS)
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn no_generated_request_touches_the_never_block_list() {
    let (own, _other, _resolv_conf, options) = guarded();
    let mut actuator = Actuator::with(&own, &options);
    let networks = vec!["203.0.113.16/28".parse().unwrap()];
    actuator.ask(Verb::Protect { networks });
    let mut dice = Dice(0x5eed);
    let (mut stood, mut railed) = (0_u64, 0_u64);
    for number in 0..requests() {
        let operations: Vec<Operation> = (0..=dice.roll(3)).map(|_| operation(&mut dice)).collect();
        for (operation, result) in operations.iter().zip(actuator.change(operations.clone())) {
            match result {
                OperationResult::Present { .. } => {
                    let network = operation.action.network();
                    let prefix_min = if network.addr().is_ipv4() { 16 } else { 32 };
                    assert!(!touches(network), "{operation:?}");
                    assert!(network.prefix_len() >= prefix_min, "{operation:?}");
                    stood += 1;
                }
                OperationResult::Railed { .. } => railed += 1,
                OperationResult::Absent | OperationResult::Failed { .. } => (),
            }
        }
        if number % 10_000 == 0 {
            for element in actuator.dump() {
                assert!(!touches(element.action.network()), "{element:?}");
            }
        }
    }
    for element in actuator.dump() {
        assert!(!touches(element.action.network()), "{element:?}");
    }
    println!("{} requests: {stood} stood, {railed} railed", requests());
    assert!(stood > 0 && railed > 0, "both ways were taken");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn garbage_is_refused_and_the_next_request_is_answered() {
    let namespace = Namespace::new();
    let mut actuator = Actuator::start(&namespace);
    let deep = "[".repeat(100_000);
    let large = vec![b' '; MESSAGE_BYTES_MAX + 1];

    for garbage in [
        b"x".as_slice(),
        b"{}",
        b"\xff\xfe\0",
        deep.as_bytes(),
        &large,
        br#"{"serial":1,"fence":0,"verb":{"verb":"dump","offset":-1}}"#,
        br#"{"serial":1,"fence":0,"verb":{"verb":"run","command":"reboot"}}"#,
    ] {
        let sent = rustix::net::send(actuator.socket(), garbage, rustix::net::SendFlags::empty());
        assert_eq!(sent.unwrap(), garbage.len());
        let reply: Reply = actuator
            .connection
            .receive(Duration::from_secs(20))
            .unwrap()
            .unwrap();
        assert!(matches!(reply.answer, Answer::Refused { .. }), "{reply:?}");
    }
    let many = vec![absent(block("203.0.113.7")); 257];
    let refused = actuator.ask(Verb::Change { operations: many });
    assert!(matches!(refused, Answer::Refused { .. }), "{refused:?}");
    assert!(is_present(&actuator.one(present(block("203.0.113.7"), 60))));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn an_old_engine_is_refused_and_the_cap_holds_until_a_person_approves() {
    let namespace = Namespace::new();
    let options = Options {
        new_per_minute_max: 3,
        ..Options::default()
    };
    let mut actuator = Actuator::with(&namespace, &options);
    let numbered = |number: u8| present(block(&format!("203.0.113.{number}")), 600);
    let results = actuator.change((1..=4).map(numbered).collect());
    assert!(results[..3].iter().all(is_present));
    assert!(matches!(&results[3], OperationResult::Railed { reason } if reason.contains("cap")));
    assert!(is_present(&actuator.one(approved(numbered(4)))));
    assert!(is_present(&actuator.one(numbered(1))), "extending is free");
    assert!(matches!(
        actuator.ask_as(7, Verb::Hello),
        Answer::Ready { .. }
    ));
    let operations = vec![absent(block("203.0.113.1"))];
    let refused = actuator.ask_as(6, Verb::Change { operations });
    assert!(matches!(&refused, Answer::Refused { reason } if reason.contains("fence")));
    assert_eq!(namespace.ruleset().matches("203.0.113.").count(), 4);
}
