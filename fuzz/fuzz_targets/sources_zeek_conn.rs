//! Lines read as the format `zeek_conn`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("zeek_conn", bytes);
});
