//! A datagram of the kernel: netlink messages, errors, set elements.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    actuator::fuzz_message(bytes);
});
