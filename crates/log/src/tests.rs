//! The log against naive models and every kind of damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Time;
use proptest::prelude::*;

use crate::block::{HEADER_BYTES, Header, NotRead, Packer, VERSION};
use crate::segment::list;
use crate::{LogConfig, LogError, RECORD_BYTES_MAX, Reader, Record, Recovery, Writer, fuzz_block};

fn time(seconds: i64) -> Time {
    Time::from_seconds(seconds)
}

/// Blocks of one record or a few.
fn small() -> LogConfig {
    LogConfig {
        block_bytes: 64,
        ..LogConfig::default()
    }
}

fn open(dir: &Path) -> (Writer, Recovery) {
    Writer::open(dir, small()).unwrap()
}

/// Appends one record an append, each its own block; record n is `record n` at second n.
fn fill(dir: &Path, count: u64) {
    let (mut writer, _) = open(dir);
    for _ in 0..count {
        let number = writer.next_sequence();
        let text = format!("record {number}");
        writer
            .append(&[(time(number as i64), text.as_bytes())])
            .unwrap();
    }
    writer.sync().unwrap();
}

fn read_all(reader: &mut Reader) -> Vec<Record> {
    std::iter::from_fn(|| reader.next_record().unwrap()).collect()
}

fn sequences(dir: &Path) -> (Vec<u64>, u64) {
    let mut reader = Reader::open(dir).unwrap();
    let records = read_all(&mut reader);
    for record in &records {
        let text = format!("record {}", record.sequence);
        assert_eq!(record.bytes, text.as_bytes());
        assert_eq!(record.time, time(record.sequence as i64));
    }
    let all = records.iter().map(|record| record.sequence).collect();
    (all, reader.skipped_bad_blocks())
}

fn segment_path(dir: &Path) -> PathBuf {
    list(dir).unwrap().last().unwrap().path(dir)
}

/// Offsets at which the blocks of a sound segment begin, and its end.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let mut borders = vec![0];
    let mut at = 0;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 12..at + 16].try_into().unwrap());
        at += HEADER_BYTES + length as usize;
        borders.push(at);
    }
    borders
}

#[test]
fn what_was_appended_is_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 10);
    assert_eq!(sequences(dir.path()), ((0..10).collect(), 0));
    let (writer, recovery) = open(dir.path());
    assert_eq!((recovery.records, recovery.torn_bytes), (10, 0));
    assert_eq!((recovery.next_sequence, recovery.bad_blocks), (10, 0));
    assert_eq!(writer.next_sequence(), 10);
}

#[test]
fn a_reader_beside_a_live_writer_catches_up_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 200,
        ..small()
    };
    let (mut writer, _) = Writer::open(dir.path(), config).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    for number in 0..50_u64 {
        assert_eq!(reader.next_record().unwrap(), None);
        let appended = writer.append(&[(time(1), b"a"), (time(2), b"b")]).unwrap();
        assert_eq!(appended, 2 * number..2 * number + 2);
        let read = read_all(&mut reader);
        let read: Vec<u64> = read.iter().map(|record| record.sequence).collect();
        assert_eq!(read, [2 * number, 2 * number + 1]);
    }
    assert!(list(dir.path()).unwrap().len() > 10);
}

#[test]
fn a_reader_goes_to_any_sequence_and_waits_beyond_the_end() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 20);
    let mut reader = Reader::open(dir.path()).unwrap();
    for wanted in [19, 0, 7] {
        reader.from(wanted);
        assert_eq!(reader.next_record().unwrap().unwrap().sequence, wanted);
    }
    reader.from(22);
    assert_eq!(reader.next_record().unwrap(), None);
    fill(dir.path(), 4);
    let read = read_all(&mut reader);
    assert_eq!(
        read.iter()
            .map(|record| record.sequence)
            .collect::<Vec<_>>(),
        [22, 23]
    );
}

#[test]
fn between_reads_only_what_overlaps_also_with_the_clock_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(dir.path());
    for second in [100, 200, 50, 300, -5, 60] {
        writer.append(&[(time(second), b"x")]).unwrap();
    }
    let mut reader = Reader::between(dir.path(), time(50), time(100)).unwrap();
    let read = read_all(&mut reader);
    let read: Vec<(u64, i64)> = read
        .iter()
        .map(|r| (r.sequence, r.time.seconds()))
        .collect();
    assert_eq!(read, [(0, 100), (2, 50), (5, 60)]);
    let mut reader = Reader::between(dir.path(), time(-10), time(0)).unwrap();
    assert_eq!(read_all(&mut reader).len(), 1);
}

