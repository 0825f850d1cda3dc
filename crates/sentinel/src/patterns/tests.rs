use event::body::{Account, AccountChange, Audit, AuditChange, Privilege};
use event::{Finding, Role};
use expect_test::expect_file;
use proptest::prelude::*;

use super::command::parse;
use super::*;
use crate::testing::{assert_restart_changes_nothing, event, findings, lines, sample};

fn detector() -> Box<dyn Detector> {
    Box::new(Patterns::new(Limits::default()))
}

fn found(events: &[Event]) -> Vec<Finding> {
    findings(detector().as_mut(), events)
}

fn sudo(at_s: f64, command: &str) -> Event {
    privilege(at_s, command, true, None)
}

fn privilege(at_s: f64, command: &str, granted: bool, reason: Option<&str>) -> Event {
    let body = Privilege {
        tool: Name::new("sudo"),
        granted,
        actor: Name::new("anna"),
        target: Name::new("root"),
        command: Some(Name::new(command)),
        directory: Some(Name::new("/home/anna")),
        reason: reason.map(Name::new),
    };
    event(at_s, "web01", Body::Privilege(body))
}

fn account(change: AccountChange, user: &str, group: Option<&str>, uid: Option<u32>) -> Event {
    let body = Account {
        change,
        user: Name::new(user),
        group: group.map(Name::new),
        uid,
        by: None,
    };
    event(0.0, "web01", Body::Account(body))
}

fn audit(at_s: f64, change: AuditChange, object: &str) -> Event {
    let body = Audit {
        change,
        object: Name::new(object),
        by: None,
    };
    event(at_s, "web01", Body::Audit(body))
}

/// Rule ids that a command makes at once.
fn rules_of(command: &str) -> Vec<String> {
    let found = found(&[sudo(0.0, command)]).into_iter();
    found
        .map(|finding| finding.rule.id.as_str().to_owned())
        .collect()
}

#[test]
fn malicious_sample() {
    let found = found(&sample(include_str!("samples/malicious.jsonl")));
    expect_file!["expected/malicious.jsonl"].assert_eq(&lines(&found));
}

#[test]
fn benign_sample_stays_silent() {
    assert_eq!(found(&sample(include_str!("samples/benign.jsonl"))), []);
}

#[test]
fn commands_that_hide_traces_are_found() {
    for (command, rule) in [
        ("/usr/bin/rm -f /var/log/auth.log", "patterns.log_tampering"),
        ("rm -rf /var/log/*", "patterns.log_tampering"),
        ("rm -rf /var/log", "patterns.log_tampering"),
        ("/usr/bin/shred -u /var/log/wtmp", "patterns.log_tampering"),
        ("truncate -s 0 /var/log/syslog", "patterns.log_tampering"),
        ("cp /dev/null /var/log/secure", "patterns.log_tampering"),
        ("ln -sf /dev/null /var/log/btmp", "patterns.log_tampering"),
        (
            "dd if=/dev/zero of=/var/log/lastlog",
            "patterns.log_tampering",
        ),
        ("bash -c > /var/log/auth.log", "patterns.log_tampering"),
        (
            "/bin/sh -c echo > /var/log/auth.log",
            "patterns.log_tampering",
        ),
        (
            "/bin/sh -c \"cat /dev/null>/var/log/app.log\"",
            "patterns.log_tampering",
        ),
        (
            "bash -c id; rm /var/log/../log/auth.log",
            "patterns.log_tampering",
        ),
        (
            "env X=1 nohup rm /var/log/audit/audit.log",
            "patterns.log_tampering",
        ),
        (
            "journalctl --rotate --vacuum-time=1s",
            "patterns.log_tampering",
        ),
        ("journalctl --vacuum-size 1M", "patterns.log_tampering"),
        ("rm /root/.bash_history", "patterns.history_removed"),
        ("bash -c history -c", "patterns.history_removed"),
        ("bash -c unset HISTFILE", "patterns.history_removed"),
        (
            "bash -c export HISTFILE=/dev/null; id",
            "patterns.history_removed",
        ),
        ("auditctl -e 0", "patterns.audit_off"),
        ("/sbin/auditctl -D", "patterns.audit_off"),
        ("systemctl disable --now auditd", "patterns.audit_off"),
        ("systemctl mask rsyslog.service", "patterns.logging_off"),
        ("pkill -9 rsyslogd", "patterns.logging_off"),
        ("chmod u+s /tmp/.x", "patterns.setuid"),
        ("chmod 4755 /bin/bash", "patterns.setuid"),
        ("chmod a=rws,o-w /tmp/x", "patterns.setuid"),
    ] {
        assert_eq!(rules_of(command), [rule], "{command}");
    }
}

