//! Zeek's JSON lines: names with a point or an underscore, times as seconds or ISO texts.

use event::Body;
use event::body::Other;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::conn::{Conn, Counted};
use super::{ZeekConn, exact};
use crate::calendar::{decimal_seconds, with_year};
use crate::json::{Text, as_text, flatten};
use crate::record::{BadReason, Parsed, RawRecord, event_of};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "_path", alias = "@stream", borrow, default)]
    path: Option<Text<'a>>,
    #[serde(borrow, default)]
    ts: Option<&'a RawValue>,
    #[serde(rename = "id.orig_h", alias = "id_orig_h", borrow, default)]
    source: Option<Text<'a>>,
    #[serde(rename = "id.orig_p", alias = "id_orig_p", default)]
    source_port: Option<u16>,
    #[serde(rename = "id.resp_h", alias = "id_resp_h", borrow, default)]
    destination: Option<Text<'a>>,
    #[serde(rename = "id.resp_p", alias = "id_resp_p", default)]
    destination_port: Option<u16>,
    #[serde(borrow, default)]
    proto: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service: Option<&'a RawValue>,
    #[serde(borrow, default)]
    duration: Option<&'a RawValue>,
    #[serde(borrow, default)]
    conn_state: Option<Text<'a>>,
    #[serde(borrow, default)]
    orig_pkts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    orig_bytes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    orig_ip_bytes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resp_pkts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resp_bytes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resp_ip_bytes: Option<&'a RawValue>,
}

impl Line<'_> {
    fn is_conn(&self) -> bool {
        match as_text(&self.path) {
            Some(path) => matches!(path, "conn" | "open_conn" | "conn_long"),
            None => self.conn_state.is_some() && self.source.is_some(),
        }
    }
}

impl ZeekConn {
    /// Reads a JSON line.
    pub(super) fn json(&mut self, record: &RawRecord<'_>) -> Parsed {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(record.bytes) else {
            return Parsed::Bad(BadReason::Json);
        };
        let read = if line.is_conn() {
            self.json_flow(&line)
        } else {
            self.json_other(&line, record.bytes)
        };
        match read {
            Ok((time_us, body)) => {
                let stamp = exact(time_us);
                Parsed::Event(event_of(record, &self.parser, stamp, None, body))
            }
            Err(reason) => Parsed::Bad(reason),
        }
    }

    fn json_flow(&mut self, line: &Line<'_>) -> Result<(i64, Body), BadReason> {
        let conn = Conn {
            time_us: line.ts.and_then(|ts| self.time_us(ts)),
            source: as_text(&line.source),
            source_port: line.source_port,
            destination: as_text(&line.destination),
            destination_port: line.destination_port,
            protocol: line.proto.and_then(unquoted),
            service: line.service.and_then(unquoted),
            duration_us: line.duration.and_then(|raw| decimal_seconds(raw.get())),
            state: as_text(&line.conn_state),
            sent: Counted {
                packets: count(line.orig_pkts)?,
                payload_bytes: count(line.orig_bytes)?,
                ip_bytes: count(line.orig_ip_bytes)?,
            },
            received: Counted {
                packets: count(line.resp_pkts)?,
                payload_bytes: count(line.resp_bytes)?,
                ip_bytes: count(line.resp_ip_bytes)?,
            },
        };
        let (time_us, flow) = conn.flow(&mut self.names)?;
        Ok((time_us, Body::Flow(flow)))
    }

    fn json_other(&self, line: &Line<'_>, bytes: &[u8]) -> Result<(i64, Body), BadReason> {
        let time_us = line.ts.and_then(|ts| self.time_us(ts));
        let body = Body::Other(Other {
            program: event::Name::new(as_text(&line.path).unwrap_or_default()),
            pid: None,
            fields: flatten(bytes).ok_or(BadReason::Json)?.0,
        });
        Ok((time_us.ok_or(BadReason::Time)?, body))
    }

    fn time_us(&self, raw: &RawValue) -> Option<i64> {
        let Some(text) = unquoted(raw) else {
            return decimal_seconds(raw.get());
        };
        match with_year(text, self.zone_offset_us) {
            Some((stamp, "")) => stamp.map(|stamp| stamp.time.micros()),
            _ => None,
        }
    }
}

/// The inside of a plain JSON text; `None` for another value or a text with escapes.
fn unquoted(raw: &RawValue) -> Option<&str> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

/// A count, unset, or refused where the field holds anything else.
fn count(raw: Option<&RawValue>) -> Result<Option<u64>, BadReason> {
    let Some(raw) = raw else { return Ok(None) };
    match raw.get() {
        "null" => Ok(None),
        text => match crate::text::whole(text) {
            Some(count) => Ok(Some(count)),
            None => Err(BadReason::Field("count")),
        },
    }
}
