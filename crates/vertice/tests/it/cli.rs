//! The operator's verbs from outside: help, JSON, exit codes with hints, closed pipes, bad input.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use clap::CommandFactory;
use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Done, Home, Running, until};
use crate::lines;

/// Every verb with its verbs below it, from the table that the binary uses.
fn verbs() -> Vec<Vec<String>> {
    let table = vertice::cli::Cli::command();
    let mut found = vec![Vec::new()];
    for verb in table.get_subcommands() {
        found.push(vec![verb.get_name().to_owned()]);
        for below in verb.get_subcommands() {
            found.push(vec![
                verb.get_name().to_owned(),
                below.get_name().to_owned(),
            ]);
        }
    }
    found
}

#[test]
fn every_verb_has_help_that_fits_80_columns() {
    let home = Home::new();
    let verbs = verbs();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        for flag in ["--help", "-h"] {
            let mut arguments: Vec<&str> = verb.iter().map(String::as_str).collect();
            arguments.push(flag);
            let mut command = home.command(&arguments);
            let output = command.env("COLUMNS", "80").output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{verb:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("Usage: vertice"), "{verb:?}: {text}");
            assert!(!text.contains('\u{1b}'), "colour without a terminal");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{verb:?}: {line:?}");
            }
        }
    }
}

#[test]
fn completions_and_manual_come_out() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = home.vertice(&["completions", shell]).expect(0);
        assert!(done.out.contains("playbook"), "{shell}");
    }
    let manual = home.vertice(&["man"]).expect(0);
    assert!(manual.out.contains(".TH"));
    assert!(manual.out.contains("EXIT") || manual.out.contains("Exit codes"));
}

#[test]
fn json_without_a_node_can_be_read_by_a_program() {
    let home = Home::new();
    let log = home.write("auth.log", lines::guessing("203.0.113.7", 30));
    let findings = home
        .vertice(&["--json", "detect", log.to_str().unwrap()])
        .expect(0)
        .json();
    assert!(!findings.is_empty());
    for key in [
        "id",
        "time",
        "detector",
        "rule",
        "severity",
        "confidence",
        "techniques",
        "entities",
        "evidence",
        "why",
    ] {
        assert!(!findings[0][key].is_null(), "{key}: {}", findings[0]);
    }
    let shown = home.vertice(&["--json", "config", "show"]).expect(0).json();
    assert!(
        shown
            .iter()
            .any(|row| row["key"] == "response.mode" && row["value"] == "observe")
    );
    let checked = home
        .vertice(&["--json", "config", "check"])
        .expect(0)
        .json();
    assert_eq!(checked[0]["ok"], true);
    for verb in [["config", "schema"], ["playbook", "schema"]] {
        let done = home.vertice(&verb).expect(0);
        serde_json::from_str::<Value>(&done.out).unwrap();
    }
    let checks = home.vertice(&["--json", "doctor"]);
    assert!(
        checks
            .json()
            .iter()
            .all(|check| check["health"].is_string())
    );
    let bad = home.write("bad.yaml", "vertice: playbook/v1\nname: x\nunknown: 1\n");
    let problems = home
        .vertice(&["--json", "playbook", "check", bad.to_str().unwrap()])
        .expect(1)
        .json();
    assert!(
        problems.iter().any(|problem| problem["line"] == 3),
        "{problems:?}"
    );
}

