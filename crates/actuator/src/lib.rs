//! The small privileged process that makes network effects stand, and reads them back.
//!
//! It takes one typed request at a time over a seqpacket socket ([`serve`]), checks it against
//! rails of its own ([`rails`]), speaks nf_tables netlink itself ([`netlink`]) and answers only
//! what it has read back from the kernel. The engine's side of the socket is [`Connection`].
//!
//! Absent on purpose: no program is ever started (no `nft` either), no name is resolved, no file
//! is written, no effect outlives its kernel timeout, and nothing here decides what ought to be
//! blocked. It enforces in the network namespace that it was started in.
#![warn(missing_docs)]
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod client;
mod error;
mod fuzz;
pub mod netlink;
pub mod rails;
mod serve;

pub use client::{Connection, ConnectionError};
pub use error::{ActuatorError, KernelError};
pub use fuzz::{fuzz_message, fuzz_request};
pub use rails::{discover, login_sources};
pub use serve::{ActuatorConfig, serve};
