//! A request of the engine, answered with no kernel behind; no rail may be passed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    actuator::fuzz_request(bytes);
});
