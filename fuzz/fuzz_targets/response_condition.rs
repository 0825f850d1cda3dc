//! A condition of a playbook.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    response::playbook::fuzz_condition(bytes);
});
