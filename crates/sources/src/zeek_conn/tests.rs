//! Samples of Zeek logs against what they mean.

use expect_test::{ExpectFile, expect_file};

use crate::testing::told;

fn check(sample: &[u8], expected: &ExpectFile) {
    expected.assert_eq(&told("zeek_conn", sample));
}

#[test]
fn a_table_in_another_order() {
    check(
        include_bytes!("samples/conn.log"),
        &expect_file!["expected/conn.txt"],
    );
}

#[test]
fn json_lines() {
    check(
        include_bytes!("samples/conn.jsonl"),
        &expect_file!["expected/conn_json.txt"],
    );
}

#[test]
fn forged_and_impossible_rows() {
    check(
        include_bytes!("samples/hostile.log"),
        &expect_file!["expected/hostile.txt"],
    );
}

#[test]
fn rows_cut_off() {
    check(
        include_bytes!("samples/truncated.log"),
        &expect_file!["expected/truncated.txt"],
    );
}
