//! Lines read as the format `syslog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("syslog", bytes);
});
