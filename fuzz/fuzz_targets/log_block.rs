//! A block of the event log as it is, and with its checksums made right.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    segment::fuzz_block(bytes);
    segment::fuzz_block(&vertice_fuzz::sealed(bytes));
});
