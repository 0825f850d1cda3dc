//! The node's framing of syslog over TCP, by path: the whole node would bring a database, a web
//! server and minutes of building along.

pub const LINE_BYTES_MAX: usize = 1024 * 1024;

#[path = "../../crates/vertice/src/intake/framing.rs"]
mod framing;
#[expect(dead_code, reason = "framing uses a part of it")]
#[path = "../../crates/vertice/src/intake/lines.rs"]
mod lines;

/// As `vertice::intake::fuzz_framing`: whatever the pieces, the messages are the same.
pub fn fuzz_framing(bytes: &[u8], piece: usize) -> usize {
    let mut framing = framing::Framing::default();
    let mut total = 0;
    for chunk in bytes.chunks(piece.max(1)) {
        let mut rest = chunk;
        while let Some(message) = framing.next(&mut rest) {
            assert!(message.bytes.len() <= LINE_BYTES_MAX + 1);
            total += message.bytes.len();
        }
        assert!(framing.held() <= LINE_BYTES_MAX + 1);
    }
    total + framing.rest().map_or(0, |message| message.bytes.len())
}
