use super::*;
use crate::netlink::wire::{Attributes, Head, Messages};

fn written(part: &Part<'_>) -> Vec<u8> {
    let head = Head {
        kind: part.kind,
        flags: part.flags,
        sequence: 1,
        family: 1,
        resource: 0,
    };
    let mut writer = Writer::default();
    writer.message(head, |writer| (part.body)(writer));
    writer.finish().unwrap()
}

/// The expressions that nft 1.0.6 sends for
/// `ip daddr . tcp dport @egressport4 counter drop`, less the set's number in the transaction.
#[test]
#[cfg(target_endian = "little")]
fn a_rule_is_written_as_nft_writes_it() {
    const EXPRESSIONS: &str = "\
        24000180090001006d6574610000000014000280080002000000001008000100000000012c00018008000100\
        636d7000200002800800010000000001080002000000000\
        00c00038005000100060000002400018009000100\
        6d657461000000001400028008000200000000\
        0f08000100000000012c00018008000100636d7000200002800800010000000001\
        08000200000000000c000380050001000200000034000180\
        0c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800040000000004\
        340001800c0001007061796c6f6164002400028008000100000000090800020000000002080003000000000208000400\
        00000002\
        2c0001800b0001006c6f6f6b757000001c000280080002000000000110000100656772657373706f72743400\
        140001800c000100636f756e7465720004000280\
        300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000000";
    let rules = chains_and_rules();
    let rule = rules
        .iter()
        .filter(|part| part.kind == NEW_RULE)
        .map(written)
        .find(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.contains("output") && text.contains("egressport4")
        })
        .unwrap();
    let message = Messages(&rule).next().unwrap();
    let expressions = message.attributes().find(attribute::RULE_EXPRESSIONS);
    let hex: String = expressions
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, EXPRESSIONS);
}

#[test]
fn every_set_is_looked_up_on_its_hooks_and_every_rule_counts_and_drops() {
    let mut seen = Vec::new();
    let parts: Vec<Vec<u8>> = chains_and_rules().iter().map(written).collect();
    for bytes in &parts {
        let message = Messages(bytes).next().unwrap();
        if message.kind != NEW_RULE {
            continue;
        }
        let rule = message.attributes();
        let mut names = Vec::new();
        let mut set = "";
        for (_, payload) in rule.inside(attribute::RULE_EXPRESSIONS).unwrap() {
            let expression = Attributes(payload);
            let name = expression.text(attribute::EXPRESSION_NAME).unwrap();
            if name == "lookup" {
                let data = expression.inside(attribute::EXPRESSION_DATA).unwrap();
                set = data.text(1).unwrap();
            }
            names.push(name);
        }
        assert!(
            names.ends_with(&["lookup", "counter", "immediate"]),
            "{names:?}"
        );
        seen.push((rule.text(attribute::RULE_CHAIN).unwrap(), set));
    }
    for set in Set::ALL {
        let chains: Vec<&str> = seen
            .iter()
            .filter(|(_, seen)| *seen == set.name())
            .map(|(chain, _)| *chain)
            .collect();
        let expected: &[&str] = match set {
            Set::Egress4 | Set::Egress6 => &["forward", "output"],
            Set::EgressPort4 | Set::EgressPort6 => &["forward", "forward", "output", "output"],
            _ => &["input", "forward"],
        };
        assert_eq!(chains, expected, "{}", set.name());
    }
}

#[test]
fn the_table_has_all_sets_with_timeouts() {
    let parts = table_and_sets();
    let mut names = Vec::new();
    for bytes in parts.iter().skip(1).map(written) {
        let set = Messages(&bytes).next().unwrap().attributes();
        names.push(set.text(attribute::SET_NAME).unwrap().to_owned());
        let flags = set.number(attribute::SET_FLAGS).unwrap();
        assert_eq!(flags & SET_TIMEOUT, SET_TIMEOUT);
    }
    assert_eq!(names, Set::ALL.map(Set::name));
}
