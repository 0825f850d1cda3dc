//! Ten thousand ways to tamper with an audit log, each found.

use super::{AuditFault, AuditHead, GENESIS, RawRow, Walk};

/// A row that a test can write into.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    sequence: i64,
    time_us: i64,
    texts: [Vec<u8>; 3],
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl Row {
    fn raw(&self) -> RawRow<'_> {
        let [who, what, body] = &self.texts;
        RawRow {
            sequence: self.sequence,
            time_us: self.time_us,
            who,
            what,
            body,
            previous: &self.previous,
            hash: &self.hash,
        }
    }
}

fn chain(rows: i64) -> (Vec<Row>, AuditHead) {
    let mut previous = GENESIS;
    let mut log = Vec::new();
    for sequence in 1..=rows {
        let body = format!("{{\"entry\":\"notice\",\"text\":\"line {sequence}\"}}");
        let mut row = Row {
            sequence,
            time_us: 1_790_000_000_000_000 + sequence,
            texts: [b"engine".to_vec(), b"notice".to_vec(), body.into_bytes()],
            previous: previous.to_vec(),
            hash: Vec::new(),
        };
        previous = row.raw().hash_after(&previous);
        row.hash = previous.to_vec();
        log.push(row);
    }
    let sequence = u64::try_from(rows).unwrap();
    (
        log,
        AuditHead {
            sequence,
            hash: previous,
        },
    )
}

fn fault(log: &[Row], stored: AuditHead) -> Option<(u64, AuditFault)> {
    let mut walk = Walk::new(Some(stored));
    let broken = log.iter().find_map(|row| walk.step(&row.raw()).err());
    walk.finish(broken)
        .broken
        .map(|broken| (broken.sequence, broken.fault))
}

/// xorshift: the same tampering on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
}

/// Tampers with the log; the first row (from 0) that differs from the untouched log.
fn tamper(log: &mut Vec<Row>, random: &mut Random) -> usize {
    let at = random.below(log.len());
    match random.below(11) {
        0 => log[at].sequence ^= 1 << random.below(63),
        1 => log[at].time_us ^= 1 << random.below(63),
        2 => flip(&mut log[at].previous, random),
        3 => flip(&mut log[at].hash, random),
        kind @ 4..=6 => flip(&mut log[at].texts[kind - 4], random),
        7 => log.truncate(at),
        8 => drop(log.remove(at)),
        9 => log.insert(at, log[at].clone()),
        _ => {
            let other = (at + 1 + random.below(log.len() - 1)) % log.len();
            log.swap(at, other);
            return at.min(other);
        }
    }
    at
}

#[test]
fn an_untouched_log_holds() {
    let (log, head) = chain(64);
    assert_eq!(fault(&log, head), None);
    let earlier = AuditHead {
        sequence: 10,
        hash: log[9].hash.clone().try_into().unwrap(),
    };
    assert_eq!(fault(&log, earlier), None, "a head that lags is no fault");
}

#[test]
fn ten_thousand_tamperings_are_all_found_at_the_first_row_touched() {
    let (log, head) = chain(64);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..10_000 {
        let mut touched = log.clone();
        let at = tamper(&mut touched, &mut random);
        let found = fault(&touched, head);
        let named = found.map(|(sequence, _)| usize::try_from(sequence).unwrap());
        // A doubled row is first seen as the copy that follows the original.
        let doubled = touched.len() > log.len();
        assert_eq!(
            named,
            Some(at + 1 + usize::from(doubled)),
            "round {round}: {found:?}"
        );
    }
}

#[test]
fn a_new_chain_over_changed_rows_shows_against_the_stored_head() {
    let (log, head) = chain(8);
    let mut forged = log[..4].to_vec();
    let mut previous: [u8; 32] = log[3].hash.clone().try_into().unwrap();
    for row in &log[4..] {
        let mut row = row.clone();
        row.texts[0] = b"nobody".to_vec();
        row.previous = previous.to_vec();
        previous = row.raw().hash_after(&previous);
        row.hash = previous.to_vec();
        forged.push(row);
    }
    assert_eq!(fault(&forged, head), Some((8, AuditFault::Rewritten)));
    forged.truncate(6);
    assert_eq!(fault(&forged, head), Some((7, AuditFault::Truncated)));
}

#[test]
fn moving_a_byte_from_one_text_to_the_next_shows() {
    let (mut log, head) = chain(2);
    let moved = log[1].texts[0].pop().unwrap();
    log[1].texts[1].insert(0, moved);
    assert_eq!(fault(&log, head), Some((2, AuditFault::Content)));
}
