//! Suricata's EVE lines: flows and alerts in their own shape, the rest as named fields.
//!
//! A flow's time is its start. A connection whose server answered with a reset and nothing else
//! is `Rejected`; one that nobody answered is `Unanswered`.
//!
//! Absent on purpose: `stats` records (the sensor about itself: counted as dropped), payloads.

#[cfg(test)]
mod tests;

use event::body::{Alert, Flow, FlowState, Other, Transport, Volume};
use event::{Address, Body, Name, Severity, Time};
use serde::Deserialize;

use crate::calendar::with_year;
use crate::json::{Text, as_text, flatten};
use crate::names::Names;
use crate::record::{
    BadReason, DropReason, Parsed, Parser, RawRecord, Settings, Stamp, event_of, refused,
};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    #[serde(borrow, default)]
    src_ip: Option<Text<'a>>,
    #[serde(default)]
    src_port: Option<u16>,
    #[serde(borrow, default)]
    dest_ip: Option<Text<'a>>,
    #[serde(default)]
    dest_port: Option<u16>,
    #[serde(borrow, default)]
    proto: Option<Text<'a>>,
    #[serde(borrow, default)]
    app_proto: Option<Text<'a>>,
    #[serde(borrow, default)]
    host: Option<Text<'a>>,
    #[serde(borrow, default)]
    flow: Option<FlowPart<'a>>,
    #[serde(borrow, default)]
    alert: Option<AlertPart<'a>>,
    #[serde(borrow, default)]
    tcp: Option<TcpPart<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FlowPart<'a> {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    #[serde(borrow)]
    start: Option<Text<'a>>,
    #[serde(borrow)]
    end: Option<Text<'a>>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct AlertPart<'a> {
    signature_id: u64,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    category: Option<Text<'a>>,
    #[serde(default)]
    severity: u64,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TcpPart<'a> {
    #[serde(borrow)]
    tcp_flags_tc: Option<Text<'a>>,
}

/// Reads EVE lines.
pub(crate) struct Eve {
    parser: Name,
    zone_offset_us: i64,
    names: Names,
}

impl Eve {
    /// A parser that has seen nothing.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            parser: Name::new("eve"),
            zone_offset_us: settings.zone_offset_us(),
            names: Names::default(),
        }
    }

    fn event(&mut self, record: &RawRecord<'_>, line: &Line<'_>) -> Result<Parsed, BadReason> {
        let stamp = self.stamp(line.timestamp.as_str()).ok_or(BadReason::Time)?;
        let host = as_text(&line.host).map(|host| self.names.name(host));
        let (stamp, body) = match line.event_type.as_str() {
            "stats" => return Ok(Parsed::Nothing(DropReason::Foreign)),
            "flow" => self.flow(line, stamp)?,
            "alert" if line.alert.is_some() => (stamp, self.alert(line)?),
            kind => (stamp, self.other(kind, record.bytes)?),
        };
        Ok(Parsed::Event(event_of(
            record,
            &self.parser,
            stamp,
            host,
            body,
        )))
    }

    fn stamp(&self, text: &str) -> Option<Stamp> {
        match with_year(text, self.zone_offset_us) {
            Some((stamp, "")) => stamp,
            _ => None,
        }
    }

    fn flow(&mut self, line: &Line<'_>, stamp: Stamp) -> Result<(Stamp, Body), BadReason> {
        let Some(flow) = &line.flow else {
            return Err(BadReason::Field("flow"));
        };
        let start = as_text(&flow.start).and_then(|text| self.stamp(text));
        let stamp = start.unwrap_or(stamp);
        let end = as_text(&flow.end).and_then(|text| self.stamp(text));
        let body = Flow {
            source: address(&line.src_ip, "src_ip")?,
            destination: address(&line.dest_ip, "dest_ip")?,
            source_port: line.src_port.unwrap_or_default(),
            destination_port: line.dest_port.unwrap_or_default(),
            transport: transport(as_text(&line.proto)),
            state: state(flow, line.tcp.as_ref()),
            application: self.application(as_text(&line.app_proto)),
            sent: Volume {
                packets: flow.pkts_toserver,
                bytes: flow.bytes_toserver,
            },
            received: Volume {
                packets: flow.pkts_toclient,
                bytes: flow.bytes_toclient,
            },
            duration_us: end.map_or(0, |end| micros_between(stamp.time, end.time)),
        };
        Ok((stamp, Body::Flow(body)))
    }

    fn application(&mut self, name: Option<&str>) -> Option<Name> {
        let name = name.filter(|name| !matches!(*name, "" | "failed" | "unknown"))?;
        Some(self.names.name(name))
    }

    fn alert(&mut self, line: &Line<'_>) -> Result<Body, BadReason> {
        let Some(alert) = &line.alert else {
            return Err(BadReason::Field("alert"));
        };
        Ok(Body::Alert(Alert {
            signature_id: alert.signature_id,
            signature: self.names.name(alert.signature.as_str()),
            category: self
                .names
                .name(as_text(&alert.category).unwrap_or_default()),
            severity: severity(alert.severity),
            blocked: as_text(&alert.action) == Some("blocked"),
            source: address(&line.src_ip, "src_ip")?,
            destination: address(&line.dest_ip, "dest_ip")?,
            source_port: line.src_port.unwrap_or_default(),
            destination_port: line.dest_port.unwrap_or_default(),
            transport: transport(as_text(&line.proto)),
        }))
    }

    fn other(&mut self, kind: &str, bytes: &[u8]) -> Result<Body, BadReason> {
        let fields = flatten(bytes).ok_or(BadReason::Json)?;
        Ok(Body::Other(Other {
            program: self.names.name(kind),
            pid: None,
            fields: fields.0,
        }))
    }
}

