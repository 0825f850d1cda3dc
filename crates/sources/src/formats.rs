//! The table of formats: every parser is found by reading one list.

use event::{Name, Time};

use crate::auto::Auto;
use crate::eve::Eve;
use crate::event_lines::EventLines;
use crate::journald::Journald;
use crate::record::{Parsed, Parser, RawRecord, Settings};
use crate::syslog::Syslog;
use crate::zeek_conn::ZeekConn;

/// A format that can be read.
#[derive(Clone, Copy)]
pub struct Format {
    /// The word after `--format`.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// A new parser of it.
    pub new: fn(&Settings) -> Box<dyn Parser>,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Format").field("name", &self.name).finish()
    }
}

/// Every format, sorted by name.
pub const ALL: &[Format] = &[
    Format {
        name: "eve",
        description: "Suricata's EVE JSON lines: flows, alerts, other records as fields",
        new: |settings| Box::new(Eve::new(settings)),
    },
    Format {
        name: "event",
        description: "this product's own events as JSON lines",
        new: |_| Box::new(EventLines),
    },
    Format {
        name: "journald",
        description: "the systemd journal's JSON export, one object a line",
        new: |_| Box::new(Journald::new()),
    },
    Format {
        name: "syslog",
        description: "syslog lines (RFC 3164, RFC 5424, ISO times): sshd, PAM, sudo, su, accounts",
        new: |settings| Box::new(Syslog::new(settings)),
    },
    Format {
        name: "zeek_conn",
        description: "Zeek logs, tables or JSON lines: conn as flows, others as fields",
        new: |settings| Box::new(ZeekConn::new(settings)),
    },
];

/// A parser that finds out the format by the first lines and is pinned after three that agree.
pub fn auto(settings: &Settings) -> Box<dyn Parser> {
    Box::new(Auto::new(settings))
}

/// A new parser of the format of that name.
pub fn by_name(format: &str, settings: &Settings) -> Option<Box<dyn Parser>> {
    let found = ALL.iter().find(|known| known.name == format)?;
    Some((found.new)(settings))
}

/// Feeds `bytes`, split into lines, to the format of that name (or `auto`): for fuzz targets.
///
/// Returns how many records were events, dropped, bad; zeros for an unknown name.
pub fn fuzz(name: &str, bytes: &[u8]) -> [usize; 3] {
    let mut counts = [0; 3];
    let settings = Settings::default();
    let named = by_name(name, &settings);
    let Some(mut parser) = named.or_else(|| (name == "auto").then(|| auto(&settings))) else {
        return counts;
    };
    let stream = Name::new("fuzz");
    let [events, dropped, bad] = &mut counts;
    for (line, position) in bytes.split(|byte| *byte == b'\n').zip(0..) {
        let record = RawRecord {
            stream: &stream,
            position,
            observed: Time::from_seconds(1_800_000_000),
            bytes: line,
            spoofable: false,
        };
        let counter = match parser.parse(&record) {
            Parsed::Event(_) => &mut *events,
            Parsed::Nothing(_) => &mut *dropped,
            Parsed::Bad(_) => &mut *bad,
        };
        *counter = counter.saturating_add(1);
    }
    counts
}
