//! Netlink bytes: a writer of messages with nested attributes, and readers that never panic.
//!
//! The readers are lenient towards what they do not know and stop at the first length that does
//! not fit: a half-read attribute is never handed out.

use super::numbers::{ATTRIBUTE_KIND, NESTED};

const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const ALIGNMENT: usize = 4;

/// Head of a message, without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Message type.
    pub(crate) kind: u16,
    /// Flags.
    pub(crate) flags: u16,
    /// Sequence number, repeated in every answer.
    pub(crate) sequence: u32,
    /// Protocol family of the nfgenmsg that follows.
    pub(crate) family: u8,
    /// Resource id of the nfgenmsg: the subsystem in batch messages.
    pub(crate) resource: u16,
}

/// Writes messages one after another into one buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Writer {
    /// One message; `body` writes its attributes.
    pub(crate) fn message(&mut self, head: Head, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&head.kind.to_ne_bytes());
        self.bytes.extend_from_slice(&head.flags.to_ne_bytes());
        self.bytes.extend_from_slice(&head.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[head.family, 0]);
        self.bytes.extend_from_slice(&head.resource.to_be_bytes());
        body(self);
        let length = u32::try_from(self.bytes.len().saturating_sub(start));
        match (length, self.bytes.get_mut(start..start.saturating_add(4))) {
            (Ok(length), Some(place)) => place.copy_from_slice(&length.to_ne_bytes()),
            _ => self.overflow = true,
        }
    }

    /// One attribute.
    pub(crate) fn bytes(&mut self, kind: u16, payload: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(payload);
        self.close(start);
    }

    /// A text attribute, NUL terminated.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    /// A 32-bit attribute in network order.
    pub(crate) fn number(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_be_bytes());
    }

    /// A 64-bit attribute in network order.
    pub(crate) fn number64(&mut self, kind: u16, number: u64) {
        self.bytes(kind, &number.to_be_bytes());
    }

    /// A nested attribute; `body` writes what is inside.
    pub(crate) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        body(self);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Fills in the length and pads to the alignment. An attribute above 64 KiB cannot be told to
    /// the kernel: the whole buffer is then refused by [`Writer::finish`].
    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len().saturating_sub(start));
        match (length, self.bytes.get_mut(start..start.saturating_add(2))) {
            (Ok(length), Some(place)) => place.copy_from_slice(&length.to_ne_bytes()),
            _ => self.overflow = true,
        }
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// The finished bytes; `None` if a length did not fit its field.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (!self.overflow).then_some(self.bytes)
    }
}

/// A received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'bytes> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// All behind the netlink header.
    pub(crate) payload: &'bytes [u8],
}

impl<'bytes> Message<'bytes> {
    /// The attributes behind the nfgenmsg.
    pub(crate) fn attributes(&self) -> Attributes<'bytes> {
        Attributes(self.payload.get(4..).unwrap_or_default())
    }

    /// The error number of an error message; 0 is an acknowledgement.
    pub(crate) fn error(&self) -> Option<i32> {
        let bytes = self.payload.first_chunk::<4>()?;
        Some(i32::from_ne_bytes(*bytes))
    }
}

/// Reads the messages of one datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages<'bytes>(pub(crate) &'bytes [u8]);

impl<'bytes> Iterator for Messages<'bytes> {
    type Item = Message<'bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.0;
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
        let payload = bytes.get(HEADER_BYTES..length)?;
        let word = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let message = Message {
            kind: word(4)?,
            flags: word(6)?,
            sequence: u32::from_ne_bytes(*bytes.get(8..)?.first_chunk()?),
            payload,
        };
        let step = length.checked_next_multiple_of(ALIGNMENT)?;
        self.0 = bytes.get(step..).unwrap_or_default();
        Some(message)
    }
}

/// A received attribute: its kind without flags, and its payload.
pub(crate) type Attribute<'bytes> = (u16, &'bytes [u8]);

/// Reads attributes one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'bytes>(pub(crate) &'bytes [u8]);

impl<'bytes> Iterator for Attributes<'bytes> {
    type Item = Attribute<'bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.0;
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let payload = bytes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        let step = length.checked_next_multiple_of(ALIGNMENT)?;
        self.0 = bytes.get(step..).unwrap_or_default();
        Some((kind & ATTRIBUTE_KIND, payload))
    }
}

impl<'bytes> Attributes<'bytes> {
    /// The payload of the first attribute of this kind.
    pub(crate) fn find(mut self, wanted: u16) -> Option<&'bytes [u8]> {
        self.find_map(|(kind, payload)| (kind == wanted).then_some(payload))
    }

    /// The attributes inside the first attribute of this kind.
    pub(crate) fn inside(self, wanted: u16) -> Option<Self> {
        self.find(wanted).map(Attributes)
    }

    /// A 32-bit number in network order.
    pub(crate) fn number(self, wanted: u16) -> Option<u32> {
        let bytes = self.find(wanted)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// A 64-bit number in network order.
    pub(crate) fn number64(self, wanted: u16) -> Option<u64> {
        let bytes = self.find(wanted)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes))
    }

    /// A text up to its NUL.
    pub(crate) fn text(self, wanted: u16) -> Option<&'bytes str> {
        let bytes = self.find(wanted)?;
        let text = bytes.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests;
