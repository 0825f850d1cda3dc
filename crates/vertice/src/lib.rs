//! The wiring of Vértice: configuration, the pipeline, the node around it, and the operator's
//! verbs.
//!
//! Absent on purpose: algorithms. Parsing is `sources`', detection `sentinel`'s, joining
//! `fusion`'s, deciding `response`'s, acting `actuator`'s; this crate carries nouns between them.

pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod intake;
pub mod mailbox;
pub mod metrics;
pub mod node;
pub mod pipeline;
pub mod topics;
