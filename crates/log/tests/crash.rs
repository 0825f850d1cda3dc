//! Real crashes and a real full disk: this test binary runs itself as the writing process.

#![expect(
    clippy::disallowed_methods,
    reason = "the child process is this very test binary, told by its environment what to do"
)]
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use event::Time;
use vertice_log::{LogConfig, LogError, Reader, Writer};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        block_bytes: 1_000,
        ..LogConfig::default()
    }
}

/// Record `number`: its text, and some length that varies.
fn content(number: u64) -> Vec<u8> {
    let filler = (number.wrapping_mul(2_654_435_761) % 700) as usize;
    format!("{number} ")
        .into_bytes()
        .into_iter()
        .chain(vec![number as u8; filler])
        .collect()
}

fn append(writer: &mut Writer, count: u64) -> Result<u64, LogError> {
    let first = writer.next_sequence();
    let contents: Vec<Vec<u8>> = (first..first + count).map(content).collect();
    let time = Time::from_seconds(first as i64);
    let records: Vec<(Time, &[u8])> = contents.iter().map(|bytes| (time, &bytes[..])).collect();
    writer.append(&records)?;
    writer.sync()?;
    Ok(first + count)
}

/// Appends for ever and says after each sync how far everything is durable.
#[test]
#[ignore = "the child process of `every_acknowledged_record_survives_kill_9`"]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var("VERTICE_LOG_TEST_DIR") else {
        return;
    };
    let (mut writer, _) = Writer::open(Path::new(&dir), config()).unwrap();
    let mut out = std::io::stdout().lock();
    for turn in 0_u64.. {
        let end = append(&mut writer, 1 + turn % 9).unwrap();
        writeln!(out, "durable {end}").unwrap();
        out.flush().unwrap();
    }
}

fn spawn(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_that_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("VERTICE_LOG_TEST_DIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Lets the child write `turns` acknowledgements and a little more, kills it, and returns the
/// last acknowledged end.
fn kill_after(dir: &Path, turns: u64, delay: u64) -> u64 {
    let (mut child, mut out) = spawn(dir);
    let mut durable = 0;
    let mut acknowledged = 0;
    let mut line = String::new();
    while out.read_line(&mut line).unwrap() > 0 {
        if let Some(end) = line.trim().strip_prefix("durable ") {
            durable = end.parse().unwrap();
            acknowledged += 1;
        }
        line.clear();
        if acknowledged == turns {
            (0..delay).for_each(|_| std::hint::spin_loop());
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged >= turns, "the child ended by itself");
    durable
}

/// Every record up to `durable` exactly once and in order; returns how many there are.
fn verify(dir: &Path, durable: u64) -> u64 {
    let (writer, recovery) = Writer::open(dir, config()).unwrap();
    assert_eq!(recovery.bad_blocks, 0);
    let mut reader = Reader::open(dir).unwrap();
    let mut count = 0;
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(record.sequence, count);
        assert_eq!(record.bytes, content(count));
        count += 1;
    }
    assert!(count >= durable, "{durable} acknowledged, {count} found");
    assert_eq!((writer.next_sequence(), recovery.records), (count, count));
    assert_eq!(reader.skipped_bad_blocks(), 0);
    count
}

/// `VERTICE_KILLS` sets the number of kills, 25 if it is not set.
#[test]
fn every_acknowledged_record_survives_kill_9() {
    let kills = std::env::var("VERTICE_KILLS").map_or(25, |text| text.parse().unwrap());
    let mut dir = tempfile::tempdir().unwrap();
    let random = RandomState::new();
    let mut found = 0;
    for kill in 0..kills {
        if kill % 50 == 49 {
            dir = tempfile::tempdir().unwrap(); // keeps the check after each kill short
            found = 0;
        }
        let number: u64 = random.hash_one(kill);
        let durable = kill_after(dir.path(), 1 + number % 12, (number >> 8) % 200_000);
        let now = verify(dir.path(), durable);
        assert!(now > found, "kill {kill}: no progress");
        found = now;
    }
    println!("{kills} kills, no acknowledged record lost, none twice");
}

/// Fills the file size limit or the disk, then goes on once there is room again.
#[test]
#[ignore = "the child process of the tests of a full disk"]
fn child_with_little_room() {
    let Ok(dir) = std::env::var("VERTICE_LOG_TEST_DIR") else {
        return;
    };
    let large = LogConfig {
        segment_bytes: 1 << 40,
        ..config()
    };
    let (mut writer, _) = Writer::open(Path::new(&dir), large).unwrap();
    let ballast = Path::new(&dir).join("ballast");
    std::fs::write(&ballast, vec![1; 100_000]).unwrap();
    let mut last = 0;
    let error = loop {
        match append(&mut writer, 7) {
            Ok(end) => last = end,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::NoSpace { .. }), "{error}");
    std::fs::remove_file(&ballast).unwrap();
    let mut reader = Reader::open(Path::new(&dir)).unwrap();
    assert_eq!(
        count(&mut reader),
        last,
        "nothing of the failed append remains"
    );
    let next = writer.next_sequence();
    append(&mut writer, 3).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().sequence, next);
    assert_eq!(count(&mut reader), 2);
    assert_eq!(reader.skipped_bad_blocks(), 0);
    println!("went on after {error}");
}

fn count(reader: &mut Reader) -> u64 {
    let mut count = 0;
    while reader.next_record().unwrap().is_some() {
        count += 1;
    }
    count
}

fn run_in_shell(script: &str, child: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([child, "--exact", "--ignored", "--nocapture"])
        .env("VERTICE_LOG_TEST_DIR", dir.path().join("log"))
        .env("VERTICE_LOG_TEST_MOUNT", dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && out.contains("went on"),
        "{out}\n{error}"
    );
}

#[test]
fn at_the_file_size_limit_nothing_acknowledged_is_lost_and_the_log_goes_on() {
    run_in_shell(
        r#"trap "" XFSZ; ulimit -f 256; exec "$@""#,
        "child_with_little_room",
    );
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn on_a_full_disk_nothing_acknowledged_is_lost_and_the_log_goes_on() {
    let script = r#"exec unshare -m sh -ec '
        mount -t tmpfs -o size=400k tmpfs "$VERTICE_LOG_TEST_MOUNT"; exec "$@"' sh "$@""#;
    run_in_shell(script, "child_with_little_room");
}

#[test]
#[ignore = "the child process of the test of a read-only folder"]
fn child_in_a_read_only_folder() {
    let Ok(dir) = std::env::var("VERTICE_LOG_TEST_DIR") else {
        return;
    };
    let error = Writer::open(Path::new(&dir), config()).err().unwrap();
    assert!(matches!(error, LogError::NotWritable { .. }), "{error}");
    println!("went on after {error}");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_read_only_folder_is_a_clear_error() {
    let script = r#"exec unshare -m sh -ec '
        mount -t tmpfs -o ro tmpfs "$VERTICE_LOG_TEST_MOUNT"; exec "$@"' sh "$@""#;
    run_in_shell(script, "child_in_a_read_only_folder");
}
