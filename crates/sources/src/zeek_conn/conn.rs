//! One connection as Zeek describes it, whatever the notation, made a flow.

use event::Address;
use event::body::{Flow, FlowState, Transport, Volume};

use crate::names::Names;
use crate::record::BadReason;

/// The columns of `conn` that a flow is made of; `None` where unset.
#[derive(Debug, Default)]
pub(super) struct Conn<'a> {
    pub(super) time_us: Option<i64>,
    pub(super) source: Option<&'a str>,
    pub(super) source_port: Option<u16>,
    pub(super) destination: Option<&'a str>,
    pub(super) destination_port: Option<u16>,
    pub(super) protocol: Option<&'a str>,
    pub(super) service: Option<&'a str>,
    pub(super) duration_us: Option<i64>,
    pub(super) state: Option<&'a str>,
    pub(super) sent: Counted,
    pub(super) received: Counted,
}

/// One direction: Zeek counts payload always and whole packets where it can.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) packets: Option<u64>,
    pub(super) payload_bytes: Option<u64>,
    pub(super) ip_bytes: Option<u64>,
}

impl Conn<'_> {
    /// The start in microseconds, and the flow.
    pub(super) fn flow(&self, names: &mut Names) -> Result<(i64, Flow), BadReason> {
        let time_us = self.time_us.ok_or(BadReason::Time)?;
        let flow = Flow {
            source: address(self.source, "id.orig_h")?,
            destination: address(self.destination, "id.resp_h")?,
            source_port: self.source_port.ok_or(BadReason::Field("id.orig_p"))?,
            destination_port: self.destination_port.ok_or(BadReason::Field("id.resp_p"))?,
            transport: transport(self.protocol),
            state: state(self.state),
            application: self.service.map(|service| names.name(service)),
            sent: self.sent.volume(),
            received: self.received.volume(),
            duration_us: self
                .duration_us
                .and_then(|micros| u64::try_from(micros).ok())
                .unwrap_or_default(),
        };
        Ok((time_us, flow))
    }
}

impl Counted {
    fn volume(self) -> Volume {
        Volume {
            packets: self.packets.unwrap_or_default(),
            bytes: self.ip_bytes.or(self.payload_bytes).unwrap_or_default(),
        }
    }
}

fn address(text: Option<&str>, column: &'static str) -> Result<Address, BadReason> {
    let address = text.and_then(|text| text.parse().ok());
    address.ok_or(BadReason::Field(column))
}

fn transport(name: Option<&str>) -> Transport {
    match name {
        Some("tcp") => Transport::Tcp,
        Some("udp") => Transport::Udp,
        Some("icmp" | "icmp6") => Transport::Icmp,
        Some("sctp") => Transport::Sctp,
        _ => Transport::Other,
    }
}

fn state(name: Option<&str>) -> FlowState {
    match name {
        Some("SF" | "S1" | "S2" | "S3" | "RSTO" | "RSTR") => FlowState::Established,
        Some("REJ") => FlowState::Rejected,
        Some("S0") => FlowState::Unanswered,
        _ => FlowState::Partial,
    }
}
