//! Real traffic through real namespaces: what is blocked stops, what is not goes on.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[cfg(test)]
mod world;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use event::actuate::OperationResult;
use event::{Action, Address, Rate};
use world::{
    Actuator, Namespace, SHORT, absent, approved, block, is_present, present, reaches, wire,
};

const SERVER: &str = "10.77.0.1";
const ATTACKER: &str = "10.77.0.2";
const NEIGHBOUR: &str = "10.77.0.3";
const ATTACKER_V6: &str = "2001:db8:77::2";
const SERVER_V6: &str = "2001:db8:77::1";

/// A server with the actuator, and beside it an attacker who shares the wire with a neighbour.
struct Duel {
    server: Namespace,
    attacker: Namespace,
    actuator: Actuator,
}

fn duel() -> Duel {
    let (server, attacker) = (Namespace::new(), Namespace::new());
    wire(
        (&server, "eth0", "10.77.0.1/24"),
        (&attacker, "eth0", "10.77.0.2/24"),
    );
    attacker.ip("addr add 10.77.0.3/24 dev eth0");
    attacker.ip("addr add 2001:db8:77::2/64 dev eth0 nodad");
    server.ip("addr add 2001:db8:77::1/64 dev eth0 nodad");
    let actuator = Actuator::start(&server);
    Duel {
        server,
        attacker,
        actuator,
    }
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// Answers every line on every connection, for as long as the test runs.
fn echo(namespace: &Namespace, at: SocketAddr) {
    let listener = namespace.inside(|| TcpListener::bind(at).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn connect(namespace: &Namespace, to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = namespace.inside(|| TcpStream::connect_timeout(&to, SHORT * 3))?;
    stream.set_read_timeout(Some(SHORT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a byte and waits for it to come back.
fn alive(stream: &mut TcpStream) -> bool {
    stream.write_all(b"?").unwrap();
    match stream.read_exact(&mut [0]) {
        Ok(()) => true,
        Err(error) => {
            let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(waited, "{error}");
            false
        }
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_block_cuts_established_connections_at_once_and_undo_heals_them() {
    for (server, attacker) in [(SERVER, ATTACKER), (SERVER_V6, ATTACKER_V6)] {
        let mut duel = duel();
        let to = SocketAddr::new(server.parse().unwrap(), 2222);
        echo(&duel.server, to);
        let mut established = connect(&duel.attacker, to).unwrap();
        assert!(alive(&mut established));
        // The attacker's IPv4 connections leave from its first address.
        assert!(is_present(
            &duel.actuator.one(present(block(attacker), 600))
        ));
        assert!(!alive(&mut established));
        assert!(connect(&duel.attacker, to).is_err());
        assert_eq!(
            duel.actuator.one(absent(block(attacker))),
            OperationResult::Absent
        );
        assert!(alive(&mut connect(&duel.attacker, to).unwrap()));
        // TCP sends again what was dropped.
        established
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(alive(&mut established));
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_block_hits_its_source_only_and_ends_with_its_time() {
    let mut duel = duel();
    let target = duel.server.udp(SERVER, 53);
    let attacker = duel.attacker.udp(ATTACKER, 4000);
    let neighbour = duel.attacker.udp(NEIGHBOUR, 4000);
    assert!(is_present(&duel.actuator.one(present(block(ATTACKER), 5))));
    assert!(!reaches(&attacker, &target) && reaches(&neighbour, &target));
    let mut waits = 0;
    while !duel.actuator.dump().is_empty() {
        std::thread::park_timeout(Duration::from_millis(100));
        waits += 1;
        assert!(waits < 100, "the kernel has not let go after 10 s");
    }
    assert!(reaches(&attacker, &target));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_range_is_blocked_whole_and_nothing_beside_it() {
    let mut duel = duel();
    let target = duel.server.udp(SERVER, 53);
    let attacker = duel.attacker.udp(ATTACKER, 4000);
    duel.attacker.ip("addr add 10.77.0.8/24 dev eth0");
    let beside = duel.attacker.udp("10.77.0.8", 4000);
    let inside = duel.attacker.udp(NEIGHBOUR, 4000);
    let range = block("10.77.0.2/31");
    assert!(is_present(
        &duel.actuator.one(approved(present(range.clone(), 60)))
    ));
    assert!(!reaches(&attacker, &target));
    assert!(!reaches(&inside, &target));
    assert!(reaches(&beside, &target));
    assert_eq!(duel.actuator.one(absent(range)), OperationResult::Absent);
    assert!(reaches(&attacker, &target));
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_rate_limit_lets_its_number_through_and_meters_each_source_by_itself() {
    let mut duel = duel();
    let target = duel.server.udp(SERVER, 53);
    let attacker = duel.attacker.udp(ATTACKER, 4000);
    let neighbour = duel.attacker.udp(NEIGHBOUR, 4000);
    let stranger = duel.attacker.udp("10.77.0.2", 4001);
    let limit = |source: &str, packets| Action::RateLimit {
        address: address(source),
        rate: Rate {
            packets,
            per_seconds: 3600,
        },
    };
    for (source, packets) in [(ATTACKER, 5), (NEIGHBOUR, 12)] {
        let result = duel.actuator.one(present(limit(source, packets), 600));
        let OperationResult::Present { shown, .. } = &result else {
            panic!("{result:?}");
        };
        assert!(shown.contains(&format!("limit rate over {packets}/hour")));
    }
    assert_eq!(passed(&attacker, &target), 5);
    assert_eq!(passed(&neighbour, &target), 12);
    assert_eq!(passed(&stranger, &target), 0, "one budget for one address");
    duel.actuator.one(absent(limit(ATTACKER, 5)));
    assert_eq!(passed(&attacker, &target), 30);
}

/// How many of 30 datagrams get through.
fn passed(from: &UdpSocket, to: &UdpSocket) -> usize {
    for _ in 0..30 {
        from.send_to(b"x", to.local_addr().unwrap()).unwrap();
    }
    std::iter::from_fn(|| to.recv_from(&mut [0; 8]).ok()).count()
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn egress_is_blocked_to_an_address_or_to_one_of_its_ports() {
    for (server, attacker) in [(SERVER, ATTACKER), (SERVER_V6, ATTACKER_V6)] {
        let mut duel = duel();
        let own = duel.server.udp(server, 5000);
        let web = duel.attacker.udp(attacker, 443);
        let other = duel.attacker.udp(attacker, 444);
        let egress = |port| Action::BlockEgress {
            address: address(attacker),
            port,
        };
        assert!(is_present(
            &duel.actuator.one(present(egress(Some(443)), 60))
        ));
        assert!(!reaches(&own, &web));
        assert!(reaches(&own, &other));
        duel.attacker
            .inside(|| TcpListener::bind((attacker, 443)).unwrap());
        let to = SocketAddr::new(attacker.parse().unwrap(), 443);
        assert!(connect(&duel.server, to).is_err(), "TCP to the port, too");
        assert!(is_present(&duel.actuator.one(present(egress(None), 60))));
        assert!(!reaches(&own, &other));
        duel.actuator.one(absent(egress(None)));
        duel.actuator.one(absent(egress(Some(443))));
        assert!(reaches(&own, &web) && reaches(&own, &other));
    }
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_gateway_protects_those_behind_it() {
    let (attacker, gateway, victim) = (Namespace::new(), Namespace::new(), Namespace::new());
    wire(
        (&gateway, "out", "10.77.1.1/24"),
        (&attacker, "eth0", "10.77.1.2/24"),
    );
    wire(
        (&gateway, "in", "10.77.2.1/24"),
        (&victim, "eth0", "10.77.2.2/24"),
    );
    attacker.ip("route add default via 10.77.1.1");
    victim.ip("route add default via 10.77.2.1");
    gateway.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    let outside = attacker.udp("10.77.1.2", 4000);
    let inside = victim.udp("10.77.2.2", 4000);
    assert!(reaches(&outside, &inside) && reaches(&inside, &outside));
    let mut actuator = Actuator::start(&gateway);
    let egress = Action::BlockEgress {
        address: address("10.77.1.2"),
        port: None,
    };
    assert!(is_present(&actuator.one(present(block("10.77.1.2"), 60))));
    assert!(!reaches(&outside, &inside) && reaches(&inside, &outside));
    actuator.one(absent(block("10.77.1.2")));
    assert!(is_present(&actuator.one(present(egress.clone(), 60))));
    assert!(reaches(&outside, &inside) && !reaches(&inside, &outside));
    actuator.one(absent(egress));
    assert!(reaches(&inside, &outside));
}