#[test]
fn json_of_a_node_can_be_read_by_a_program() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.write("auth.log", lines::guessing("203.0.113.7", 30));
    let node = home.start(&[]);
    let incidents = until("an incident", || {
        let rows = home.vertice(&["--json", "incidents"]).expect(0).json();
        (!rows.is_empty()).then_some(rows)
    });
    let status = home.vertice(&["--json", "status"]).expect(0).json();
    assert_eq!(status[0]["ready"], true);
    assert_eq!(status[0]["mode"], "observe");
    assert_eq!(
        home.vertice(&["--json", "approvals", "--all"])
            .expect(0)
            .json()
            .len(),
        0
    );
    let audit = home
        .vertice(&["--json", "audit", "verify"])
        .expect(0)
        .json();
    assert_eq!(audit[0]["intact"], true);
    let id = incidents[0]["id"].as_str().unwrap();
    let nouns = home.vertice(&["--json", "explain", id]).expect(0).json();
    assert!(
        nouns.iter().any(|noun| noun["noun"] == "event"),
        "{nouns:?}"
    );
    let dry = home
        .vertice(&["--json", "playbook", "dry-run", "brute_force_response"])
        .expect(0)
        .json();
    assert_eq!(dry[0]["matched"], true);
    assert!(dry[0]["plan"]["steps"].is_array());
    let refused = home
        .vertice(&["--json", "deny", &format!("ac-{:032x}", 7)])
        .expect(1)
        .json();
    assert_eq!(refused[0]["accepted"], false);
    for verb in [
        vec!["status"],
        vec!["incidents"],
        vec!["approvals"],
        vec!["explain", id],
    ] {
        let done = home.vertice(&verb).expect(0);
        assert!(
            !done.out.is_empty() && !done.out.contains('\u{1b}'),
            "{done:?}"
        );
    }
    node.stop();
    home.vertice(&["status"]).refused(4);
}

#[test]
fn the_demo_observes_and_passes() {
    let home = Home::new();
    let done = home
        .vertice(&[
            "--json",
            "demo",
            "--once",
            "--observe",
            "--listen",
            "127.0.0.1:0",
        ])
        .expect(0);
    let report = done.json().remove(0);
    assert_eq!(report["enforced"], false);
    let steps = report["steps"].as_array().unwrap();
    assert!(
        steps.len() >= 3 && steps.iter().all(|step| step["verified"] == true),
        "{steps:?}"
    );
    // Nothing was enforced, so nothing may say that it was.
    let receipts = report["receipts"].as_array().unwrap();
    assert!(!receipts.is_empty());
    for receipt in receipts {
        assert!(
            receipt.as_str().unwrap().ends_with(": simulated"),
            "{receipt}"
        );
    }
    let text = home
        .vertice(&["demo", "--once", "--observe", "--listen", "127.0.0.1:0"])
        .expect(0);
    assert!(!text.out.contains('\u{1b}') && !text.err.contains('\u{1b}'));
    for line in text.out.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    let left: Vec<_> = std::fs::read_dir(home.path(""))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "the demo left something behind: {left:?}");
}

#[test]
fn wrong_arguments_are_usage_errors_with_a_hint() {
    let home = Home::new();
    let log = home.write("auth.log", "");
    let log = log.to_str().unwrap();
    let wrong: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["detect"],
        &["detect", "/nonexistent/auth.log"],
        &["detect", "--format", "punchcard", log],
        &["detect", "--fail-on", "enormous", log],
        &["detect", "--as-of", "yesterday", log],
        &["run", "--mode", "attack"],
        &["undo"],
        &["undo", "--all", "--run", "pl-1"],
        &["approve", "ac-1"],
        &["deny", "rc-00000000000000000000000000000000"],
        &["undo", "--run", "no-plan"],
        &["playbook", "check", "/nonexistent/p.yaml"],
        &["playbook", "explain", "no_such_playbook"],
        &["completions", "tcsh"],
        &["--config"],
    ];
    for arguments in wrong {
        home.vertice(arguments).refused(2);
    }
}

#[test]
fn fail_on_and_bad_playbooks_are_failed_checks() {
    let home = Home::new();
    let log = home.write("auth.log", lines::guessing("203.0.113.7", 30));
    let log = log.to_str().unwrap();
    home.vertice(&["detect", "--fail-on", "critical", log])
        .expect(0);
    home.vertice(&["detect", "--fail-on", "high", log])
        .expect(1);
    let bad = home.write("bad.yaml", "vertice: playbook/v1\nname: x\nunknown: 1\n");
    let done = home
        .vertice(&["playbook", "check", bad.to_str().unwrap()])
        .expect(1);
    assert!(done.out.contains("bad.yaml:3:"), "{done:?}");
    home.vertice(&["playbook", "check"]).expect(0);
}

