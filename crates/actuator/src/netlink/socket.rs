//! One netlink socket to nf_tables: transactions, single questions and dumps, all with a deadline.
//!
//! The socket is connected to the kernel, so no other process can speak into it. A lost answer is
//! an error of that one request: sequence numbers keep late answers from being taken for new ones.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{
    Timeout, set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force,
    set_socket_timeout,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::numbers::{
    ACK, BATCH_BEGIN, BATCH_END, DUMP, DUMP_INTERRUPTED, FAMILY_INET, MESSAGE_DONE, MESSAGE_ERROR,
    MESSAGE_OVERRUN, NFTABLES, REQUEST,
};
use super::wire::{Head, Message, Messages, Writer};
use crate::error::KernelError;

/// Longest wait for one answer of the kernel.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Kernel-side buffer, bytes, each way: holds the answers to one round of questions.
const BUFFER_BYTES: usize = 4 << 20;
/// Largest datagram read, bytes; the kernel writes dumps in pages of at most 32 KiB.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// Questions sent before their answers are read.
const QUESTIONS_MAX: usize = 64;
/// Datagrams read for one request: 64 Mi elements would fit; a kernel that never ends is an error.
const DATAGRAMS_MAX: usize = 1 << 20;

/// Largest error number of Linux.
const ERRNO_MAX: i32 = 4095;

/// One message of a transaction or a question: type, flags and attributes.
pub(crate) struct Part<'body> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: Box<dyn Fn(&mut Writer) + 'body>,
}

impl<'body> Part<'body> {
    pub(crate) fn new(kind: u16, flags: u16, body: impl Fn(&mut Writer) + 'body) -> Self {
        Self {
            kind,
            flags,
            body: Box::new(body),
        }
    }
}

/// A netlink socket and its sequence counter.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

fn refused(what: &'static str) -> impl Fn(Errno) -> KernelError {
    move |errno| KernelError::Refused { what, errno }
}

