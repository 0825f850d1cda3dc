//! Real files and loopback sockets; the clock moves only when a test moves it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use event::{ManualClock, Time};

use super::files::StreamState;
use super::follow::Follower;
use super::framing::Framing;
use super::lines::Lines;
use super::*;

/// Far longer than anything here takes: only a bug waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Reading {
    intake: Intake,
    receiver: Receiver<Feed>,
    clock: Arc<ManualClock>,
    /// Offsets of all batches received: what a pipeline would have committed.
    offsets: HashMap<String, String>,
}

fn read(sources: Vec<SourceSpec>, known: HashMap<String, String>) -> Reading {
    let clock = Arc::new(ManualClock::at(Time::from_seconds(1_800_000_000)));
    let (sender, receiver) = sync_channel(4);
    let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let offsets = known.clone();
    let intake = start(sources, known, as_clock, sender).unwrap();
    Reading {
        intake,
        receiver,
        clock,
        offsets,
    }
}

fn follow(path: &Path) -> Vec<SourceSpec> {
    vec![SourceSpec::File(FileSource {
        path: path.to_path_buf(),
        follow: true,
    })]
}

fn once(path: &Path) -> Vec<SourceSpec> {
    vec![SourceSpec::File(FileSource {
        path: path.to_path_buf(),
        follow: false,
    })]
}

impl Reading {
    /// The next batch's records.
    fn batch(&mut self) -> Vec<Record> {
        match self.receiver.recv_timeout(PATIENCE).unwrap() {
            Feed::Batch { records, offsets } => {
                let new = offsets
                    .into_iter()
                    .map(|offset| (offset.stream, offset.state));
                self.offsets.extend(new);
                records
            }
            other => panic!("{other:?}"),
        }
    }