#[test]
fn every_truncation_keeps_all_whole_blocks_and_the_log_goes_on() {
    let sound = tempfile::tempdir().unwrap();
    fill(sound.path(), 4);
    let path = segment_path(sound.path());
    let bytes = fs::read(&path).unwrap();
    let borders = borders(&bytes);
    for cut in 0..=bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join(path.file_name().unwrap());
        fs::write(&copy, &bytes[..cut]).unwrap();
        let whole = borders.iter().filter(|border| **border <= cut).count() - 1;
        let (writer, recovery) = open(dir.path());
        drop(writer);
        assert_eq!(recovery.records, whole as u64, "cut at {cut}");
        assert_eq!(recovery.torn_bytes, (cut - borders[whole]) as u64);
        assert_eq!(recovery.bad_blocks, 0, "an unfinished write is no damage");
        fill(dir.path(), 2);
        assert_eq!(sequences(dir.path()).0.len(), whole + 2);
    }
}

#[test]
fn every_flipped_byte_is_detected_and_costs_one_block() {
    let sound = tempfile::tempdir().unwrap();
    fill(sound.path(), 3);
    let path = segment_path(sound.path());
    let bytes = fs::read(&path).unwrap();
    let borders = borders(&bytes);
    for at in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join(path.file_name().unwrap());
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&copy, &damaged).unwrap();
        let hit = borders.iter().filter(|border| **border <= at).count() as u64 - 1;
        let (writer, recovery) = open(dir.path());
        drop(writer);
        assert_eq!(recovery.bad_blocks, 1, "byte {at}");
        assert_eq!(recovery.records, 2, "byte {at}");
        let aside = fs::read_dir(dir.path().join("quarantine")).unwrap().count();
        assert_eq!(aside, 1, "byte {at}");
        let expected: Vec<u64> = (0..3).filter(|number| *number != hit).collect();
        assert_eq!(sequences(dir.path()).0, expected, "byte {at}");
    }
}

#[test]
fn a_bad_block_mid_segment_is_set_aside_counted_and_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 5);
    let path = segment_path(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let borders = borders(&bytes);
    let (start, end) = (borders[2], borders[3]);
    bytes[start..end].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(sequences(dir.path()), (vec![0, 1, 3, 4], 1));
    let (_, recovery) = open(dir.path());
    assert_eq!((recovery.bad_blocks, recovery.next_sequence), (1, 5));
    let aside = fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .next()
        .unwrap();
    assert_eq!(fs::read(aside.unwrap().path()).unwrap(), bytes[start..end]);
    fill(dir.path(), 1);
    assert_eq!(sequences(dir.path()), (vec![0, 1, 3, 4, 5], 1));
}

#[test]
fn damage_in_a_sealed_segment_is_found_by_readers_and_by_scrub() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 100,
        ..small()
    };
    let (mut writer, _) = Writer::open(dir.path(), config).unwrap();
    for number in 0..6_i64 {
        writer
            .append(&[(time(number), format!("record {number}").as_bytes())])
            .unwrap();
    }
    let oldest = list(dir.path()).unwrap()[0].path(dir.path());
    let mut bytes = fs::read(&oldest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&oldest, &bytes).unwrap();
    assert_eq!(writer.scrub().unwrap(), 1);
    let (read, bad) = sequences(dir.path());
    assert_eq!((read.len(), bad), (5, 1));
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_forged_block_inside_a_record_is_never_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = Vec::new();
    let mut packer = Packer::new(1).unwrap();
    packer.push(time(0), b"forged");
    packer.finish(1, 0, &mut forged).unwrap();
    let (mut writer, _) = Writer::open(dir.path(), LogConfig::default()).unwrap();
    // Noise around it keeps zstd from compressing: the forged bytes stand in the file as they are.
    let record = [noise(4096), forged.clone(), noise(4096)].concat();
    writer.append(&[(time(0), &record)]).unwrap();
    writer.append(&[(time(1), b"record 1")]).unwrap();
    writer.sync().unwrap();
    let path = segment_path(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    assert!(
        bytes.windows(forged.len()).any(|part| part == forged),
        "stored as it is"
    );
    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(sequences(dir.path()), (vec![1], 1));
}

