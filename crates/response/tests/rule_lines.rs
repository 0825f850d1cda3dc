//! The rule lines that plans show are lines that the packet filter takes: every set, both
//! families. Loaded into a network namespace of its own, which ends with the process.

use std::io::Write;
use std::process::{Command, Stdio};

use event::{Action, ActionId, Ttl};
use vertice_response::actions;

const TABLE: &str = "\
table inet vertice {
  set block4 { type ipv4_addr; flags timeout; }
  set block6 { type ipv6_addr; flags timeout; }
  set blocknet4 { type ipv4_addr; flags interval,timeout; }
  set blocknet6 { type ipv6_addr; flags interval,timeout; }
  set egress4 { type ipv4_addr; flags timeout; }
  set egress6 { type ipv6_addr; flags timeout; }
  set egressport4 { type ipv4_addr . inet_service; flags timeout; }
  set egressport6 { type ipv6_addr . inet_service; flags timeout; }
  set limit4 { type ipv4_addr; flags timeout; limit rate over 1/second; }
  set limit6 { type ipv6_addr; flags timeout; limit rate over 1/second; }
}
";

const LOAD_AND_LIST: &str = "nft -f - && nft list table inet vertice";

fn actions() -> Result<Vec<Action>, Box<dyn std::error::Error>> {
    let mut actions = Vec::new();
    for (host, range) in [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8::9", "2001:db8::/64"),
    ] {
        let address: event::Address = host.parse()?;
        for rate in ["10/s", "5/min", "100/h"] {
            let rate = rate.parse()?;
            actions.push(Action::RateLimit { address, rate });
        }
        for target in [address.ip().into(), range.parse()?] {
            actions.push(Action::BlockIp { target });
        }
        for port in [None, Some(443)] {
            actions.push(Action::BlockEgress { address, port });
        }
    }
    Ok(actions)
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
#[expect(
    clippy::disallowed_methods,
    reason = "the packet filter's own reader is the judge"
)]
fn every_rule_line_is_taken_by_the_packet_filter() {
    for (index, action) in actions().unwrap().iter().enumerate() {
        let ttl = Ttl::new(93_784 + index as u64).unwrap();
        let id = ActionId::of(&[&index.to_le_bytes()]);
        let lines = actions::diff(action, ttl, id).added.join("\n");
        let text = format!("{TABLE}{lines}\n");
        let mut filter = Command::new("unshare")
            .args(["--net", "sh", "-c", LOAD_AND_LIST])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare and nft are installed");
        let mut input = filter.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let output = filter.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{lines}: {complaint}");
        assert!(shown.contains(&id.to_string()), "{lines}: {shown}");
    }
}