#[test]
fn a_wrong_configuration_is_named_with_its_place() {
    let home = Home::new();
    home.write(
        "config.toml",
        "[node]\nname = \"a\"\n\n[response]\nmoed = \"act\"\n",
    );
    for verb in [
        vec!["config", "check"],
        vec!["run"],
        vec!["status"],
        vec!["detect", "-"],
    ] {
        let done = home.vertice(&verb).refused(3);
        assert!(done.err.contains("config.toml:5:1"), "{done:?}");
        assert!(done.err.contains("moed"), "{done:?}");
    }
    for text in [
        "[response]\nmode = \"attack\"\n",
        "[response]\nnever_block = [\"10.0.0.0/33\"]\n",
        "[response]\nmode = \"act\"\nmode = \"ask\"\n",
        "[[source]]\nfile = \"a\"\nflie = \"b\"\n",
        "node = 5\n",
        "\u{0}\u{1}",
    ] {
        home.write("config.toml", text);
        home.vertice(&["config", "check"]).refused(3);
    }
    home.write("config.toml", [0xff, 0xfe, 0x00]);
    home.vertice(&["config", "check"]).refused(3);
    std::fs::remove_file(home.path("config.toml")).unwrap();
    home.vertice(&["config", "check"]).refused(3);
    home.configure("");
    let mut command = home.command(&["config", "check"]);
    let output = command
        .env("VERTICE__RESPONSE__MDOE", "act")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_playbook_folder_with_a_wrong_playbook_stops_the_start() {
    let home = Home::new();
    std::fs::create_dir(home.path("playbooks")).unwrap();
    home.write(
        "playbooks/x.yaml",
        "vertice: playbook/v1\nname: x\nunknown: 1\n",
    );
    let folder = home.path("playbooks").display().to_string();
    home.configure(&format!("response.playbooks = [{folder:?}]"));
    for verb in [vec!["config", "check"], vec!["run", "--until-end"]] {
        let done = home.vertice(&verb).refused(3);
        assert!(done.err.contains("playbooks/x.yaml:1:1: "), "{done:?}");
        assert!(
            done.err.contains("hint: run vertice playbook check"),
            "{done:?}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = Home::new();
    // Far more than a pipe holds.
    let mut log = String::new();
    for source in 0..250 {
        log.push_str(&lines::guessing(&format!("203.0.113.{source}"), 25));
    }
    let log = home.write("auth.log", log);
    let log = log.to_str().unwrap();
    let verbs: &[&[&str]] = &[
        &["--json", "detect", log],
        &["detect", log],
        &["man"],
        &["completions", "bash"],
        &["config", "reference"],
        &["playbook", "schema"],
        &["--help"],
    ];
    for arguments in verbs {
        let mut command = home.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(!first.is_empty());
    }
}

#[test]
fn the_output_says_the_same_without_colours() {
    let home = Home::new();
    let log = home.write("auth.log", lines::guessing("203.0.113.7", 30));
    let arguments = ["detect", log.to_str().unwrap()];
    let plain = home.vertice(&arguments).expect(0);
    let mut command = home.command(&arguments);
    let asked = command
        .env("NO_COLOR", "1")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), plain.out);
    assert!(!plain.out.contains('\u{1b}') && !plain.err.contains('\u{1b}'));
    let usage = home
        .command(&["frobnicate"])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!usage.stderr.contains(&0x1b));
}

/// What `detect` says that it read: (read, kept, dropped, bad).
fn accounted(done: &Done) -> [u64; 4] {
    let line = done
        .err
        .lines()
        .find(|line| line.starts_with("read "))
        .unwrap();
    let numbers: Vec<u64> = line
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers[0], numbers[1] + numbers[2] + numbers[3], "{line}");
    [numbers[0], numbers[1], numbers[2], numbers[3]]
}