#[test]
fn a_future_version_is_told_apart_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1);
    let name = list(dir.path()).unwrap()[0];
    let mut bytes = fs::read(name.path(dir.path())).unwrap();
    bytes[8] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&name.salt.to_le_bytes());
    hasher.update(&bytes[..HEADER_BYTES - 4]);
    let sum = hasher.finalize().to_le_bytes();
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&sum);
    let front = bytes[..HEADER_BYTES].try_into().unwrap();
    assert_eq!(Header::parse(front, name.salt), Err(NotRead::Future(2)));
    fs::write(name.path(dir.path()), &bytes).unwrap();
    let error = Writer::open(dir.path(), small()).err().unwrap();
    assert!(
        matches!(
            error,
            LogError::FutureVersion {
                version: 2,
                known: VERSION,
                ..
            }
        ),
        "{error}"
    );
    let mut reader = Reader::open(dir.path()).unwrap();
    assert!(matches!(
        reader.next_record(),
        Err(LogError::FutureVersion { .. })
    ));
}

#[test]
fn two_writers_exclude_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = open(dir.path());
    let error = Writer::open(dir.path(), small()).err().unwrap();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    drop(writer);
    open(dir.path());
}

#[test]
fn a_record_too_large_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(dir.path());
    let large = vec![0; RECORD_BYTES_MAX + 1];
    let error = writer
        .append(&[(time(0), b"a"), (time(0), &large)])
        .unwrap_err();
    assert!(matches!(error, LogError::RecordTooLarge { .. }), "{error}");
    assert_eq!((writer.next_sequence(), writer.bytes()), (0, 0));
    writer.append(&[(time(0), &large[1..])]).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!(
        reader.next_record().unwrap().unwrap().bytes.len(),
        RECORD_BYTES_MAX
    );
}

/// A block with sound CRCs whose frame unpacks to more than the header says.
fn bomb(plain_bytes: u32) -> Vec<u8> {
    let mut block = Vec::new();
    let mut packer = Packer::new(1).unwrap();
    packer.push(time(0), &vec![0; RECORD_BYTES_MAX]);
    packer.finish(0, 0, &mut block).unwrap();
    block[16..20].copy_from_slice(&plain_bytes.to_le_bytes());
    reseal(&mut block);
    block
}

fn reseal(block: &mut [u8]) {
    let sum = |parts: [&[u8]; 2]| {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&0_u64.to_le_bytes());
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize().to_le_bytes()
    };
    let payload = sum([&block[..48], &block[HEADER_BYTES..]]);
    block[48..52].copy_from_slice(&payload);
    let header = sum([&block[..52], &[]]);
    block[52..56].copy_from_slice(&header);
}

#[test]
fn a_lying_length_and_a_bomb_are_bad_blocks() {
    let honest = (RECORD_BYTES_MAX + 12) as u32;
    assert_eq!(fuzz_block(&bomb(honest)), 1);
    assert!(
        bomb(honest).len() < 2_000,
        "a bomb: 8 MiB in a few hundred bytes"
    );
    for lie in [0, 1, 12, 4096, honest - 1, honest + 1, u32::MAX] {
        assert_eq!(fuzz_block(&bomb(lie)), 0, "{lie}");
    }
}

#[test]
fn retention_removes_whole_segments_by_size_and_age() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 1,
        retain_bytes: 500,
        retain_age: Some(Duration::from_secs(30)),
        ..small()
    };
    let (mut writer, _) = Writer::open(dir.path(), config).unwrap();
    for number in 0..20_i64 {
        writer
            .append(&[(time(number), format!("record {number}").as_bytes())])
            .unwrap();
    }
    let retained = writer.retain(time(20)).unwrap();
    assert!(writer.bytes() <= 500 && retained.segments > 0);
    assert_eq!(
        sequences(dir.path()).0.first(),
        Some(&retained.first_sequence)
    );
    let again = writer.retain(time(20)).unwrap();
    assert_eq!(again.segments, 0);
    let aged = writer.retain(time(48)).unwrap();
    assert_eq!(
        aged.first_sequence, 18,
        "18 is 30 s old, which is not older"
    );
    writer.retain(time(1_000_000)).unwrap();
    assert_eq!(
        sequences(dir.path()),
        (vec![19], 0),
        "the segment in use stays"
    );
    drop(writer);
    assert_eq!(open(dir.path()).1.next_sequence, 20);
}