    /// As many records as asked for; more is an error.
    fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(self.batch());
        }
        assert_eq!(records.len(), count, "{:?}", texts(&records));
        records
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        texts(&self.records(count))
    }

    fn end(self) -> (HashMap<String, String>, Counts) {
        self.intake.stop();
        let counts = self.intake.counts();
        // What the channel still held was not committed: it comes again at the next start.
        (self.offsets, counts)
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(&record.bytes).into_owned();
    records.iter().map(text).collect()
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn append_lines(path: &Path, range: std::ops::Range<usize>) {
    append(path, &(numbered(range).join("\n") + "\n"));
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.log");
    (dir, path)
}

#[test]
fn a_followed_file_gives_its_lines_and_keeps_the_incomplete_one() {
    let (_dir, path) = folder();
    append(&path, "one\r\ntwo\nthr");
    let mut reading = read(follow(&path), HashMap::new());
    let records = reading.records(2);
    assert_eq!(texts(&records), ["one", "two"]);
    assert_eq!(
        records.iter().map(|r| r.position).collect::<Vec<_>>(),
        [0, 5]
    );
    assert_eq!(records[0].stream.as_str(), path.to_string_lossy());
    assert!(!records[0].spoofable);
    append(&path, "ee\n\n\u{e9}\n");
    assert_eq!(reading.lines(3), ["three", "", "\u{e9}"]);
    assert_eq!(reading.end().1.records, 5);
}

#[test]
fn a_file_may_come_later() {
    let (_dir, path) = folder();
    let mut reading = read(follow(&path), HashMap::new());
    append(&path, "first\n");
    assert_eq!(reading.lines(1), ["first"]);
}

#[test]
fn rotation_under_writes_loses_and_repeats_nothing() {
    let (dir, path) = folder();
    append_lines(&path, 0..1);
    let mut reading = read(follow(&path), HashMap::new());
    let mut positions = Vec::new();
    assert_eq!(reading.lines(1), numbered(0..1));
    for round in 0..20 {
        let first = 1 + round * 40;
        let mut old = File::options().append(true).open(&path).unwrap();
        append_lines(&path, first..first + 10);
        fs::rename(&path, dir.path().join(format!("auth.log-{round}"))).unwrap();
        // The writer has not noticed yet; then the new file is there, and still it has not.
        writeln!(old, "{}", numbered(first + 10..first + 20).join("\n")).unwrap();
        File::create_new(&path).unwrap();
        writeln!(old, "{}", numbered(first + 20..first + 30).join("\n")).unwrap();
        append_lines(&path, first + 30..first + 40);
        let records = reading.records(40);
        assert_eq!(
            texts(&records),
            numbered(first..first + 40),
            "round {round}"
        );
        positions.extend(records.iter().map(|record| record.position));
    }
    assert!(positions.is_sorted_by(|a, b| a < b), "no position twice");
}

#[test]
fn a_late_writer_of_the_rotated_file_is_still_heard_until_it_is_quiet() {
    let (dir, path) = folder();
    append(&path, "old 1\n");
    let mut reading = read(follow(&path), HashMap::new());
    assert_eq!(reading.lines(1), ["old 1"]);
    let mut old = File::options().append(true).open(&path).unwrap();
    fs::rename(&path, dir.path().join("auth.log.1")).unwrap();
    append(&path, "new 1\n");
    assert_eq!(reading.lines(1), ["new 1"]);
    old.write_all(b"old 2\nwithout end").unwrap();
    assert_eq!(reading.lines(1), ["old 2"]);
    assert_eq!(files_in_state(&reading, &path), 2);
    // Woken once, it stands at its end; ten seconds later it is let go with its last line.
    append(&path, "new 2\n");
    assert_eq!(reading.lines(1), ["new 2"]);
    reading.clock.advance(Duration::from_secs(11));
    append(&path, "new 3\n");
    let mut last = reading.lines(2);
    last.sort();
    assert_eq!(last, ["new 3", "without end"]);
    append(&path, "new 4\n");
    assert_eq!(reading.lines(1), ["new 4"]);
    assert_eq!(files_in_state(&reading, &path), 1);
}

fn files_in_state(reading: &Reading, path: &Path) -> usize {
    let state = &reading.offsets[path.to_string_lossy().as_ref()];
    serde_json::from_str::<StreamState>(state)
        .unwrap()
        .files
        .len()
}

#[test]
fn a_truncated_file_is_read_from_its_new_start() {
    let (_dir, path) = folder();
    append(&path, "a long first line\nincomplete");
    let mut reading = read(follow(&path), HashMap::new());
    let mut records = reading.records(1);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    append(&path, "b\n");
    records.extend(reading.records(2));
    // Written anew, longer than before: only its head tells.
    fs::write(&path, "another and much longer first line\n").unwrap();
    records.extend(reading.records(1));
    let expected = [
        "a long first line",
        "incomplete",
        "b",
        "another and much longer first line",
    ];
    assert_eq!(texts(&records), expected);
    let mut positions: Vec<u64> = records.iter().map(|record| record.position).collect();
    positions.dedup();
    assert_eq!(positions.len(), 4);
}

#[test]
fn a_restart_repeats_and_loses_nothing_also_over_two_rotations() {
    for received in [0, 1, 2] {
        let (dir, path) = folder();
        append_lines(&path, 0..3000);
        let mut reading = read(follow(&path), HashMap::new());
        let mut lines = Vec::new();
        for _ in 0..received {
            lines.extend(texts(&reading.batch()));
        }
        let (known, _) = reading.end();
        append_lines(&path, 3000..3010);
        fs::rename(&path, dir.path().join("auth.log.2")).unwrap();
        later(&dir.path().join("auth.log.2"), 1);
        append_lines(&path, 3010..3020);
        fs::rename(&path, dir.path().join("auth.log.1")).unwrap();
        later(&dir.path().join("auth.log.1"), 2);
        append_lines(&path, 3020..3030);
        let first = if received == 0 { 3020 } else { lines.len() };
        let mut reading = read(follow(&path), known);
        lines.extend(reading.lines(3030 - first));
        let expected = numbered(if received == 0 { 3020..3030 } else { 0..3030 });
        assert_eq!(lines, expected, "{received} batches received before");
    }
}

/// Sets a file's time of change, so that the order of rotations does not hang on the file system.
fn later(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

#[test]
fn any_order_of_writes_rotations_and_restarts_loses_and_repeats_nothing() {
    for seed in 0..30 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 32));
        let (dir, path) = folder();
        let (mut written, mut rotations) = (0, 0);
        let mut lines = Vec::new();
        append_lines(&path, 0..1);
        let mut reading = read(follow(&path), HashMap::new());
        lines.extend(reading.lines(1));
        written += 1;
        for step in 0..60 {
            match random.below(9) {
                0..4 => {
                    let count = 1 + random.below(600) as usize;
                    append_lines(&path, written..written + count);
                    later(&path, step);
                    written += count;
                }
                4..6 => {
                    rotations += 1;
                    fs::rename(&path, dir.path().join(format!("auth.log-{rotations:03}"))).unwrap();
                    append_lines(&path, written..written + 1);
                    later(&path, step);
                    written += 1;
                }
                6 | 7 if lines.len() < written => lines.extend(texts(&reading.batch())),
                8 => {
                    let (known, _) = reading.end();
                    reading = read(follow(&path), known);
                }
                _ => {}
            }
        }
        lines.extend(reading.lines(written - lines.len()));
        assert_eq!(lines, numbered(0..written), "seed {seed}");
    }
}

