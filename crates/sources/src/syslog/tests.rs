//! Samples of syslog against what they mean.

use expect_test::{ExpectFile, expect_file};

use crate::testing::told;

fn check(sample: &[u8], expected: &ExpectFile) {
    expected.assert_eq(&told("syslog", sample));
}

#[test]
fn a_day_of_auth_log() {
    check(
        include_bytes!("samples/auth.log"),
        &expect_file!["expected/auth.txt"],
    );
}

#[test]
fn forged_and_impossible_lines() {
    check(
        include_bytes!("samples/hostile.log"),
        &expect_file!["expected/hostile.txt"],
    );
}

#[test]
fn lines_cut_off() {
    check(
        include_bytes!("samples/truncated.log"),
        &expect_file!["expected/truncated.txt"],
    );
}