#[test]
fn one_command_makes_one_finding_of_a_rule_with_all_its_targets() {
    let told = found(&[sudo(
        0.0,
        "rm /var/log/app.log /var/log/auth.log /var/log/wtmp",
    )]);
    assert_eq!(told.len(), 1);
    let targets: Vec<String> = told[0]
        .in_role(Role::Target)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        targets,
        ["/var/log/app.log", "/var/log/auth.log", "/var/log/wtmp"]
    );
    assert_eq!(told[0].severity, Severity::High, "the worst of them");
    assert!(told[0].why.ends_with(", and 2 more"), "{}", told[0].why);
}

#[test]
fn everyday_commands_stay_silent() {
    for command in [
        "/usr/bin/vim /var/log/../notes",
        "/usr/bin/grep rm /var/log/syslog",
        "rm /var/log/../notes",
        "rm /home/anna/log/auth.log",
        "rm /var/logs/auth.log",
        "rm /var/log/nginx/access.log.3.gz",
        "rm /var/log/syslog.1",
        "less /var/log/auth.log",
        "tail -f /var/log/auth.log > /tmp/copy",
        "bash -c /opt/job >> /var/log/syslog",
        "bash -c /opt/job > /var/log/job.log 2>&1",
        "cp /var/log/auth.log /dev/null",
        "journalctl --vacuum-time=2weeks",
        "journalctl --rotate",
        "journalctl -u ssh --since today",
        "auditctl -e 1",
        "auditctl -l",
        "systemctl status auditd",
        "systemctl restart nginx",
        "kill -HUP rsyslogd",
        "chmod g+s /srv/shared",
        "chmod 2775 /srv/shared",
        "chmod 0755 /usr/local/bin/tool",
        "chmod u+x script.sh",
        "echo rm /var/log/auth.log",
        "apt-get install -y auditd",
        "bash -c echo 'truncate /var/log/syslog'",
        "/usr/sbin/logrotate -f /etc/logrotate.conf",
    ] {
        assert_eq!(rules_of(command), Vec::<String>::new(), "{command}");
    }
}

#[test]
fn a_relative_path_is_read_from_the_folder() {
    let mut event = sudo(0.0, "rm auth.log");
    assert_eq!(found(std::slice::from_ref(&event)), []);
    if let Body::Privilege(privilege) = &mut event.body {
        privilege.directory = Some(Name::new("/var/log"));
    }
    assert_eq!(found(&[event]).len(), 1);
}

#[test]
fn a_restart_of_logging_is_silent_in_any_order_and_a_stop_is_not() {
    let tick = |at_s: f64| sudo(at_s, "id");
    let restart = [
        sudo(0.0, "systemctl stop rsyslog"),
        sudo(60.0, "systemctl start rsyslog"),
        tick(900.0),
        tick(1000.0),
    ];
    assert_eq!(found(&restart), []);
    let mut backwards = restart.to_vec();
    backwards.swap(0, 1);
    assert_eq!(found(&backwards), []);
    let stop = [sudo(0.0, "service auditd stop"), tick(200.0), tick(400.0)];
    let told = found(&stop);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].rule.id.as_str(), "patterns.audit_off");
    assert!(
        told[0].why.contains("did not start again within 2 min"),
        "{}",
        told[0].why
    );
    let record = [
        audit(0.0, AuditChange::Stopped, "auditd"),
        tick(200.0),
        tick(400.0),
    ];
    assert_eq!(found(&record).len(), 1);
}

#[test]
fn a_cleared_log_and_disabled_auditing_are_told_at_once() {
    let told = found(&[
        audit(0.0, AuditChange::Cleared, "/var/log/wtmp"),
        audit(1.0, AuditChange::Disabled, "auditd"),
    ]);
    let rules: Vec<&str> = told
        .iter()
        .map(|finding| finding.rule.id.as_str())
        .collect();
    assert_eq!(rules, ["patterns.log_tampering", "patterns.audit_off"]);
}

#[test]
fn new_administrators_are_told_and_new_users_are_not() {
    for (event, rules) in [
        (account(AccountChange::Created, "toor", None, Some(0)), 1),
        (account(AccountChange::Modified, "toor", None, Some(0)), 1),
        (
            account(AccountChange::AddedToGroup, "eve", Some("sudo"), None),
            1,
        ),
        (
            account(AccountChange::AddedToGroup, "eve", Some("docker"), None),
            1,
        ),
        (
            account(AccountChange::AddedToGroup, "eve", Some("audio"), None),
            0,
        ),
        (account(AccountChange::Created, "eve", None, Some(1001)), 0),
        (account(AccountChange::Created, "root", None, Some(0)), 0),
        (
            account(AccountChange::RemovedFromGroup, "eve", Some("sudo"), None),
            0,
        ),
    ] {
        assert_eq!(
            found(std::slice::from_ref(&event)).len(),
            rules,
            "{event:?}"
        );
    }
}

