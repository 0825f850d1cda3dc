//! Samples of EVE against what they mean.

use expect_test::{ExpectFile, expect_file};

use crate::testing::told;

fn check(sample: &[u8], expected: &ExpectFile) {
    expected.assert_eq(&told("eve", sample));
}

#[test]
fn flows_alerts_and_others() {
    check(
        include_bytes!("samples/eve.jsonl"),
        &expect_file!["expected/eve.txt"],
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
