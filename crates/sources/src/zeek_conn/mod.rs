//! Zeek's logs, as tables with a `#fields` header and as JSON lines: `conn` becomes flows, every
//! other log named fields.
//!
//! Columns may come in any order and with others between them (labels). A row that came before
//! any header, or with another number of columns, is refused: a guess would mix addresses up.
//!
//! Absent on purpose: files and their rotation, and the joining of logs by `uid`.

mod conn;
mod json;
mod table;
#[cfg(test)]
mod tests;

use event::{Name, Time, TimeQuality};

use self::table::Table;
use crate::names::Names;
use crate::record::{Parsed, Parser, RawRecord, Settings, Stamp, refused};

/// Reads Zeek's logs.
pub(crate) struct ZeekConn {
    parser: Name,
    zone_offset_us: i64,
    names: Names,
    table: Option<Table>,
}

impl ZeekConn {
    /// A parser that has seen no header.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            parser: Name::new("zeek_conn"),
            zone_offset_us: settings.zone_offset_us(),
            names: Names::default(),
            table: None,
        }
    }
}

impl Parser for ZeekConn {
    fn name(&self) -> &'static str {
        "zeek_conn"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        match record.bytes.first() {
            Some(b'{') => self.json(record),
            Some(b'#') => self.header(record.bytes),
            _ => self.row(record),
        }
    }
}

fn exact(micros: i64) -> Stamp {
    Stamp {
        time: Time::from_micros(micros),
        quality: TimeQuality::Exact,
    }
}