#[test]
fn detect_counts_what_it_cannot_read() {
    let home = Home::new();
    let mut hostile: Vec<u8> = b"no log line at all\n\x00\x01\xff\xfe\x80\n".to_vec();
    hostile.extend(vec![b'A'; 1_200_000]);
    hostile.push(b'\n');
    hostile.extend(lines::guessing("203.0.113.7", 30).bytes());
    hostile.extend(b"the end, without a line end");
    let log = home.write("mixed.log", &hostile);
    for format in ["auto", "syslog"] {
        let done = home
            .vertice(&[
                "--json",
                "detect",
                "--format",
                format,
                log.to_str().unwrap(),
            ])
            .expect(0);
        let [read, kept, _, bad] = accounted(&done);
        assert_eq!(read, 34, "{}", done.err);
        assert!(kept >= 30 && bad >= 2, "{}", done.err);
        assert!(done.err.contains("cut 1"), "{}", done.err);
        assert!(!done.json().is_empty());
    }
}

#[test]
fn detect_reads_what_is_empty_or_no_file() {
    let home = Home::new();
    let empty = home.write("empty.log", "");
    let done = home.vertice(&["detect", empty.to_str().unwrap()]).expect(0);
    assert_eq!(accounted(&done), [0; 4]);
    std::fs::create_dir(home.path("logs")).unwrap();
    home.write("logs/a.log", lines::guessing("203.0.113.7", 30));
    let folder = home.path("logs");
    let done = home
        .vertice(&["--json", "detect", folder.to_str().unwrap()])
        .expect(0);
    assert_eq!(accounted(&done)[1], 30);
    let input = lines::guessing("203.0.113.8", 30);
    let done = home
        .vertice_reading(&["--json", "detect", "-"], input.as_bytes())
        .expect(0);
    assert_eq!(accounted(&done)[1], 30);
    assert!(done.out.contains("203.0.113.8"));
    let random: Vec<u8> = (0..200_000u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    accounted(&home.vertice_reading(&["detect", "-"], &random).expect(0));
}

/// Nothing in it may steer a terminal or turn text around.
fn assert_harmless(text: &str, of: &str) {
    for character in text.chars().filter(|character| *character != '\n') {
        let steers = character.is_control();
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        assert!(!steers && !turns, "{of}: {character:?}");
    }
}

/// A clear screen, a clipboard write, a title, text turned around, a zero byte, a C1 control.
const HOSTILE_NAMES: [&str; 6] = [
    "\u{1b}[2J\u{1b}[31mroot",
    "\u{1b}]52;c;cm0gLXJmIC8=\u{7}",
    "\u{1b}]0;owned\u{1b}\\",
    "a\u{202e}txt.exe\u{202c}",
    "nul\u{0}byte",
    "c1\u{9b}31m",
];

#[test]
fn hostile_text_of_a_log_never_reaches_the_terminal() {
    let home = Home::new();
    let mut log = String::new();
    for (number, name) in HOSTILE_NAMES.iter().enumerate() {
        let start = lines::guessing(&format!("203.0.113.{number}"), 30);
        log.push_str(&start.replace("for root from", &format!("for invalid user {name} from")));
    }
    log.push_str(&lines::guessing("203.0.113.77", 30).replace("web01", "we\u{1b}[31mb\u{202e}01"));
    let path = home.write("auth.log", &log);
    for arguments in [vec!["detect"], vec!["--json", "detect"]] {
        let done = home
            .vertice(&[&arguments[..], &[path.to_str().unwrap()]].concat())
            .expect(0);
        assert!(
            done.out.contains("203.0.113.1"),
            "no finding to look at: {done:?}"
        );
        assert_harmless(&done.out, "detect");
        assert_harmless(&done.err, "detect");
    }
    home.configure(&home.source("auth.log", false));
    assert_harmless(&home.run_until_end().err, "run");
    let incidents = home.vertice(&["--json", "incidents"]).expect(0);
    assert_harmless(&incidents.out, "incidents --json");
    assert_harmless(&home.vertice(&["incidents"]).expect(0).out, "incidents");
    for incident in incidents.json() {
        let id = incident["id"].as_str().unwrap();
        assert_harmless(&home.vertice(&["explain", id]).expect(0).out, "explain");
        assert_harmless(
            &home.vertice(&["--json", "explain", id]).expect(0).out,
            "explain --json",
        );
        let dry = home.vertice(&[
            "playbook",
            "dry-run",
            "brute_force_response",
            "--incident",
            id,
        ]);
        assert_harmless(&dry.out, "dry-run");
    }
    let name = home.write("evil\u{1b}[31m\u{202e}.log", "x\n");
    let done = home
        .vertice(&["detect", &format!("{}x", name.display())])
        .refused(2);
    assert_harmless(&done.err, "a file's name in an error");
}

#[test]
fn two_nodes_do_not_share_a_state_folder() {
    let home = Home::new();
    home.follow("auth.log", "");
    let node = home.start(&[]);
    let second = home.vertice(&["run"]).refused(5);
    assert!(second.err.contains("in use by another node"), "{second:?}");
    node.stop();
    home.start(&[]).stop();
}

#[test]
fn a_port_in_use_is_a_configuration_error() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let state = home.state().display().to_string();
    home.write(
        "config.toml",
        format!("console.listen = \"{address}\"\nnode.state = {state:?}\n"),
    );
    let done = home.vertice(&["run"]).refused(3);
    assert!(done.err.contains(&address.to_string()), "{done:?}");
    home.configure(&format!("[[source]]\ntcp = \"{address}\"\n"));
    let done = home.vertice(&["run"]).refused(3);
    assert!(done.err.contains(&address.to_string()), "{done:?}");
}

