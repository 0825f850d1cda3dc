//! Zeek's tables: a header in `#` lines, then one row a line.

use event::Body;
use event::body::Other;

use super::conn::Conn;
use super::{ZeekConn, exact};
use crate::calendar::decimal_seconds;
use crate::json::Fields;
use crate::record::{BadReason, DropReason, Parsed, RawRecord, event_of};
use crate::text::whole;

/// Columns of the widest table; a header with more is refused.
const COLUMNS_MAX: usize = 256;

/// What the header says of the rows.
#[derive(Debug)]
pub(super) struct Table {
    separator: char,
    unset: String,
    empty: String,
    path: String,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    wanted: Option<Wanted>,
}

/// The columns of `conn` that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Time,
    Source,
    SourcePort,
    Destination,
    DestinationPort,
    Protocol,
    Service,
    Duration,
    State,
    SentPackets,
    SentPayload,
    SentBytes,
    ReceivedPackets,
    ReceivedPayload,
    ReceivedBytes,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            separator: '\t',
            unset: "-".into(),
            empty: "(empty)".into(),
            path: String::new(),
            columns: Vec::new(),
        }
    }
}

impl Table {
    /// Is this a log of connections?
    fn is_conn(&self) -> bool {
        let named = matches!(self.path.as_str(), "conn" | "open_conn" | "conn_long");
        let has = |wanted| self.columns.iter().any(|c| c.wanted == Some(wanted));
        named || (self.path.is_empty() && has(Wanted::State) && has(Wanted::Source))
    }

    fn value<'a>(&self, text: &'a str) -> Option<&'a str> {
        (text != self.unset && text != self.empty && !text.is_empty()).then_some(text)
    }
}

impl ZeekConn {
    /// Takes up a `#` line.
    pub(super) fn header(&mut self, bytes: &[u8]) -> Parsed {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Parsed::Bad(BadReason::Form);
        };
        let text = text.trim_end_matches('\r');
        if let Some(rest) = text.strip_prefix("#separator ") {
            return self.separator(rest);
        }
        let table = self.table.get_or_insert_default();
        let (key, value) = text.split_once(table.separator).unwrap_or((text, ""));
        match key {
            "#unset_field" => table.unset = value.into(),
            "#empty_field" => table.empty = value.into(),
            "#path" => table.path = value.into(),
            "#fields" => return fields(table, value),
            "#set_separator" | "#types" | "#open" | "#close" => {}
            _ => return Parsed::Nothing(DropReason::Comment),
        }
        Parsed::Nothing(DropReason::Header)
    }

    /// `\x09` or one character; a new header begins.
    fn separator(&mut self, text: &str) -> Parsed {
        let code = text.strip_prefix("\\x");
        let separator = match code {
            Some(code) => u8::from_str_radix(code, 16).ok().map(char::from),
            None => text.chars().next(),
        };
        let Some(separator) = separator.filter(char::is_ascii) else {
            return Parsed::Bad(BadReason::Form);
        };
        self.table = Some(Table {
            separator,
            ..Table::default()
        });
        Parsed::Nothing(DropReason::Header)
    }

    /// Reads a row by the header before it.
    pub(super) fn row(&mut self, record: &RawRecord<'_>) -> Parsed {
        let text = String::from_utf8_lossy(record.bytes);
        let text = text.trim_end_matches('\r');
        let Some(table) = &self.table else {
            return Parsed::Bad(BadReason::Columns);
        };
        let columns = text.split(table.separator).count();
        if columns != table.columns.len() {
            return Parsed::Bad(BadReason::Columns);
        }
        let read = if table.is_conn() {
            conn(table, text).and_then(|conn| {
                let (time_us, flow) = conn.flow(&mut self.names)?;
                Ok((time_us, Body::Flow(flow)))
            })
        } else {
            other(table, text)
        };
        match read {
            Ok((time_us, body)) => {
                let stamp = exact(time_us);
                Parsed::Event(event_of(record, &self.parser, stamp, None, body))
            }
            Err(reason) => Parsed::Bad(reason),
        }
    }
}