impl Socket {
    /// Opens a socket in the network namespace of the calling thread.
    pub(crate) fn open() -> Result<Self, KernelError> {
        let what = "open a netfilter socket";
        let descriptor = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(NETFILTER),
        )
        .map_err(refused(what))?;
        rustix::net::connect(&descriptor, &SocketAddrNetlink::new(0, 0)).map_err(refused(what))?;
        set_socket_timeout(&descriptor, Timeout::Recv, Some(ANSWER_WAIT)).map_err(refused(what))?;
        // Without the right to larger buffers the defaults hold, and `QUESTIONS_MAX` fits them.
        let _may_be_refused = set_socket_recv_buffer_size_force(&descriptor, BUFFER_BYTES);
        let _may_be_refused = set_socket_send_buffer_size_force(&descriptor, BUFFER_BYTES);
        Ok(Self {
            descriptor,
            sequence: 1,
            buffer: vec![0; DATAGRAM_BYTES_MAX],
        })
    }

    /// Commits all parts as one transaction, or none of them.
    pub(crate) fn commit(
        &mut self,
        what: &'static str,
        parts: &[Part<'_>],
    ) -> Result<(), KernelError> {
        let Some(last_part) = parts.len().checked_sub(1) else {
            return Ok(());
        };
        let first = self.next_sequence();
        let mut writer = Writer::default();
        writer.message(batch_head(BATCH_BEGIN, first), |_| ());
        let mut last = first;
        for (index, part) in parts.iter().enumerate() {
            last = self.next_sequence();
            let ack = if index == last_part { ACK } else { 0 };
            writer.message(head(part, ack, last), |writer| (part.body)(writer));
        }
        writer.message(batch_head(BATCH_END, self.next_sequence()), |_| ());
        self.send(what, writer)?;
        self.outcome(what, first, last)
    }

    /// Waits for the acknowledgement of `last`. Any error between `first` and `last` means that
    /// the kernel has rolled the whole transaction back.
    fn outcome(&mut self, what: &'static str, first: u32, last: u32) -> Result<(), KernelError> {
        let mut failure = None;
        for _ in 0..DATAGRAMS_MAX {
            let length = self.receive(what)?;
            for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                let distance = message.sequence.wrapping_sub(first);
                if message.kind != MESSAGE_ERROR || distance > last.wrapping_sub(first) {
                    continue;
                }
                let errno = message.error().ok_or(KernelError::NotUnderstood { what })?;
                if errno != 0 && failure.is_none() {
                    failure = Some(kernel_error(what, errno));
                }
                // An error of the batch itself ends it: no part was looked at.
                if message.sequence == last || (distance == 0 && errno != 0) {
                    return failure.map_or(Ok(()), Err);
                }
            }
        }
        Err(KernelError::NotUnderstood { what })
    }

    /// Asks each question by itself. `Ok(None)` stands for "no such thing"; `each` is called once
    /// for every question, in order.
    pub(crate) fn ask(
        &mut self,
        what: &'static str,
        questions: &[Part<'_>],
        mut each: impl FnMut(Option<Message<'_>>) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        for round in questions.chunks(QUESTIONS_MAX) {
            let mut expected = self.sequence;
            let mut writer = Writer::default();
            for question in round {
                let sequence = self.next_sequence();
                writer.message(head(question, 0, sequence), |writer| {
                    (question.body)(writer);
                });
            }
            let end = self.sequence;
            self.send(what, writer)?;
            while expected != end {
                let length = self.receive(what)?;
                for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                    if message.sequence != expected {
                        continue;
                    }
                    expected = following(expected);
                    each(answer(what, message)?)?;
                }
            }
        }
        Ok(())
    }

    /// Dumps; `each` sees every message. `Ok(false)` tells that the kernel's table changed below.
    pub(crate) fn dump(
        &mut self,
        what: &'static str,
        question: &Part<'_>,
        mut each: impl FnMut(Message<'_>),
    ) -> Result<bool, KernelError> {
        let sequence = self.next_sequence();
        let mut writer = Writer::default();
        writer.message(head(question, DUMP, sequence), |writer| {
            (question.body)(writer);
        });
        self.send(what, writer)?;
        let mut whole = true;
        for _ in 0..DATAGRAMS_MAX {
            let length = self.receive(what)?;
            for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.sequence != sequence {
                    continue;
                }
                whole &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    MESSAGE_DONE => return Ok(whole),
                    MESSAGE_ERROR | MESSAGE_OVERRUN => {
                        let errno = message.error().unwrap_or(0);
                        return Err(kernel_error(what, errno));
                    }
                    _ => each(message),
                }
            }
        }
        Err(KernelError::NotUnderstood { what })
    }

    fn next_sequence(&mut self) -> u32 {
        let sequence = self.sequence;
        self.sequence = following(sequence);
        sequence
    }

    fn send(&self, what: &'static str, writer: Writer) -> Result<(), KernelError> {
        let Some(bytes) = writer.finish() else {
            let max = usize::from(u16::MAX);
            return Err(KernelError::TooLarge { what, max });
        };
        loop {
            match rustix::net::send(&self.descriptor, &bytes, SendFlags::empty()) {
                Err(Errno::INTR) => (),
                Err(errno) => return Err(refused(what)(errno)),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn receive(&mut self, what: &'static str) -> Result<usize, KernelError> {
        loop {
            let flags = RecvFlags::TRUNC;
            match rustix::net::recv(&self.descriptor, self.buffer.as_mut_slice(), flags) {
                Err(Errno::INTR) => (),
                Err(errno) => return Err(refused(what)(errno)),
                Ok((_, length)) if length > DATAGRAM_BYTES_MAX => {
                    return Err(KernelError::TooLarge {
                        what,
                        max: DATAGRAM_BYTES_MAX,
                    });
                }
                Ok((_, length)) => return Ok(length),
            }
        }
    }
}

/// Sequence numbers never take the value 0, which the kernel uses for messages of its own.
const fn following(sequence: u32) -> u32 {
    match sequence.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

const fn batch_head(kind: u16, sequence: u32) -> Head {
    Head {
        kind,
        flags: REQUEST,
        sequence,
        family: 0,
        resource: NFTABLES >> 8,
    }
}

const fn head(part: &Part<'_>, flags: u16, sequence: u32) -> Head {
    Head {
        kind: part.kind,
        flags: part.flags | flags | REQUEST,
        sequence,
        family: FAMILY_INET,
        resource: 0,
    }
}

fn answer<'bytes>(
    what: &'static str,
    message: Message<'bytes>,
) -> Result<Option<Message<'bytes>>, KernelError> {
    if message.kind != MESSAGE_ERROR {
        return Ok(Some(message));
    }
    match message.error().map(|errno| kernel_error(what, errno)) {
        Some(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
        Some(error) => Err(error),
        None => Err(KernelError::NotUnderstood { what }),
    }
}

/// Netlink carries negative error numbers; what cannot be one is an input/output error.
const fn kernel_error(what: &'static str, errno: i32) -> KernelError {
    let errno = match errno.checked_neg() {
        Some(number @ 1..=ERRNO_MAX) => Errno::from_raw_os_error(number),
        _ => Errno::IO,
    };
    KernelError::Refused { what, errno }
}
