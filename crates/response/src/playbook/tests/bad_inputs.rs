//! What is refused: every problem at its place, with its words.

use super::*;

const GOOD: &str = "\
vertice: playbook/v1
name: guard
version: 1
when: 'incident.technique(\"T1110\") && incident.confidence >= 0.5'
key: [src.ip]
inputs: {src.ip: ip, dst.host: host, user: {type: user, optional: true}}
limits: {deadline: 2h, max_actions: 20, max_ttl: 24h}
steps:
  - {id: slow, do: net.rate_limit, with: {ip: src.ip, rate: 5/min}, ttl: 5m}
  - {id: block, do: net.block_ip, with: {ip: src.ip}, ttl: {first: 10m, factor: 4, max: 24h}}
";

fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    let problems = Playbook::parse(text.as_ref()).expect_err("must be refused");
    problems.iter().map(with_hint).collect()
}

fn with_hint(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{problem} ({hint})"),
        None => problem.to_string(),
    }
}

/// The good playbook with one change must give exactly these problems.
fn changed(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?} must stand once");
    let text = GOOD.replace(from, to);
    assert_eq!(problems(text), expected, "{from:?} to {to:?}");
}

#[test]
fn the_good_one_is_good() {
    let good = Playbook::parse(GOOD.as_bytes()).unwrap();
    assert_eq!((good.name(), good.version()), ("guard", 1));
    assert_eq!(good.techniques(), [TechniqueId::new(1110)]);
}