#[test]
fn a_restart_after_truncation_reads_from_the_start() {
    let (_dir, path) = folder();
    append(&path, "one\ntwo\n");
    let mut reading = read(follow(&path), HashMap::new());
    reading.lines(2);
    let (known, _) = reading.end();
    fs::write(&path, "three\n").unwrap();
    let mut reading = read(follow(&path), known);
    assert_eq!(reading.lines(1), ["three"]);
    let (known, _) = reading.end();
    fs::write(&path, "four is longer than three\n").unwrap();
    let mut reading = read(follow(&path), known);
    assert_eq!(reading.lines(1), ["four is longer than three"]);
}

#[test]
fn a_file_that_is_gone_at_restart_is_told() {
    let (_dir, path) = folder();
    append(&path, "one\n");
    let mut reading = read(follow(&path), HashMap::new());
    reading.lines(1);
    let (known, _) = reading.end();
    fs::remove_file(&path).unwrap();
    let reading = read(follow(&path), known);
    let told = reading.receiver.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(&told, Feed::Problem { text, .. } if text.contains("byte 4")),
        "{told:?}"
    );
}

#[test]
fn an_unreadable_offset_is_told_and_nothing_is_lost() {
    let (_dir, path) = folder();
    append(&path, "one\n");
    let known = HashMap::from([(path.to_string_lossy().into_owned(), "{\"x\":".into())]);
    let mut reading = read(follow(&path), known);
    let told = reading.receiver.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(told, Feed::Problem { .. }), "{told:?}");
    assert_eq!(reading.lines(1), ["one"]);
}

#[test]
fn a_directory_is_followed_with_its_new_files_and_without_rotated_ones() {
    let (dir, path) = folder();
    append(&path, "auth 1\n");
    append(&dir.path().join("auth.log.1"), "rotated long ago\n");
    append(&dir.path().join("auth.log.2.gz"), "compressed\n");
    fs::create_dir(dir.path().join("deeper")).unwrap();
    let mut reading = read(follow(dir.path()), HashMap::new());
    assert_eq!(reading.lines(1), ["auth 1"]);
    append(&dir.path().join("mail.log"), "mail 1\n");
    assert_eq!(reading.lines(1), ["mail 1"]);
    fs::rename(&path, dir.path().join("renamed oddly")).unwrap();
    append(&path, "auth 2\n");
    assert_eq!(reading.lines(1), ["auth 2"]);
    let (known, _) = reading.end();
    fs::rename(&path, dir.path().join("auth.log.1")).unwrap();
    append(&dir.path().join("auth.log.1"), "auth 3\n");
    let mut reading = read(follow(dir.path()), known);
    assert_eq!(
        reading.lines(1),
        ["auth 3"],
        "found by its number, under its new name"
    );
}

#[test]
fn without_inotify_files_are_followed_all_the_same() {
    let (dir, path) = folder();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let (sender, receiver) = sync_channel(4);
    let intake = start(
        Vec::new(),
        HashMap::new(),
        Arc::clone(&clock),
        sender.clone(),
    )
    .unwrap();
    let (stop, counters) = (Arc::clone(&intake.stop), Arc::clone(&intake.counters));
    let follower = Follower::polling(vec![path.clone()]);
    let outlet = Outlet::new(sender, clock, stop, counters);
    intake
        .spawn("follow", outlet, move |outlet| follower.run(outlet))
        .unwrap();
    let clock = Arc::new(ManualClock::default());
    let mut reading = Reading {
        intake,
        receiver,
        clock,
        offsets: HashMap::new(),
    };
    append(&path, "one\n");
    assert_eq!(reading.lines(1), ["one"]);
    fs::rename(&path, dir.path().join("auth.log.1")).unwrap();
    append(&path, "two\n");
    assert_eq!(reading.lines(1), ["two"]);
}

