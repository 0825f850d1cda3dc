//! A TCP connection that carries syslog messages (the product's `fuzz_framing`).
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vertice_fuzz::intake_framing(bytes);
});