#[test]
fn unknown_words_come_with_a_suggestion() {
    changed(
        "when:",
        "whne:",
        &[
            "1:1: the playbook has no when",
            "4:1: unknown key \"whne\" in the playbook (did you mean when?)",
        ],
    );
    changed(
        "net.block_ip",
        "net.block_ips",
        &["10:21: unknown action \"net.block_ips\" (did you mean net.block_ip?)"],
    );
    changed(
        "net.block_ip",
        "evidence.snapshot",
        &["10:21: unknown action \"evidence.snapshot\" \
         (known: net.block_egress, net.block_ip, net.rate_limit)"],
    );
    changed(
        "rate: 5/min",
        "rte: 5/min",
        &[
            "9:42: net.rate_limit needs rate (rate: a rate such as 5/min, 10/s or 100/h)",
            "9:55: net.rate_limit has no parameter \"rte\" (did you mean rate?)",
        ],
    );
    changed(
        "with: {ip: src.ip}, ttl: {",
        "with: {ip: src.pi}, ttl: {",
        &["10:46: unknown reference \"src.pi\" (did you mean src.ip?)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, parallel: 1",
        &["9:78: unknown key \"parallel\" in the step \
         (steps run in order; use after: to make one wait for another)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, undo: x",
        &["9:78: unknown key \"undo\" in the step \
         (the inverse belongs to the action: there is no undo to write)"],
    );
    changed(
        "playbook/v1",
        "playbook/v2",
        &["1:10: \"playbook/v2\" is not a format that is read (write vertice: playbook/v1)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, stage: reflexes",
        &["9:85: \"reflexes\" is not a stage (reflex, primary or secondary)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, on_error: retry",
        &["9:88: \"retry\" is no answer to an error (continue or compensate)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, verify: dropped",
        &["9:86: net.rate_limit has no check \"dropped\" (verify: limited)"],
    );
    changed(
        "user: {type: user, optional: true}",
        "usr: user",
        &["6:38: unknown reference \"usr\" (did you mean user?)"],
    );
}

#[test]
fn values_are_typed_references_and_never_templates() {
    let templates = "(values are references such as src.ip, never templates)";
    for (written, shown) in [
        ("'{{src.ip}}'", "{{src.ip}}"),
        ("'${src.ip}'", "${src.ip}"),
        ("'`src.ip`'", "`src.ip`"),
        ("'$__ip__:value'", "$__ip__:value"),
    ] {
        let to = format!("with: {{ip: {written}}}, ttl: {{");
        let expected = format!("10:46: unknown reference {shown:?} {templates}");
        changed("with: {ip: src.ip}, ttl: {", &to, &[&expected]);
    }
    let known = "(known: dst.host, dst.ip, src.host, src.ip, user)";
    for address in ["203.0.113.7", "0.0.0.0/0", "10.0.0.1; reboot"] {
        let to = format!("with: {{ip: {address:?}}}, ttl: {{");
        let expected = format!("10:46: unknown reference {address:?} {known}");
        changed("with: {ip: src.ip}, ttl: {", &to, &[&expected]);
    }
    changed(
        "with: {ip: src.ip}, ttl: {",
        "with: {ip: dst.host}, ttl: {",
        &["10:46: dst.host is of type host, an ip is needed (src.ip or dst.ip)"],
    );
    changed(
        "with: {ip: src.ip}, ttl: {",
        "with: {ip: dst.ip}, ttl: {",
        &["10:46: dst.ip is not declared (inputs: {dst.ip: ip})"],
    );
    let undeclared = GOOD.replace("inputs: {", "inputs: {dst.ip: ip, ");
    let undeclared = undeclared.replace("with: {ip: src.ip}, ttl: {", "with: {ip: dst.ip}, ttl: {");
    assert_eq!(
        problems(undeclared),
        ["10:46: dst.ip is a target but not part of the key \
         (key: [dst.ip] gives each target its own run)",]
    );
    changed(
        "[src.ip]",
        "[user]",
        &[
            "5:7: user is optional: a key must always be there",
            "9:47: src.ip is a target but not part of the key \
         (key: [src.ip] gives each target its own run)",
            "10:46: src.ip is a target but not part of the key \
         (key: [src.ip] gives each target its own run)",
        ],
    );
    changed(
        "src.ip: ip,",
        "src.ip: host,",
        &["6:18: src.ip has the type ip, not \"host\""],
    );
    changed(
        "[src.ip]",
        "[src.ip, src.ip]",
        &["5:15: src.ip stands in the key twice"],
    );
    changed(
        "[src.ip]",
        "[src.ip, dst.ip]",
        &["5:15: dst.ip is not declared (inputs: {dst.ip: ip})"],
    );
}

#[test]
fn times_are_bounded_on_both_sides() {
    let form = "is not a time (such as 30s, 10m, 2h or 1d)";
    for (ttl, expected) in [
        ("0s", "\"0s\" is no time at all: at least 1s".to_owned()),
        ("0d", "\"0d\" is no time at all: at least 1s".to_owned()),
        ("-5m", format!("\"-5m\" {form}")),
        ("600", format!("\"600\" {form}")),
        ("1e3s", format!("\"1e3s\" {form}")),
        ("5 m", format!("\"5 m\" {form}")),
        ("m", format!("\"m\" {form}")),
        ("5µ", format!("\"5µ\" {form}")),
        (
            "9223372036854775808",
            format!("\"9223372036854775808\" {form}"),
        ),
        (
            "9223372036854775808s",
            "\"9223372036854775808s\" is longer than 1 d".to_owned(),
        ),
        (
            "99999999999999999999999d",
            "\"99999999999999999999999d\" is longer than 1 d".to_owned(),
        ),
        ("25h", "\"25h\" is longer than 1 d".to_owned()),
    ] {
        changed(
            "ttl: 5m",
            &format!("ttl: {ttl}"),
            &[&format!("9:74: {expected}")],
        );
    }
    changed(
        "first: 10m",
        "first: 25h",
        &["10:68: \"25h\" is longer than 1 d"],
    );
    changed(
        "max: 24h}}",
        "max: 5m}}",
        &["10:60: first is 10 min, longer than max, 5 min"],
    );
    changed(
        "max_ttl: 24h",
        "max_ttl: 1h",
        &["10:60: 1 d is longer than limits.max_ttl, 1 h"],
    );
    changed("factor: 4, ", "", &["10:60: ttl has no factor"]);
    changed(
        "factor: 4",
        "factor: 1",
        &["10:81: \"1\" is not a whole number from 2 to 100"],
    );
    changed(", ttl: 5m", "", &["9:5: the step has no ttl"]);
    changed("deadline: 2h, ", "", &["7:9: limits has no deadline"]);
    changed(
        "deadline: 2h",
        "deadline: 31d",
        &["7:20: \"31d\" is longer than 30 d"],
    );
    changed(
        "limits: {deadline: 2h, max_actions: 20, max_ttl: 24h}\n",
        "",
        &["1:1: the playbook has no limits"],
    );
    changed(
        "max_actions: 20",
        "max_actions: 1",
        &["9:3: 2 steps, but max_actions is 1"],
    );
}

#[test]
fn scalars_that_readers_disagree_about_are_refused() {
    for word in ["no", "NO", "yes", "off", "true", "null", "~", "y"] {
        let expected = format!(
            "2:7: {word} without quotes is not a text in every YAML reader (write \"{word}\")"
        );
        changed("name: guard", &format!("name: {word}"), &[&expected]);
    }
    assert!(Playbook::parse(GOOD.replace("name: guard", "name: \"no\"").as_bytes()).is_ok());
    changed("name: guard", "name:", &["2:5: nothing stands here"]);
    let digits = "is not a whole number from 1 to 1000000 (plain digits only)";
    for number in ["1e3", "0x10", "010", "+1", "-1", "1_000", "1.0", ".inf"] {
        let expected = format!("3:10: {number:?} {digits}");
        changed("version: 1", &format!("version: {number}"), &[&expected]);
    }
    changed(
        "version: 1",
        "version: \"1\"",
        &["3:10: \"1\" is not a whole number from 1 to 1000000 (write it without quotes)"],
    );
    changed(
        "version: 1",
        "version: 18446744073709551616",
        &["3:10: \"18446744073709551616\" is not a whole number from 1 to 1000000"],
    );
    changed(
        "optional: true",
        "optional: yes",
        &["6:67: \"yes\" is neither true nor false"],
    );
    let form = "(a lower-case letter, then letters, digits and _, at most 64)";
    for name in [
        "1e3",
        "Guard",
        "a b",
        "a-b",
        "../x",
        "gu\u{430}rd",
        "{{7*7}}",
    ] {
        let expected = format!("2:7: {name:?} is not a name {form}");
        changed("name: guard", &format!("name: '{name}'"), &[&expected]);
    }
    changed(
        "rate: 5/min",
        "rate: 0/min",
        &["9:61: \"0/min\" is not a rate (a rate such as 5/min, 10/s or 100/h)"],
    );
}

#[test]
fn gates_only_ask_for_more() {
    let hint = "(matrix, approve(1) to approve(5), or veto(30) to veto(300) in seconds)";
    for gate in [
        "auto",
        "approve",
        "approve(0)",
        "approve(6)",
        "veto(29)",
        "veto(301)",
        "veto(-1)",
    ] {
        let expected = format!("9:84: {gate:?} is not a gate {hint}");
        changed("ttl: 5m", &format!("ttl: 5m, gate: {gate}"), &[&expected]);
    }
    for gate in ["matrix", "approve(5)", "veto(30)"] {
        let text = GOOD.replace("ttl: 5m", &format!("ttl: 5m, gate: {gate}"));
        assert!(Playbook::parse(text.as_bytes()).is_ok(), "{gate}");
    }
}

#[test]
fn steps_are_unique_known_and_free_of_circles() {
    changed(
        "id: block",
        "id: slow",
        &["10:10: duplicate step id \"slow\", first on line 9"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, after: [blok]",
        &["9:86: unknown step \"blok\" (did you mean block?)"],
    );
    let circle = GOOD.replace("id: slow,", "id: slow, after: [block],");
    let circle = circle.replace("id: block,", "id: block, after: [slow],");
    assert_eq!(
        problems(circle),
        ["9:5: steps wait for each other: slow, block (break the circle in after:)",]
    );
    changed(
        "id: slow,",
        "id: slow, after: [slow],",
        &["9:5: steps wait for each other: slow (break the circle in after:)"],
    );
    changed(
        "ttl: 5m",
        "ttl: 5m, after: block",
        &["9:85: after must be a list (write [one, other])"],
    );
    let turned = GOOD.replace("id: slow,", "id: slow, after: [block],");
    let turned = Playbook::parse(turned.as_bytes()).unwrap();
    let ids: Vec<&str> = turned.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["block", "slow"]);
}

#[test]
fn every_problem_is_reported_in_order() {
    let text = "vertice: playbook/v1\nname: X\nversion: 0\nwhen: 'tru'\nkey: [a]\n\
                inputs: {b: ip}\nlimits: {}\nsteps: [{id: 1}]\n";
    let found = problems(text);
    let places: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let expected = [
        "2:7", "3:10", "4:8", "5:7", "6:10", "7:9", "7:9", "7:9", "8:9", "8:9", "8:14",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn yaml_that_is_not_the_language() {
    let cases = [
        "",
        "# nothing\n",
        "just words",
        "- a\n- b\n",
        "a: 1\nb: 2\na: 3\n",
        "a: {b: 1, b: 2}\n",
        "a: &x 1\n",
        "a: &x [1]\nb: *x\n",
        "a: *x\n",
        "a: !!python/object:os.system x\n",
        "? [a]\n: b\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\n---\nb: 2\n",
        "a:\n\tb: 1\n",
        "a: \"open\n",
        "a: [1, 2\n",
        "a: \u{7}\n",
        "a\0b: 1\n",
    ];
    let mut found = String::new();
    for text in cases {
        found.push_str(&format!("{text:?} => {}\n", problems(text).join(" | ")));
    }
    expect_test::expect_file!["expected/not_the_language.txt"].assert_eq(&found);
}

#[test]
fn bytes_that_are_not_utf8() {
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(GOOD.bytes().flat_map(|byte| [byte, 0]))
        .collect();
    assert_eq!(
        problems(&utf16),
        ["1:1: the file is UTF-16 (save it as UTF-8)"]
    );
    let no_mark: Vec<u8> = GOOD.bytes().flat_map(|byte| [byte, 0]).collect();
    assert_eq!(
        problems(&no_mark),
        ["1:2: a NUL character: the file may be UTF-16 (save it as UTF-8)"]
    );
    assert_eq!(
        problems(b"a: 1\nb: \xff\n"),
        ["2:4: the file is not UTF-8 text here (save it as UTF-8)"]
    );
}

#[test]
fn bombs_cost_nothing() {
    let mut aliases = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let nine = vec![format!("*{before}"); 9].join(", ");
        aliases.push_str(&format!("{name}: &{name} [{nine}]\n"));
    }
    assert!(problems(aliases)[0].contains("anchors are not part"));
    let deep = problems("[".repeat(10_000));
    assert_eq!(deep, ["1:17: nested more than 16 deep"]);
    let deep_maps: String = (0..10_000).map(|_| "{a: ").collect();
    assert_eq!(problems(deep_maps), ["1:65: nested more than 16 deep"]);
    let mut block = String::new();
    for depth in 0..200 {
        block.push_str(&format!("{}a:\n", " ".repeat(depth)));
    }
    assert_eq!(problems(block), ["17:17: nested more than 16 deep"]);
    let many = format!("a: [{}]", "1,".repeat(10_000));
    assert!(problems(many)[0].ends_with("more than 4096 values in one playbook"));
    let large = format!("# {}", "x".repeat(70_000));
    assert_eq!(
        problems(large),
        ["1:1: the file has 70002 bytes, a playbook has at most 65536"]
    );
    let duplicates = "a: 1\n".repeat(200);
    assert_eq!(problems(duplicates).len(), 50);
    let steps = "  - {id: a, do: net.block_ip}\n".repeat(500);
    let head = GOOD.split("steps:").next().unwrap();
    assert_eq!(problems(format!("{head}steps:\n{steps}")).len(), 50);
}

#[test]
fn a_condition_is_pointed_into_wherever_it_is_written() {
    let when = "'incident.technique(\"T1110\") && incident.confidence >= 0.5'";
    for (to, expected) in [
        ("incident.confidnce > 0.5", "4:7"),
        ("'true && incident.confidnce > 0.5'", "4:16"),
        ("\"true && incident.confidnce > 0.5\"", "4:16"),
        ("\"user == \\\"x\\\" && incident.confidnce > 0.5\"", "4:25"),
        ("'user == ''x'' && incident.confidnce > 0.5'", "4:25"),
        (">-\n  true &&\n  incident.confidnce > 0.5", "6:3"),
        ("|\n  true &&\n  incident.confidnce > 0.5", "6:3"),
        ("true &&\n  incident.confidnce > 0.5", "5:3"),
    ] {
        let words = "unknown reference \"incident.confidnce\" (did you mean confidence?)";
        changed(when, to, &[&format!("{expected}: {words}")]);
    }
    changed(when, "''", &["4:7: the condition is empty"]);
    changed(
        when,
        "user == \"x\" && src.host == \"y\"",
        &["4:22: src.host is not declared (inputs: {src.host: {type: host, optional: true}})"],
    );
}

#[test]
fn a_truncated_playbook_is_refused_or_read_but_never_more() {
    for (_, text) in Playbooks::embedded() {
        for end in 0..text.len() {
            let head = text.get(..end).unwrap();
            if let Err(problems) = Playbook::parse(head) {
                assert!(!problems.is_empty() && problems.len() <= 50);
            }
        }
    }
}
