//! Real effects in network namespaces of their own: packets that are dropped and pass again,
//! decisions of persons, crashes at any moment, rules that somebody else removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use event::decision::Approval;
use event::{ActionId, Outcome, Receipt};
use rustix::process::{Pid, Signal, kill_process};
use store::{ReceiptQuery, Store};

use crate::arena::{Arena, GATEWAY, VICTIM};
use crate::crash::{Dice, number};
use crate::home::{BINARY, Home, Running, children, pause, until};
use crate::lines;

/// Somebody who must never notice anything.
const COLLEAGUE: &str = "192.0.2.20";
/// Seeds when `VERTICE_SEEDS` says nothing else.
const SEEDS: u32 = 20;

fn home(arena: &Arena, mode: &str, more: &str) -> Home {
    let home = Home::new();
    home.follow("auth.log", &format!("{}{more}", arena.enforce(mode)));
    home
}

fn all_receipts(home: &Home, standing_only: bool) -> Vec<Receipt> {
    let query = ReceiptQuery {
        standing_only,
        limit: 1000,
        ..ReceiptQuery::default()
    };
    home.store().receipts(&query).unwrap()
}

/// The newest receipts of effects that stand.
fn standing(home: &Home) -> Vec<Receipt> {
    all_receipts(home, true)
}

/// What the receipts say is enforced, as the arena names elements.
fn claimed(home: &Home) -> BTreeSet<String> {
    let key = |receipt: Receipt| {
        let set = match receipt.action.kind().word() {
            "net.block_ip" => "block4",
            "net.rate_limit" => "limit4",
            other => panic!("{other} is not expected here"),
        };
        format!("{set} {}", receipt.action.target())
    };
    standing(home).into_iter().map(key).collect()
}

/// Waits until this address is blocked in the kernel and read back.
fn blocked(arena: &Arena, home: &Home, address: &str) -> Receipt {
    until(&format!("a verified block of {address}"), || {
        let found = standing(home).into_iter().find(|receipt| {
            receipt.action.kind().word() == "net.block_ip"
                && receipt.action.target() == address
                && receipt.outcome == Outcome::Verified
        });
        found.filter(|_| arena.blocked().contains(address))
    })
}

/// Waits until receipts and kernel say the same, element for element.
fn agree(arena: &Arena, home: &Home) {
    let mut last = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..1500 {
        let kernel: BTreeSet<String> = arena.elements().into_keys().collect();
        last = (kernel, claimed(home));
        let all_verified = standing(home)
            .iter()
            .all(|receipt| receipt.outcome == Outcome::Verified);
        if last.0 == last.1 && all_verified {
            return;
        }
        pause(Duration::from_millis(20));
    }
    panic!("kernel {:?}, receipts {:?}", last.0, last.1);
}