#[test]
fn a_failed_sync_poisons_the_writer_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(dir.path());
    writer.append(&[(time(0), b"record 0")]).unwrap();
    let (_keep, pipe) = std::io::pipe().unwrap(); // a pipe takes bytes and cannot be synced
    writer.file = std::os::fd::OwnedFd::from(pipe).into();
    writer.append(&[(time(1), b"record 1")]).unwrap();
    assert!(writer.sync().is_err());
    for _ in 0..2 {
        assert!(matches!(writer.sync(), Err(LogError::Poisoned { .. })));
        let appended = writer.append(&[(time(1), b"record 1")]);
        assert!(matches!(appended, Err(LogError::Poisoned { .. })));
    }
    drop(writer);
    fill(dir.path(), 1);
    assert_eq!(sequences(dir.path()).0, [0, 1]);
}

#[test]
fn a_failed_write_that_cannot_be_cut_off_poisons_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(dir.path());
    writer.file = fs::File::options().write(true).open("/dev/full").unwrap();
    let error = writer.append(&[(time(0), b"x")]).unwrap_err();
    assert!(matches!(error, LogError::NoSpace { .. }), "{error}");
    assert!(matches!(writer.append(&[]), Err(LogError::Poisoned { .. })));
}

#[test]
fn skip_to_only_goes_forward() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(dir.path());
    writer.skip_to(7);
    writer.skip_to(3);
    assert_eq!(writer.append(&[(time(7), b"record 7")]).unwrap(), 7..8);
    assert_eq!(sequences(dir.path()).0, [7]);
}

#[test]
fn other_files_in_the_folder_are_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "x.seg",
        "+0000000000000000001-0000000000000000.seg",
        "README",
    ] {
        fs::write(dir.path().join(name), "not ours").unwrap();
    }
    fill(dir.path(), 2);
    assert_eq!(sequences(dir.path()), (vec![0, 1], 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decode_of_encode_is_identity(
        appends in prop::collection::vec(
            prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
            0..12),
        block_bytes in 1_usize..2000,
        segment_bytes in 1_u64..5000,
        reopen in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig { block_bytes, segment_bytes, ..LogConfig::default() };
        let (mut writer, _) = Writer::open(dir.path(), config.clone()).unwrap();
        let mut model = Vec::new();
        for append in &appends {
            let records: Vec<(Time, &[u8])> = append.iter()
                .map(|(micros, bytes)| (Time::from_micros(*micros), bytes.as_slice())).collect();
            writer.append(&records).unwrap();
            model.extend(append.iter().map(|(micros, bytes)|
                (Time::from_micros(*micros), bytes.clone())));
            if reopen {
                drop(writer);
                writer = Writer::open(dir.path(), config.clone()).unwrap().0;
            }
        }
        let mut reader = Reader::open(dir.path()).unwrap();
        let read = read_all(&mut reader);
        let numbers: Vec<u64> = read.iter().map(|record| record.sequence).collect();
        prop_assert_eq!(numbers, (0..model.len() as u64).collect::<Vec<_>>());
        let contents: Vec<_> = read.into_iter().map(|record| (record.time, record.bytes)).collect();
        prop_assert_eq!(contents, model);
        prop_assert_eq!(reader.skipped_bad_blocks(), 0);
    }

    #[test]
    fn recovery_from_any_bytes_never_panics_and_goes_on(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        at in 0_usize..400,
    ) {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 4);
        let path = segment_path(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        let at = at.min(bytes.len());
        let end = bytes.len().min(at + garbage.len() / 2);
        bytes.splice(at..end, garbage.iter().copied());
        fs::write(&path, &bytes).unwrap();
        let (before, _) = sequences(dir.path());
        let (writer, _) = open(dir.path());
        drop(writer);
        prop_assert_eq!(&sequences(dir.path()).0, &before);
        fill(dir.path(), 1);
        prop_assert_eq!(sequences(dir.path()).0.len(), before.len() + 1);
        fuzz_block(&garbage);
    }
}