#[test]
fn a_file_read_once_ends_with_its_last_line() {
    let (_dir, path) = folder();
    fs::write(&path, b"\xff\x00\x01 binary\nlast without newline").unwrap();
    let mut reading = read(once(&path), HashMap::new());
    let records = reading.records(1);
    assert_eq!(records[0].bytes, b"\xff\x00\x01 binary");
    assert_eq!(reading.lines(1), ["last without newline"]);
    let ended = reading.receiver.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(ended, Feed::Ended { .. }), "{ended:?}");
    let (known, _) = reading.end();
    let again = read(once(&path), known);
    let ended = again.receiver.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(ended, Feed::Ended { .. }),
        "nothing twice: {ended:?}"
    );
}

#[test]
fn a_directory_read_once_gives_each_file_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.log", "a.log", "c.log.1", "d.gz"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let mut reading = read(once(dir.path()), HashMap::new());
    for name in ["a.log", "b.log", "c.log.1"] {
        assert_eq!(reading.lines(1), [name]);
        let ended = reading.receiver.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(&ended, Feed::Ended { stream } if stream.as_str().ends_with(name)));
    }
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let (pipe, mut into) = std::io::pipe().unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", pipe.as_raw_fd()));
    let mut reading = read(once(&path), HashMap::new());
    into.write_all(b"one\ntw").unwrap();
    assert_eq!(reading.lines(1), ["one"]);
    into.write_all(b"o\nthree").unwrap();
    assert_eq!(reading.lines(1), ["two"]);
    drop(into);
    assert_eq!(reading.lines(1), ["three"]);
    let ended = reading.receiver.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(ended, Feed::Ended { .. }), "{ended:?}");
}

#[test]
fn a_line_above_the_limit_is_cut_and_the_next_one_is_whole() {
    let (_dir, path) = folder();
    let lengths = [
        LINE_BYTES_MAX,
        LINE_BYTES_MAX + 1,
        5 * LINE_BYTES_MAX + 7,
        3,
    ];
    for length in lengths {
        append(&path, &("x".repeat(length) + "\n"));
    }
    let mut reading = read(follow(&path), HashMap::new());
    let records = reading.records(4);
    let read: Vec<usize> = records.iter().map(|record| record.bytes.len()).collect();
    assert_eq!(
        read,
        [LINE_BYTES_MAX, LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 1, 3]
    );
    assert_eq!(
        records[3].position,
        (lengths[..3].iter().sum::<usize>() + 3) as u64
    );
    assert_eq!(reading.end().1.cut, 2);
}

#[test]
fn stopping_does_not_wait_for_a_receiver_and_counts_what_it_leaves() {
    let (_dir, path) = folder();
    append_lines(&path, 0..20_000);
    let mut reading = read(follow(&path), HashMap::new());
    let lines = texts(&reading.batch());
    let (known, counts) = reading.end();
    assert!(counts.records >= lines.len() as u64);
    let mut reading = read(follow(&path), known);
    let rest = reading.lines(20_000 - lines.len());
    assert_eq!([lines, rest].concat(), numbered(0..20_000));
}

#[test]
fn splitting_does_not_hang_on_how_the_bytes_come() {
    let text = b"\n\nabc\r\nde\rf\n\xff\n\r\nlast";
    let expected: [&[u8]; 7] = [b"", b"", b"abc", b"de\rf", b"\xff", b"", b"last"];
    for size in 1..=text.len() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut end = 0;
        for chunk in text.chunks(size) {
            let mut rest = chunk;
            while let Some(line) = lines.next(&mut rest) {
                assert_eq!(line.start, end);
                end = line.end;
                found.push(line.bytes);
            }
        }
        found.extend(lines.rest().map(|line| line.bytes));
        assert_eq!(found, expected, "chunks of {size}");
    }
}

#[test]
fn framing_does_not_hang_on_how_the_bytes_come() {
    let text = b"5 ab\ncd<34>line one\n3 x\r\n007 is a line\n12345678 too\n4 same2 ok9 short";
    let expected: [&[u8]; 8] = [
        b"ab\ncd",
        b"<34>line one",
        b"x",
        b"007 is a line",
        b"12345678 too",
        b"same",
        b"ok",
        b"short",
    ];
    for size in 1..=text.len() {
        let mut framing = Framing::default();
        let mut found = Vec::new();
        for chunk in text.chunks(size) {
            let mut rest = chunk;
            while let Some(message) = framing.next(&mut rest) {
                found.push(message.bytes);
            }
        }
        found.extend(framing.rest().map(|message| message.bytes));
        assert_eq!(found, expected, "chunks of {size}");
    }
}

