//! The door for the fuzz target: recovery from any bytes, without files.

use crate::block::{HEADER_BYTES, Header, Unpacker};

/// Reads `bytes` as one block (salt 0) and walks its records. Returns how many there are; 0 for
/// anything that is not a sound block. Never panics, never holds more than
/// [`crate::BLOCK_BYTES_MAX`].
pub fn fuzz_block(bytes: &[u8]) -> u64 {
    walk(bytes).unwrap_or(0)
}

fn walk(bytes: &[u8]) -> Option<u64> {
    let (front, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::parse(front, 0).ok()?;
    let payload = rest.get(..header.payload_bytes as usize)?;
    if !header.accepts(payload, 0) {
        return None;
    }
    let mut unpacker = Unpacker::new().ok()?;
    unpacker.load(&header, payload)?;
    let mut records = 0;
    while unpacker.next_record().is_some() {
        records += 1;
    }
    Some(records)
}
