//! Lines read as the format `journald`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("journald", bytes);
});
