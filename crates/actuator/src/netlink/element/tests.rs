use proptest::prelude::*;

use super::*;
use crate::netlink::wire::{Head, Messages};

const ID: ActionId = ActionId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

fn block(target: &str) -> Action {
    let target = target.parse().unwrap();
    Action::BlockIp { target }
}

fn put(action: &Action, seconds: u32) -> Put {
    let rate = match action {
        Action::RateLimit { rate, .. } => Some(*rate),
        _ => None,
    };
    Put {
        seconds,
        action_id: ID,
        rate,
    }
}

fn limit(address: &str) -> Action {
    Action::RateLimit {
        address: address.parse().unwrap(),
        rate: "5/min".parse().unwrap(),
    }
}

fn egress(address: &str, port: Option<u16>) -> Action {
    let address = address.parse().unwrap();
    Action::BlockEgress { address, port }
}

fn written(action: &Action) -> Vec<u8> {
    let mut writer = Writer::default();
    Slot::of(action).write_put(&put(action, 60), &mut writer);
    writer.finish().unwrap()
}

/// What nft 1.0.6 sends for the same elements (it numbers the items of a list from 1, and begins
/// an empty interval set with an end at the first address, which the kernel does not need).
#[test]
#[cfg(target_endian = "little")]
fn elements_are_written_as_nft_writes_them() {
    const COMMENT: &str = "2a000600002461632d303030313032303330343035303630373038303930613062\
                           3063306430653066000000";
    const TIMEOUT: &str = "0c000400000000000000ea60";
    const LIMIT: &str = "440007800a0001006c696d6974000000340002800c00010000000000000000050c00\
                         0200000000000000003c080003000000000508000400000000000800050000000001";
    let cases = [
        (
            block("203.0.113.7/32"),
            format!("48000180{TIMEOUT}0c00018008000100cb007107{COMMENT}"),
        ),
        (
            egress("2001:db8::7", Some(443)),
            format!(
                "58000180{TIMEOUT}1c0001801800010020010db800000000000000000000000701bb0000{COMMENT}"
            ),
        ),
        (
            limit("203.0.113.7"),
            format!("8c000180{TIMEOUT}0c00018008000100cb007107{COMMENT}{LIMIT}"),
        ),
        (
            block("2001:db8:7::/48"),
            format!(
                "54000180{TIMEOUT}180001801400010020010db8000700000000000000000000{COMMENT}\
                 240001800800030000000001180001801400010020010db8000800000000000000000000"
            ),
        ),
    ];
    for (action, expected) in cases {
        let bytes = written(&action);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "{action:?}");
    }
}

/// The message in which the kernel shows a list of items.
fn shown(set: Set, items: impl Fn(&mut Writer)) -> Vec<u8> {
    let head = Head {
        kind: crate::netlink::numbers::NEW_ELEMENT,
        flags: 0,
        sequence: 1,
        family: 1,
        resource: 0,
    };
    let mut writer = Writer::default();
    writer.message(head, |writer| {
        Slot::write_list(set, writer, |writer| items(writer));
    });
    writer.finish().unwrap()
}

fn read_back(set: Set, bytes: &[u8]) -> Vec<Standing> {
    let mut raws = Vec::new();
    for message in Messages(bytes) {
        read_message(&message, |_, raw| raws.push(raw));
    }
    if set.is_range() {
        return join_ranges(set, raws);
    }
    raws.iter().map(|raw| raw.standing(set)).collect()
}

fn round_trip(action: &Action, seconds: u32) {
    let slot = Slot::of(action);
    let bytes = shown(slot.set(), |writer| {
        slot.write_put(&put(action, seconds), writer);
    });
    let standing = read_back(slot.set(), &bytes);
    assert_eq!(standing.len(), 1, "{action:?}");
    assert_eq!(standing[0].slot, slot);
    assert_eq!(standing[0].action(), *action);
    assert_eq!(standing[0].action_id, Some(ID));
    assert_eq!(standing[0].expires_s(), seconds);
}

#[test]
fn every_kind_is_read_back_as_it_was_written() {
    for action in [
        block("203.0.113.7/32"),
        block("2001:db8::7/128"),
        block("203.0.113.0/24"),
        block("2001:db8::/32"),
        limit("203.0.113.7"),
        limit("2001:db8::7"),
        egress("203.0.113.7", None),
        egress("2001:db8::7", None),
        egress("203.0.113.7", Some(443)),
        egress("2001:db8::7", Some(443)),
    ] {
        round_trip(&action, 60);
    }
}

#[test]
fn ranges_beside_each_other_and_at_the_end_of_all_addresses_are_told_apart() {
    let actions = ["203.0.112.0/24", "203.0.113.0/24", "255.255.0.0/16"].map(block);
    let bytes = shown(Set::BlockNet4, |writer| {
        for action in &actions {
            Slot::of(action).write_put(&put(action, 60), writer);
        }
    });
    let networks: Vec<Action> = read_back(Set::BlockNet4, &bytes)
        .iter()
        .map(Standing::action)
        .collect();
    assert_eq!(networks, actions);
}

#[test]
fn a_range_of_another_program_is_never_shown_smaller_than_it_is() {
    let raw = |address: [u8; 4], end| Raw {
        address: IpAddr::from(address),
        port: 0,
        end,
        rate: None,
        action_id: None,
        timeout_ms: 0,
        expires_ms: 0,
    };
    let raws = vec![raw([203, 0, 113, 9], true), raw([203, 0, 113, 3], false)];
    let standing = join_ranges(Set::BlockNet4, raws);
    assert_eq!(standing[0].slot.network().to_string(), "203.0.113.0/28");
    assert_eq!(standing[0].expires_s(), u32::MAX);
}

#[test]
fn a_comment_that_is_not_ours_gives_no_action() {
    for userdata in [
        &b"\0\x06admin\0"[..],
        b"\0\xffac-",
        b"\x07",
        b"\x09\x01x\0\x02\xff\0",
        b"",
    ] {
        let id: Option<ActionId> = comment_of(userdata).and_then(|text| text.parse().ok());
        assert_eq!(id, None, "{userdata:?}");
    }
    let ours = comment_userdata(ID);
    let mut behind_another = vec![7, 1, 0];
    behind_another.extend_from_slice(&ours);
    assert_eq!(comment_of(&behind_another), Some(ID.to_string().as_str()));
}

#[test]
fn an_element_is_shown_in_the_words_of_nft() {
    let standing = Standing {
        slot: Slot::of(&limit("203.0.113.7")),
        rate: "5/min".parse().ok(),
        action_id: Some(ID),
        timeout_ms: 60_000,
        expires_ms: 59_001,
    };
    assert_eq!(
        standing.shown(),
        "inet vertice limit4 203.0.113.7 limit rate over 5/minute burst 5 packets timeout 60s \
         expires 60s comment \"ac-000102030405060708090a0b0c0d0e0f\""
    );
    let port = Slot::of(&egress("2001:db8::7", Some(443)));
    assert_eq!(port.key_text(), "2001:db8::7 . 443");
}

proptest! {
    #[test]
    fn any_address_and_range_is_read_back(
        address in any::<u32>(), prefix in 1_u8..=32, seconds in 1_u32..2_592_000,
    ) {
        let network = IpNet::new(IpAddr::V4(address.into()), prefix).unwrap().trunc();
        round_trip(&Action::BlockIp { target: network }, seconds);
    }

    #[test]
    fn any_payload_of_an_element_message_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..256), set in 0_usize..10,
    ) {
        let set = Set::ALL[set];
        let message = shown(set, |writer| writer.bytes(1, &bytes));
        crate::fuzz_message(&message);
    }
}
