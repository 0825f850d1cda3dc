//! Lines read as the format `auto`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sources::fuzz("auto", bytes);
});