#[test]
fn a_state_folder_that_cannot_be_is_a_permission_error() {
    let home = Home::new();
    let file = home.write("file", "");
    let below = file.join("state").display().to_string();
    home.vertice(&["run", "--state", &below]).refused(5);
    home.vertice(&["status", "--state", &below]).refused(4);
    home.vertice(&["incidents", "--state", &below]).refused(4);
}

#[test]
fn a_log_that_is_not_there_is_said() {
    let home = Home::new();
    home.configure(&home.source("missing.log", false));
    let done = home.vertice(&["run", "--until-end"]).refused(3);
    assert!(done.err.contains("missing.log"), "{done:?}");
    // One that is followed may come later.
    home.follow("missing.log", "");
    home.start(&[]).stop();
}

#[test]
fn ids_that_nobody_knows_are_refused() {
    let home = Home::new();
    home.configure(&home.source("auth.log", false));
    home.write("auth.log", lines::guessing("203.0.113.7", 30));
    home.run_until_end();
    for kind in ["rc", "ac", "pl", "in", "fi", "ev"] {
        home.vertice(&["explain", &format!("{kind}-{:032x}", 1)])
            .refused(2);
    }
    for id in ["", "x", "rc-", "rc-zz", "\u{1b}[31m", "é", "rc-é"] {
        let done = home.vertice(&["explain", id]).refused(2);
        assert_harmless(&done.err, "an id in an error");
    }
    home.vertice(&["approve", &format!("ac-{:032x}", 1)])
        .refused(2);
    home.vertice(&["deny", &format!("ac-{:032x}", 1)])
        .refused(4);
}

#[test]
fn a_second_start_after_a_kill_is_no_problem() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.start(&[]).kill();
    let node: Running = home.start(&[]);
    node.stop();
}

#[test]
fn a_node_that_hangs_is_not_ready_and_one_that_was_killed_is_gone() {
    let home = Home::new();
    home.follow("auth.log", "");
    let node = home.start(&[]);
    until("its first status", || {
        (home.vertice(&["status"]).code == 0).then_some(())
    });
    node.signal(Signal::STOP);
    let hung = until("a status that is old", || {
        Some(home.vertice(&["status"])).filter(|done| done.code == 1)
    });
    assert!(hung.out.contains("not ready"), "{hung:?}");
    assert!(hung.err.contains("last sign of life"), "{hung:?}");
    node.signal(Signal::CONT);
    until("a node that is back", || {
        (home.vertice(&["status"]).code == 0).then_some(())
    });
    node.kill();
    until("nobody", || {
        Some(home.vertice(&["status"])).filter(|done| done.code == 4)
    })
    .refused(4);
}
