//! Samples of the journal against what they mean.

use expect_test::{ExpectFile, expect_file};

use crate::testing::told;

fn check(sample: &[u8], expected: &ExpectFile) {
    expected.assert_eq(&told("journald", sample));
}

#[test]
fn a_journal() {
    check(
        include_bytes!("samples/journal.jsonl"),
        &expect_file!["expected/journal.txt"],
    );
}

#[test]
fn forged_and_impossible_records() {
    check(
        include_bytes!("samples/hostile.jsonl"),
        &expect_file!["expected/hostile.txt"],
    );
}

#[test]
fn records_cut_off() {
    check(
        include_bytes!("samples/truncated.jsonl"),
        &expect_file!["expected/truncated.txt"],
    );
}