/// No action of one run and step stands twice, and every element belongs to one that stands.
fn assert_no_double_effect(arena: &Arena, home: &Home) {
    let standing = standing(home);
    let steps: BTreeSet<String> = standing
        .iter()
        .map(|receipt| {
            format!(
                "{} {} {}",
                receipt.plan,
                receipt.step,
                receipt.action.target()
            )
        })
        .collect();
    assert_eq!(steps.len(), standing.len(), "{standing:?}");
    let actions: BTreeSet<String> = standing
        .iter()
        .map(|receipt| receipt.action_id.to_string())
        .collect();
    for (element, comment) in arena.elements() {
        assert!(
            actions.contains(&comment),
            "{element} is nobody's: {comment}"
        );
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn an_attacker_is_cut_off_and_let_in_again() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let node = home.start(&[]);
    let before = arena.ruleset();
    assert!(arena.reaches("203.0.113.7") && arena.reaches(COLLEAGUE));
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    home.append("auth.log", lines::guessing(COLLEAGUE, 2));
    let receipt = blocked(&arena, &home, "203.0.113.7");
    agree(&arena, &home);
    assert!(!arena.reaches("203.0.113.7"), "{}", arena.ruleset());
    assert!(arena.reaches(COLLEAGUE));
    assert!(receipt.expires.is_some() && receipt.undo.contains("vertice undo"));
    let walk = home
        .vertice(&["explain", &receipt.id.to_string()])
        .expect(0);
    assert!(
        walk.out
            .contains("Failed password for root from 203.0.113.7"),
        "{walk:?}"
    );
    for receipt in standing(&home) {
        home.vertice(&["undo", &receipt.id.to_string()]).expect(0);
    }
    until("the rules as before", || {
        (arena.ruleset() == before).then_some(())
    });
    assert!(arena.reaches("203.0.113.7"));
    assert!(standing(&home).is_empty());
    let outcomes: Vec<Outcome> = all_receipts(&home, false)
        .iter()
        .map(|receipt| receipt.outcome)
        .collect();
    assert!(outcomes.contains(&Outcome::Undone) && !outcomes.contains(&Outcome::Simulated));
    home.vertice(&["audit", "verify"]).expect(0);
    node.stop();
    assert_eq!(arena.ruleset(), before);
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn effects_outlive_a_stop_and_are_taken_up_again() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    agree(&arena, &home);
    let (stood, receipts) = (arena.elements(), all_receipts(&home, false).len());
    node.stop();
    assert_eq!(arena.elements(), stood, "a stop takes nothing back");
    assert!(!arena.reaches("203.0.113.7"));
    let node = home.start(&[]);
    agree(&arena, &home);
    assert_eq!(arena.elements(), stood);
    assert_eq!(
        all_receipts(&home, false).len(),
        receipts,
        "a start is no new effect"
    );
    home.vertice(&["undo", "--all"]).expect(0);
    until("nothing enforced", || {
        arena.elements().is_empty().then_some(())
    });
    node.stop();
}

fn waiting(home: &Home) -> Vec<Approval> {
    home.store().approvals(true, 100).unwrap()
}

/// Waits for the wait of a block of this address.
fn asked(home: &Home, address: &str) -> ActionId {
    until(&format!("a question about {address}"), || {
        let waits = waiting(home).into_iter();
        let mut about = waits.filter(|wait| {
            wait.step.action.target() == address && wait.step.action.kind().word() == "net.block_ip"
        });
        about.next().map(|wait| wait.id)
    })
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_person_says_yes_or_no() {
    let arena = Arena::new();
    let home = home(&arena, "ask", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    home.append(
        "auth.log",
        lines::guessing("203.0.113.8", 40).replace("web01", "web02"),
    );
    let (yes, no) = (asked(&home, "203.0.113.7"), asked(&home, "203.0.113.8"));
    assert!(
        arena.elements().is_empty(),
        "nothing happens before somebody says yes"
    );
    let shown = home.vertice(&["approvals"]).expect(0).out;
    for word in [
        yes.to_string().as_str(),
        no.to_string().as_str(),
        "203.0.113.7",
        "nothing is done",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    home.vertice(&["approve", &yes.to_string(), "--reason", "seen it"])
        .expect(0);
    home.vertice(&["deny", &no.to_string(), "--reason", "our scanner"])
        .expect(0);
    blocked(&arena, &home, "203.0.113.7");
    assert!(!arena.reaches("203.0.113.7"));
    until("the denial's receipt", || {
        let all = all_receipts(&home, false);
        all.into_iter()
            .find(|receipt| receipt.action_id == no && receipt.outcome == Outcome::Denied)
    });
    assert!(!arena.blocked().contains("203.0.113.8"));
    assert!(arena.reaches("203.0.113.8"));
    // A decision cannot be made twice, and a denied step cannot be approved any more.
    home.vertice(&["approve", &no.to_string()]).expect(1);
    home.vertice(&["audit", "verify"]).expect(0);
    node.stop();
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn killed_at_any_moment_no_effect_is_lost_doubled_or_orphaned() {
    let arena = Arena::new();
    let home = home(&arena, "act", "console.enabled = false\n");
    let mut dice = Dice(0x5eed_0003);
    let seeds = number("VERTICE_SEEDS", SEEDS);
    let per_seed = 3;
    let mut attackers: Vec<String> = Vec::new();
    for seed in 0..seeds {
        let node = home.start(&[]);
        for _ in 0..per_seed {
            let attacker = format!("203.0.113.{}", 1 + attackers.len() % 250);
            // Users of their own, or it would be one distributed attack.
            let user = format!("for u{} from", attackers.len());
            let attack = lines::guessing(&attacker, 25).replace("for root from", &user);
            home.append("auth.log", attack);
            attackers.push(attacker);
            pause(Duration::from_micros(dice.roll(20_000)));
        }
        pause(Duration::from_micros(dice.roll(250_000)));
        if seed % 5 == 4 {
            // The actuator dies with its engine.
            for (actuator, _) in children(node.pid()) {
                signal(actuator, Signal::KILL);
            }
        }
        node.kill();
        let node = home.start(&[]);
        for attacker in &attackers[attackers.len() - per_seed..] {
            blocked(&arena, &home, attacker);
        }
        agree(&arena, &home);
        assert_no_double_effect(&arena, &home);
        if seed % 2 == 0 {
            node.kill();
        } else {
            node.stop();
        }
    }
    let node = home.start(&[]);
    let expected: BTreeSet<String> = attackers.iter().cloned().collect();
    agree(&arena, &home);
    assert_eq!(arena.blocked(), expected);
    assert!(arena.reaches(COLLEAGUE));
    home.vertice(&["audit", "verify"]).expect(0);
    let mut verified = BTreeMap::new();
    for receipt in all_receipts(&home, false) {
        if receipt.outcome == Outcome::Verified {
            *verified.entry(receipt.action_id).or_insert(0) += 1;
        }
    }
    assert!(
        verified.values().all(|count| *count == 1),
        "an effect was made twice: {verified:?}"
    );
    home.vertice(&["undo", "--all"]).expect(0);
    until("nothing enforced", || {
        arena.elements().is_empty().then_some(())
    });
    node.stop();
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The process id of the node's actuator.
fn actuator(node: &Running) -> u32 {
    let found = children(node.pid()).into_iter();
    let mut actuators = found.filter(|(_, line)| line.contains(" actuator"));
    actuators.next().unwrap().0
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn an_actuator_that_dies_is_started_again_and_reconciled() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    let first = actuator(&node);
    signal(first, Signal::KILL);
    home.append(
        "auth.log",
        lines::guessing("203.0.113.8", 40).replace("root", "eve"),
    );
    blocked(&arena, &home, "203.0.113.8");
    assert_ne!(actuator(&node), first);
    agree(&arena, &home);
    assert_no_double_effect(&arena, &home);
    assert!(!arena.reaches("203.0.113.7") && !arena.reaches("203.0.113.8"));
    // One that hangs is replaced too.
    let second = actuator(&node);
    signal(second, Signal::STOP);
    home.append(
        "auth.log",
        lines::guessing("203.0.113.9", 40).replace("root", "mallory"),
    );
    blocked(&arena, &home, "203.0.113.9");
    agree(&arena, &home);
    node.stop();
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn without_an_actuator_nothing_says_success() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    // No other actuator can enter.
    let hidden = arena.hide();
    signal(actuator(&node), Signal::KILL);
    home.append(
        "auth.log",
        lines::guessing("203.0.113.8", 40).replace("root", "eve"),
    );
    let told = until("what became of the second attacker", || {
        let all = all_receipts(&home, false);
        all.into_iter()
            .find(|receipt| receipt.action.target() == "203.0.113.8")
    });
    assert!(
        matches!(told.outcome, Outcome::Failed | Outcome::Unknown),
        "{told:?}"
    );
    let second = all_receipts(&home, false);
    let second = second
        .iter()
        .filter(|receipt| receipt.action.target() == "203.0.113.8");
    for receipt in second {
        assert!(
            !matches!(
                receipt.outcome,
                Outcome::Verified | Outcome::Applied | Outcome::Simulated
            ),
            "{receipt:?}"
        );
    }
    let status = home.vertice(&["status"]).expect(1);
    assert!(
        status.out.contains("not ready") && status.out.contains("not reachable"),
        "{status:?}"
    );
    let undone = home.vertice(&["undo", &told.id.to_string()]);
    assert!(!undone.out.contains("undone"), "{undone:?}");
    drop(hidden);
    // With the way open again it comes back by itself.
    until("a reachable actuator", || {
        (home.vertice(&["status"]).code == 0).then_some(())
    });
    agree(&arena, &home);
    node.stop();
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn rules_that_somebody_removes_come_back() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    agree(&arena, &home);
    arena.inside("nft", "flush ruleset");
    assert_eq!(arena.ruleset(), "");
    until("the rules again", || {
        arena.ruleset().contains("203.0.113.7").then_some(())
    });
    agree(&arena, &home);
    assert!(!arena.reaches("203.0.113.7"));
    arena.inside("nft", "delete element inet vertice block4 { 203.0.113.7 }");
    until("the element again", || {
        arena.blocked().contains("203.0.113.7").then_some(())
    });
    agree(&arena, &home);
    assert_no_double_effect(&arena, &home);
    assert!(!arena.reaches("203.0.113.7"));
    node.stop();
}

const SHORT_PLAYBOOK: &str = "\
vertice: playbook/v1
name: brute_force_response
version: 2
when: 'incident.technique(\"T1110\") && incident.confidence >= 0.50'
key: [src.ip]
inputs: {src.ip: ip}
limits: {deadline: 1h, max_actions: 5, max_ttl: 1h}
steps:
  - id: block
    stage: primary
    if: 'incident.confidence >= 0.70'
    do: net.block_ip
    with: {ip: src.ip}
    ttl: 4s
    verify: dropped
";

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_block_ends_with_its_time() {
    let arena = Arena::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short.yaml"), SHORT_PLAYBOOK).unwrap();
    let playbooks = folder.path().display().to_string();
    let home = home(
        &arena,
        "act",
        &format!("response.playbooks = [{playbooks:?}]\n"),
    );
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    let receipt = until("a verified block", || {
        let all = all_receipts(&home, false);
        all.into_iter()
            .find(|receipt| receipt.outcome == Outcome::Verified)
    });
    assert_eq!(receipt.action.target(), "203.0.113.7");
    until("the receipt of its end", || {
        let all = all_receipts(&home, false);
        all.into_iter()
            .find(|other| other.action_id == receipt.action_id && other.outcome == Outcome::Expired)
    });
    assert!(arena.elements().is_empty(), "{:?}", arena.elements());
    assert!(arena.reaches("203.0.113.7"));
    assert!(standing(&home).is_empty());
    node.stop();
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn what_must_never_be_blocked_is_not_and_the_receipt_says_why() {
    let arena = Arena::new();
    let home = home(&arena, "act", "response.never_block = [\"192.0.2.0/24\"]\n");
    let node = home.start(&[]);
    let protected = [VICTIM, GATEWAY, COLLEAGUE];
    for (number, address) in protected.iter().enumerate() {
        let attack = lines::guessing(address, 40).replace("root", &format!("u{number}"));
        home.append("auth.log", attack);
    }
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    for address in protected {
        let told = until(&format!("why {address} is not blocked"), || {
            let all = all_receipts(&home, false);
            all.into_iter()
                .find(|receipt| receipt.action.target() == address)
        });
        assert_eq!(told.outcome, Outcome::Denied, "{told:?}");
        let reason = ["own address", "gateway", "configured"]
            .iter()
            .any(|reason| told.detail.contains(reason));
        assert!(reason, "{}", told.detail);
        home.vertice(&["approve", &told.action_id.to_string()]);
    }
    agree(&arena, &home);
    let blocked: Vec<String> = arena.blocked().into_iter().collect();
    assert_eq!(blocked, ["203.0.113.7"]);
    assert!(arena.reaches(GATEWAY) && arena.reaches(COLLEAGUE));
    node.stop();
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn records_that_anyone_could_have_sent_wait_for_a_person() {
    let arena = Arena::new();
    let home = Home::new();
    let free = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    home.configure(&format!(
        "{}[[source]]\nudp = \"{free}\"\n",
        arena.enforce("act")
    ));
    let node = home.start(&[]);
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for line in lines::guessing("203.0.113.7", 60).lines() {
        sender
            .send_to(format!("<38>{line}").as_bytes(), free)
            .unwrap();
    }
    let wait = asked(&home, "203.0.113.7");
    until("every datagram", || {
        (home.logged().len() == 60).then_some(())
    });
    assert!(arena.elements().is_empty(), "{:?}", arena.elements());
    assert!(arena.reaches("203.0.113.7"));
    home.vertice(&["approve", &wait.to_string()]).expect(0);
    blocked(&arena, &home, "203.0.113.7");
    node.stop();
}

/// Runs the binary as nobody, with the folder and the binary within reach.
fn as_nobody(home: &Home, arguments: &[&str]) -> Output {
    let own = home.path("vertice");
    std::fs::copy(BINARY, &own).unwrap();
    for path in [home.path(""), own.clone()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--",
    ]);
    command
        .arg(&own)
        .arg("--config")
        .arg(home.path("config.toml"));
    command.args(arguments).output().unwrap()
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn without_the_privilege_mode_act_does_not_start() {
    let home = Home::new();
    home.follow("auth.log", "response.mode = \"act\"\n");
    let output = as_nobody(&home, &["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("hint: run as root"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn somebody_elses_state_is_a_permission_error() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.start(&[]).stop();
    for verb in ["run", "incidents"] {
        let done = as_nobody(&home, &[verb]);
        assert_eq!(done.status.code(), Some(5), "{verb}: {done:?}");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("hint: "), "{said}");
    }
}

/// A small file system of its own at a folder, gone when it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(path: std::path::PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]);
        assert!(mount.arg(&path).status().unwrap().success());
        Self(path)
    }

    /// Takes all the room that is left; what it gives has to be removed again.
    fn fill(&self) -> std::path::PathBuf {
        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(std::thread::panicking() || gone.unwrap().success());
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_full_disk_stops_reading_never_undo() {
    let arena = Arena::new();
    let home = home(&arena, "act", "");
    let disk = SmallDisk::at(home.state());
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    blocked(&arena, &home, "203.0.113.7");
    agree(&arena, &home);
    let filler = disk.fill();
    // Far more than the log's open block takes.
    for part in 0..40 {
        let attack = lines::guessing("203.0.113.8", 100);
        home.append("auth.log", attack.replace("root", &format!("u{part}")));
    }
    let status = until("a node that says what is wrong", || {
        let status = home.vertice(&["status"]);
        (status.code == 1).then_some(status.out)
    });
    assert!(status.contains("not ready"), "{status}");
    home.vertice(&["undo", "--all"]).expect(0);
    until("nothing of the first attacker", || {
        (!arena.blocked().contains("203.0.113.7")).then_some(())
    });
    std::fs::remove_file(filler).unwrap();
    blocked(&arena, &home, "203.0.113.8");
    until("every line", || (home.logged().len() == 4040).then_some(()));
    let said = node.stop();
    assert!(!said.contains("panicked"), "{said}");
    home.vertice(&["audit", "verify"]).expect(0);
    drop(disk);
}
