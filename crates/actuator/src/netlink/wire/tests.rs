use proptest::prelude::*;

use super::*;

const HEAD: Head = Head {
    kind: 0x0a0c,
    flags: 0x0401,
    sequence: 7,
    family: 1,
    resource: 0,
};

#[test]
fn a_message_is_read_as_it_was_written() {
    let mut writer = Writer::default();
    writer.message(HEAD, |writer| {
        writer.text(1, "vertice");
        writer.number(2, 0xdead_beef);
        writer.nested(3, |writer| writer.number64(4, 60_000));
    });
    writer.message(HEAD, |_| ());
    let bytes = writer.finish().unwrap();
    let messages: Vec<Message<'_>> = Messages(&bytes).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].kind, messages[0].sequence), (0x0a0c, 7));
    let attributes = messages[0].attributes();
    assert_eq!(attributes.text(1), Some("vertice"));
    assert_eq!(attributes.number(2), Some(0xdead_beef));
    assert_eq!(attributes.inside(3).unwrap().number64(4), Some(60_000));
    assert_eq!(attributes.number(9), None);
}

#[test]
#[cfg(target_endian = "little")]
fn bytes_are_those_of_the_kernel_headers() {
    let mut writer = Writer::default();
    writer.message(HEAD, |writer| writer.text(2, "block4"));
    let expected: [u8; 32] = [
        32, 0, 0, 0, 0x0c, 0x0a, 0x01, 0x04, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
        1, 0, 0, 0, // nfgenmsg
        11, 0, 2, 0, b'b', b'l', b'o', b'c', b'k', b'4', 0, 0, // attribute, padded
    ];
    assert_eq!(writer.finish().unwrap(), expected);
}

#[test]
fn what_does_not_fit_its_length_field_is_refused() {
    let mut writer = Writer::default();
    writer.nested(1, |writer| writer.bytes(2, &[0; 70_000]));
    assert_eq!(writer.finish(), None);
}

#[test]
fn a_length_beyond_the_end_yields_nothing() {
    let mut writer = Writer::default();
    writer.message(HEAD, |writer| writer.number(1, 1));
    let bytes = writer.finish().unwrap();
    for cut in 0..bytes.len() {
        assert_eq!(Messages(&bytes[..cut]).count(), 0, "{cut} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_end_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        crate::fuzz_message(&bytes);
        prop_assert!(Messages(&bytes).count() <= bytes.len());
        prop_assert!(Attributes(&bytes).count() <= bytes.len());
    }
}
