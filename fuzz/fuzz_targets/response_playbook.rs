//! A playbook.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    response::playbook::fuzz_playbook(bytes);
});