impl Parser for Eve {
    fn name(&self) -> &'static str {
        "eve"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        // One look at the whole record is cheaper than one at each of its texts.
        let Ok(text) = std::str::from_utf8(record.bytes) else {
            return Parsed::Bad(BadReason::Json);
        };
        match serde_json::from_str::<Line<'_>>(text) {
            Ok(line) => self.event(record, &line).unwrap_or_else(Parsed::Bad),
            Err(_) => Parsed::Bad(BadReason::Json),
        }
    }
}

fn address(text: &Option<Text<'_>>, field: &'static str) -> Result<Address, BadReason> {
    let address = as_text(text).and_then(|text| text.parse().ok());
    address.ok_or(BadReason::Field(field))
}

fn micros_between(start: Time, end: Time) -> u64 {
    u64::try_from(end.since(start).as_micros()).unwrap_or(u64::MAX)
}

/// Suricata writes the names of IANA's list, in capitals or not by version.
fn transport(name: Option<&str>) -> Transport {
    let name = name.unwrap_or_default();
    let known = [
        ("TCP", Transport::Tcp),
        ("UDP", Transport::Udp),
        ("ICMP", Transport::Icmp),
        ("IPv6-ICMP", Transport::Icmp),
        ("SCTP", Transport::Sctp),
    ];
    let found = known
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(name));
    found.map_or(Transport::Other, |(_, transport)| *transport)
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;

fn state(flow: &FlowPart<'_>, tcp: Option<&TcpPart<'_>>) -> FlowState {
    if flow.pkts_toserver == 0 {
        return FlowState::Partial;
    }
    if flow.pkts_toclient == 0 {
        return FlowState::Unanswered;
    }
    let answered = tcp.and_then(|tcp| as_text(&tcp.tcp_flags_tc));
    let flags = answered.and_then(|flags| u8::from_str_radix(flags, 16).ok());
    match (flags, as_text(&flow.state)) {
        (Some(flags), _) if flags & RST != 0 && flags & SYN == 0 => FlowState::Rejected,
        (_, Some("new")) => FlowState::Partial,
        _ => FlowState::Established,
    }
}

/// Suricata counts down from 1.
const fn severity(number: u64) -> Severity {
    match number {
        1 => Severity::High,
        2 => Severity::Medium,
        3 => Severity::Low,
        _ => Severity::Info,
    }
}
