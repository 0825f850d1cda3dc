//! Lines read as the format `eve`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("eve", bytes);
});