#[test]
fn refusals_add_up_and_a_stranger_needs_one() {
    let refusal = |at_s: f64| {
        privilege(
            at_s,
            "/bin/bash",
            false,
            Some("3 incorrect password attempts"),
        )
    };
    assert_eq!(found(&[refusal(0.0), refusal(10.0)]), []);
    let told = found(&[refusal(0.0), refusal(10.0), refusal(20.0), refusal(30.0)]);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].evidence.len(), 3);
    let stranger = privilege(0.0, "/bin/bash", false, Some("user NOT in sudoers"));
    assert_eq!(found(&[stranger]).len(), 1);
}

fn beats(from: u32, count: u32, gap_s: f64, host: &str) -> Vec<Event> {
    let body = Body::Other(event::body::Other::default());
    (from..from + count)
        .map(|number| event(f64::from(number) * gap_s, host, body.clone()))
        .collect()
}

#[test]
fn a_regular_stream_that_falls_silent_is_missed_once_and_forgotten_when_it_returns() {
    let mut events = beats(0, 60, 60.0, "db01");
    for number in 0..60_u32 {
        events.push(event(
            3600.0 + f64::from(number) * 60.0,
            "web01",
            Body::Other(event::body::Other::default()),
        ));
    }
    let told = found(&events);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].rule.id.as_str(), "patterns.sensor_silence");
    let hosts: Vec<String> = told[0]
        .in_role(Role::Destination)
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["db01"]);
    events.push(event(
        7200.0,
        "db01",
        Body::Other(event::body::Other::default()),
    ));
    events.extend(beats(121, 60, 60.0, "web01"));
    assert_eq!(found(&events).len(), 1, "it has to be learnt anew");
}

#[test]
fn a_stream_that_comes_in_bursts_is_not_missed() {
    let mut events = Vec::new();
    for burst in 0..4_u32 {
        for number in 0..500_u32 {
            let at = f64::from(burst) * 7200.0 + f64::from(number) * 0.1;
            events.push(event(
                at,
                "db01",
                Body::Other(event::body::Other::default()),
            ));
        }
        events.extend(beats(burst * 120, 120, 60.0, "web01"));
    }
    assert_eq!(found(&events), []);
}

#[test]
fn the_end_of_the_input_is_no_silence() {
    let mut detector = detector();
    let mut out = Out::default();
    for event in beats(0, 100, 60.0, "db01") {
        detector.observe(&event, &mut out);
    }
    detector.advance(Time::MAX, &mut out);
    assert!(out.is_empty());
}

#[test]
fn many_streams_stay_within_the_limit() {
    let mut detector = Patterns::new(Limits {
        keys_max: 20,
        ..Limits::default()
    });
    let mut out = Out::default();
    for number in 0..5000_u32 {
        let host = format!("host{number}");
        detector.observe(
            &audit(f64::from(number), AuditChange::Stopped, &host),
            &mut out,
        );
    }
    let (keys, evicted) = detector.size();
    assert!(keys <= 60 && evicted >= 4980, "{keys} {evicted}");
}

#[test]
fn a_restart_changes_nothing() {
    let events = sample(include_str!("samples/malicious.jsonl"));
    assert_restart_changes_nothing(&detector, &events);
}

#[test]
fn words_are_cut_as_a_shell_cuts_them() {
    let words: Vec<Vec<String>> = parse("a 'b c' \"d\\\"e\" f\\ g 2>&1 >h; i|j && k > 'l m' >> n")
        .into_iter()
        .map(|simple| simple.words)
        .collect();
    assert_eq!(
        words,
        [
            vec!["a", "b c", "d\"e", "f g"],
            vec!["i"],
            vec!["j"],
            vec!["k"]
        ]
    );
    let files: Vec<String> = parse("a 2>&1 >h; k > 'l m' >> n")
        .into_iter()
        .flat_map(|simple| simple.overwrites)
        .collect();
    assert_eq!(files, ["h", "l m"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_command_line_makes_it_fail(
        line in "((ba)?sh -c|sudo|env|rm|>|>>|&|;|'|\"|/var/log/|log| |\\\\|[a-z]|\\PC){0,60}",
        directory in prop::option::of("[a-z/.]{0,20}"),
    ) {
        let deeds = judge(&line, directory.as_deref());
        prop_assert!(deeds.len() <= 32 * 128);
    }
}
