//! nf_tables over nfnetlink: our table, its ten sets and its rules, without the `nft` program.
//!
//! `wire` writes and reads the bytes, `socket` carries them, `element` is one set element,
//! `ruleset` is the table itself and `table` keeps it standing. Every change is one kernel
//! transaction.
//!
//! Absent on purpose: any other table, any verdict but drop, maps, NAT and flow tables.

pub(crate) mod element;
pub(crate) mod ruleset;
pub(crate) mod socket;
pub(crate) mod table;
pub(crate) mod wire;

pub use element::{Change, Put, Set, Slot, Standing};
pub use ruleset::TABLE;
pub use table::Table;

/// Message and attribute numbers of `linux/netfilter/nf_tables.h` and `nfnetlink.h`.
pub(crate) mod numbers {
    pub(crate) const BATCH_BEGIN: u16 = 0x10;
    pub(crate) const BATCH_END: u16 = 0x11;
    /// Subsystem nf_tables in the upper byte of a message type.
    pub(crate) const NFTABLES: u16 = 10 << 8;
    pub(crate) const NEW_TABLE: u16 = NFTABLES;
    pub(crate) const GET_TABLE: u16 = NFTABLES | 1;
    pub(crate) const DELETE_TABLE: u16 = NFTABLES | 2;
    pub(crate) const NEW_CHAIN: u16 = NFTABLES | 3;
    pub(crate) const GET_CHAIN: u16 = NFTABLES | 4;
    pub(crate) const NEW_RULE: u16 = NFTABLES | 6;
    pub(crate) const GET_RULE: u16 = NFTABLES | 7;
    pub(crate) const DELETE_RULE: u16 = NFTABLES | 8;
    pub(crate) const NEW_SET: u16 = NFTABLES | 9;
    pub(crate) const GET_SET: u16 = NFTABLES | 10;
    pub(crate) const NEW_ELEMENT: u16 = NFTABLES | 12;
    pub(crate) const GET_ELEMENT: u16 = NFTABLES | 13;
    pub(crate) const DELETE_ELEMENT: u16 = NFTABLES | 14;
    pub(crate) const NEW_GENERATION: u16 = NFTABLES | 15;
    pub(crate) const GET_GENERATION: u16 = NFTABLES | 16;

    pub(crate) const MESSAGE_ERROR: u16 = 2;
    pub(crate) const MESSAGE_DONE: u16 = 3;
    pub(crate) const MESSAGE_OVERRUN: u16 = 4;

    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const ACK: u16 = 4;
    pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const APPEND: u16 = 0x800;

    /// `NFPROTO_INET`: the family of our table.
    pub(crate) const FAMILY_INET: u8 = 1;
    pub(crate) const NESTED: u16 = 0x8000;
    pub(crate) const ATTRIBUTE_KIND: u16 = 0x3fff;
}
