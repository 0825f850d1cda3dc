//! The table of fuzz targets, for the runner on stable, and what the targets share.
//!
//! Each line has a file of the same name in `fuzz_targets/` and a folder in `corpus/`; the runner
//! refuses to start when one is missing.

/// A target: any bytes in, no panic out.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its file and of its corpus.
    pub name: &'static str,
    /// The parser.
    pub run: fn(&[u8]),
}

/// All targets, sorted by name.
pub const ALL: &[Target] = &[
    Target {
        name: "actuator_message",
        run: actuator::fuzz_message,
    },
    Target {
        name: "actuator_request",
        run: actuator::fuzz_request,
    },
    Target {
        name: "intake_framing",
        run: intake_framing,
    },
    Target {
        name: "log_block",
        run: log_block,
    },
    Target {
        name: "response_condition",
        run: response::playbook::fuzz_condition,
    },
    Target {
        name: "response_playbook",
        run: response::playbook::fuzz_playbook,
    },
    Target {
        name: "sources_auto",
        run: |bytes| source("auto", bytes),
    },
    Target {
        name: "sources_eve",
        run: |bytes| source("eve", bytes),
    },
    Target {
        name: "sources_event",
        run: |bytes| source("event", bytes),
    },
    Target {
        name: "sources_journald",
        run: |bytes| source("journald", bytes),
    },
    Target {
        name: "sources_syslog",
        run: |bytes| source("syslog", bytes),
    },
    Target {
        name: "sources_zeek_conn",
        run: |bytes| source("zeek_conn", bytes),
    },
];

fn source(format: &str, bytes: &[u8]) {
    let [events, dropped, bad] = sources::fuzz(format, bytes);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert_eq!(events + dropped + bad, lines, "read = kept + dropped + bad");
}

fn log_block(bytes: &[u8]) {
    segment::fuzz_block(bytes);
    segment::fuzz_block(&sealed(bytes));
}

/// Bytes of a block's header, and of the part that its first checksum covers.
const HEADER_BYTES: usize = 56;
const COVERED_BYTES: usize = 48;

/// A block with its length and both checksums made right (salt 0), so that what lies behind them
/// is reached. Shorter than a header: as it is.
pub fn sealed(block: &[u8]) -> Vec<u8> {
    let mut bytes = block.to_vec();
    let Some((header, payload)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else {
        return bytes;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    header[12..16].copy_from_slice(&length.to_le_bytes());
    let block_crc = crc(&[&header[..COVERED_BYTES], payload]);
    header[COVERED_BYTES..52].copy_from_slice(&block_crc.to_le_bytes());
    let header_crc = crc(&[&header[..52]]);
    header[52..].copy_from_slice(&header_crc.to_le_bytes());
    bytes
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&0u64.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

mod intake;

/// Takes bytes apart as one TCP connection: in one piece, and in pieces of one and of seven bytes.
pub fn intake_framing(bytes: &[u8]) {
    let [whole, ones, sevens] = [bytes.len(), 1, 7].map(|piece| intake::fuzz_framing(bytes, piece));
    assert_eq!([whole, whole], [ones, sevens]);
}

pub mod mutate;

#[cfg(test)]
mod tests;
