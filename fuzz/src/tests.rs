use super::{sealed, source};
use crate::mutate::{INPUT_BYTES_MAX, Random, Samples};

fn sample(path: &str) -> Vec<u8> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    std::fs::read(corpus.join(path)).unwrap()
}

#[test]
fn the_blocks_of_the_corpus_are_sound() {
    let records = |name: &str| segment::fuzz_block(&sample(&format!("log_block/{name}.bin")));
    assert_eq!([records("raw"), records("zeros")], [2, 1000]);
}

#[test]
fn a_damaged_block_is_read_behind_its_checksums_once_it_is_sealed() {
    let mut block = sample("log_block/raw.bin");
    block[24] = 7; // the first sequence
    assert_eq!(segment::fuzz_block(&block), 0);
    assert_eq!(segment::fuzz_block(&sealed(&block)), 2);
    assert_eq!(sealed(b"short"), b"short");
}

#[test]
fn the_corpus_of_each_format_holds_events() {
    for (format, file) in [
        ("eve", "eve.jsonl"),
        ("event", "event.jsonl"),
        ("journald", "journal.jsonl"),
        ("syslog", "auth.log"),
        ("zeek_conn", "conn.log"),
    ] {
        let bytes = sample(&format!("sources_{format}/{file}"));
        assert!(sources::fuzz(format, &bytes)[0] > 0, "{format}");
        source(format, &bytes);
    }
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let samples = Samples::new(vec![
        sample("sources_syslog/auth.log"),
        b"1".repeat(100_000),
    ]);
    let inputs = |seed| {
        let mut random = Random::new(seed);
        (0..500)
            .map(|_| samples.mutated(&mut random))
            .collect::<Vec<_>>()
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
    assert!(inputs(7).iter().all(|input| input.len() <= INPUT_BYTES_MAX));
}