#[test]
fn a_counted_message_above_the_limit_is_cut_and_its_length_believed() {
    let mut framing = Framing::default();
    let mut bytes = b"3000000 ".to_vec();
    bytes.extend(vec![b'x'; 3_000_000]);
    bytes.extend(b"2 ok");
    let mut found = Vec::new();
    for chunk in bytes.chunks(65_536) {
        let mut rest = chunk;
        while let Some(message) = framing.next(&mut rest) {
            found.push((message.bytes.len(), message.cut));
        }
        assert!(framing.held() <= LINE_BYTES_MAX + 1);
    }
    assert_eq!(found, [(LINE_BYTES_MAX + 1, true), (2, false)]);
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn listen(udp: bool, tcp: bool) -> Reading {
    let address = |wanted: bool| wanted.then(loopback);
    let source = ListenSource {
        udp: address(udp),
        tcp: address(tcp),
    };
    read(vec![SourceSpec::Listen(source)], HashMap::new())
}

#[test]
fn datagrams_are_records_that_anyone_may_have_sent() {
    let mut reading = listen(true, false);
    let address = reading.intake.addresses()[0];
    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.send_to(b"<34>one\n", address).unwrap();
    socket.send_to(b"<34>two", address).unwrap();
    let records = reading.records(2);
    assert_eq!(texts(&records), ["<34>one", "<34>two"]);
    assert!(records.iter().all(|record| record.spoofable));
    assert_eq!(records[0].position + 1, records[1].position);
    assert_eq!(records[0].stream.as_str(), format!("udp:{address}"));
}

#[test]
fn datagrams_that_nobody_takes_are_dropped_and_counted() {
    let reading = listen(true, false);
    let address = reading.intake.addresses()[0];
    let socket = UdpSocket::bind(loopback()).unwrap();
    let mut sent = 0_u64;
    while reading.intake.counts().udp_dropped == 0 {
        socket.send_to(b"<34>flood", address).unwrap();
        sent += 1;
    }
    let counts = reading.intake.counts();
    assert!(counts.records + counts.udp_dropped <= sent);
}

#[test]
fn connections_are_read_in_both_framings_and_to_their_last_bytes() {
    let mut reading = listen(false, true);
    let address = reading.intake.addresses()[0];
    let mut counted = TcpStream::connect(address).unwrap();
    counted.write_all(b"11 <34>one\nend").unwrap();
    let records = reading.records(1);
    assert_eq!(texts(&records), ["<34>one\nend"]);
    assert!(!records[0].spoofable);
    let mut lines = TcpStream::connect(address).unwrap();
    lines.write_all(b"<34>two\r\n<34>thr").unwrap();
    assert_eq!(reading.lines(1), ["<34>two"]);
    drop(lines);
    assert_eq!(reading.lines(1), ["<34>thr"]);
    counted.write_all(b"\n").unwrap();
    counted
        .write_all(&[b"<34>", "x".repeat(LINE_BYTES_MAX).as_bytes(), b"\n"].concat())
        .unwrap();
    assert_eq!(reading.records(1)[0].bytes.len(), LINE_BYTES_MAX + 1);
}

#[test]
fn a_peer_with_too_many_connections_is_refused_and_counted() {
    let mut reading = listen(false, true);
    let address = reading.intake.addresses()[0];
    let mut connections: Vec<TcpStream> = (0..33)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut last = connections.pop().unwrap();
    assert_eq!(last.read(&mut [0; 1]).unwrap_or(0), 0, "closed");
    assert_eq!(reading.intake.counts().connections_refused, 1);
    connections[31].write_all(b"still read\n").unwrap();
    assert_eq!(reading.lines(1), ["still read"]);
}

#[test]
fn what_cannot_be_read_is_said_at_the_start() {
    let (_dir, path) = folder();
    let taken = UdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind(taken).unwrap();
    let udp = ListenSource {
        udp: Some(socket.local_addr().unwrap()),
        tcp: None,
    };
    let many = vec![follow(&path)[0].clone(); SOURCES_MAX + 1];
    let cases = [
        (once(&path), "cannot read"),
        (follow(Path::new("-")), "cannot be followed"),
        (follow(Path::new("/dev/null")), "cannot be followed"),
        (vec![SourceSpec::Listen(udp)], "cannot listen on udp"),
        (many, "above the limit"),
    ];
    for (sources, expected) in cases {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let error = start(sources, HashMap::new(), clock, sync_channel(1).0).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
