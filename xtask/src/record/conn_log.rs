//! Connections out of tcpdump's text, in the format and with the states of Zeek's `conn.log`
//! (`S0` no answer, `REJ` refused, `SF`/`S1` established), for the demo's recording only.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Default)]
struct Connection {
    first: f64,
    last: f64,
    sent: (u64, u64),
    received: (u64, u64),
    answered: bool,
    refused: bool,
    finished: bool,
}

type Key = (String, u16, String, u16);

/// The whole log, TSV with Zeek's header lines.
pub(super) fn from_tcpdump(text: &str) -> String {
    let mut connections: BTreeMap<Key, Connection> = BTreeMap::new();
    let mut order: Vec<Key> = Vec::new();
    let mut time = 0.0;
    let mut length = 0;
    for line in text.lines() {
        if let Some((at, total)) = header(line) {
            time = at;
            length = total;
        } else if let Some(packet) = packet(line) {
            add(&mut connections, &mut order, &packet, time, length);
        }
    }
    print(&connections, &order)
}

/// `1732412345.678901 IP (tos 0x0, ttl 64, …, length 60)`: time and IP length.
fn header(line: &str) -> Option<(f64, u64)> {
    let mut words = line.split_whitespace();
    let time = words.next()?.parse().ok()?;
    let length = line
        .rsplit_once("length ")?
        .1
        .trim_end_matches([')', ':'])
        .parse()
        .ok()?;
    Some((time, length))
}

struct Packet {
    source: (String, u16),
    destination: (String, u16),
    flags: String,
}

/// `    203.0.113.7.51234 > 198.51.100.10.22: Flags [S], …`.
fn packet(line: &str) -> Option<Packet> {
    let (ends, rest) = line.trim_start().split_once(": Flags [")?;
    let (source, destination) = ends.split_once(" > ")?;
    let flags = rest.split_once(']')?.0.to_owned();
    Some(Packet {
        source: endpoint(source)?,
        destination: endpoint(destination)?,
        flags,
    })
}

fn endpoint(text: &str) -> Option<(String, u16)> {
    let (address, port) = text.rsplit_once('.')?;
    Some((address.to_owned(), port.parse().ok()?))
}

fn add(
    connections: &mut BTreeMap<Key, Connection>,
    order: &mut Vec<Key>,
    packet: &Packet,
    time: f64,
    length: u64,
) {
    let (from, to) = (packet.source.clone(), packet.destination.clone());
    let forward: Key = (from.0.clone(), from.1, to.0.clone(), to.1);
    let backward: Key = (to.0, to.1, from.0, from.1);
    let answer = connections.contains_key(&backward);
    let key = if answer { backward } else { forward };
    let connection = connections.entry(key.clone()).or_insert_with(|| {
        order.push(key);
        Connection {
            first: time,
            ..Connection::default()
        }
    });
    connection.last = time;
    let side = if answer {
        &mut connection.received
    } else {
        &mut connection.sent
    };
    *side = (side.0 + 1, side.1 + length);
    if answer && packet.flags.contains('S') {
        connection.answered = true;
    }
    if answer && packet.flags.contains('R') && !connection.answered {
        connection.refused = true;
    }
    connection.finished |= packet.flags.contains('F');
}

fn print(connections: &BTreeMap<Key, Connection>, order: &[Key]) -> String {
    let fields = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t\
        orig_bytes\tresp_bytes\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes";
    let mut text = String::from("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n");
    text.push_str("#unset_field\t-\n#path\tconn\n");
    writeln!(text, "#fields\t{fields}").unwrap_or_default();
    for (number, key) in order.iter().enumerate() {
        let Some(connection) = connections.get(key) else {
            continue;
        };
        let state = match (connection.answered, connection.refused, connection.finished) {
            (true, _, true) => "SF",
            (true, _, false) => "S1",
            (false, true, _) => "REJ",
            (false, false, _) => "S0",
        };
        let service = if key.3 == 22 && connection.answered {
            "ssh"
        } else {
            "-"
        };
        let (source, source_port, destination, destination_port) = key;
        writeln!(
            text,
            "{:.6}\tC{number:07}\t{source}\t{source_port}\t{destination}\t{destination_port}\ttcp\t\
             {service}\t{:.6}\t-\t-\t{state}\t{}\t{}\t{}\t{}",
            connection.first,
            connection.last - connection.first,
            connection.sent.0,
            connection.sent.1,
            connection.received.0,
            connection.received.1,
        )
        .unwrap_or_default();
    }
    text
}