fn fields(table: &mut Table, value: &str) -> Parsed {
    let names = value.split(table.separator);
    table.columns = names
        .take(COLUMNS_MAX.saturating_add(1))
        .map(|name| Column {
            name: name.into(),
            wanted: wanted(name),
        })
        .collect();
    if table.columns.len() > COLUMNS_MAX {
        table.columns.clear();
        return Parsed::Bad(BadReason::Columns);
    }
    Parsed::Nothing(DropReason::Header)
}

fn wanted(name: &str) -> Option<Wanted> {
    Some(match name {
        "ts" => Wanted::Time,
        "id.orig_h" | "id_orig_h" => Wanted::Source,
        "id.orig_p" | "id_orig_p" => Wanted::SourcePort,
        "id.resp_h" | "id_resp_h" => Wanted::Destination,
        "id.resp_p" | "id_resp_p" => Wanted::DestinationPort,
        "proto" => Wanted::Protocol,
        "service" => Wanted::Service,
        "duration" => Wanted::Duration,
        "conn_state" => Wanted::State,
        "orig_pkts" => Wanted::SentPackets,
        "orig_bytes" => Wanted::SentPayload,
        "orig_ip_bytes" => Wanted::SentBytes,
        "resp_pkts" => Wanted::ReceivedPackets,
        "resp_bytes" => Wanted::ReceivedPayload,
        "resp_ip_bytes" => Wanted::ReceivedBytes,
        _ => return None,
    })
}

fn conn<'a>(table: &Table, text: &'a str) -> Result<Conn<'a>, BadReason> {
    let mut conn = Conn::default();
    for (column, value) in table.columns.iter().zip(text.split(table.separator)) {
        if let Some(wanted) = column.wanted
            && let Some(value) = table.value(value)
        {
            set(&mut conn, wanted, value).ok_or(BadReason::Field("conn"))?;
        }
    }
    Ok(conn)
}

/// `None` where the value is not what the column holds.
fn set<'a>(conn: &mut Conn<'a>, wanted: Wanted, value: &'a str) -> Option<()> {
    match wanted {
        Wanted::Time => conn.time_us = Some(decimal_seconds(value)?),
        Wanted::Source => conn.source = Some(value),
        Wanted::SourcePort => conn.source_port = Some(whole(value)?),
        Wanted::Destination => conn.destination = Some(value),
        Wanted::DestinationPort => conn.destination_port = Some(whole(value)?),
        Wanted::Protocol => conn.protocol = Some(value),
        Wanted::Service => conn.service = Some(value),
        Wanted::Duration => conn.duration_us = Some(decimal_seconds(value)?),
        Wanted::State => conn.state = Some(value),
        Wanted::SentPackets => conn.sent.packets = Some(whole(value)?),
        Wanted::SentPayload => conn.sent.payload_bytes = Some(whole(value)?),
        Wanted::SentBytes => conn.sent.ip_bytes = Some(whole(value)?),
        Wanted::ReceivedPackets => conn.received.packets = Some(whole(value)?),
        Wanted::ReceivedPayload => conn.received.payload_bytes = Some(whole(value)?),
        Wanted::ReceivedBytes => conn.received.ip_bytes = Some(whole(value)?),
    }
    Some(())
}

fn other(table: &Table, text: &str) -> Result<(i64, Body), BadReason> {
    let mut fields = Fields::default();
    let mut time_us = None;
    for (column, value) in table.columns.iter().zip(text.split(table.separator)) {
        let Some(value) = table.value(value) else {
            continue;
        };
        if column.wanted == Some(Wanted::Time) {
            time_us = decimal_seconds(value);
        }
        fields.put(&column.name, value);
    }
    let body = Body::Other(Other {
        program: event::Name::new(&table.path),
        pid: None,
        fields: fields.0,
    });
    Ok((time_us.ok_or(BadReason::Time)?, body))
}
