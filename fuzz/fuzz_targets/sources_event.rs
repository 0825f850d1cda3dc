//! Lines read as the format `event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("event", bytes);
});
