//! A host of the demo's network: an echo service, or a client that connects when it is told to.
//!
//! The client reads words on standard input and answers each with `open` or `cut`: `connect` tries
//! a new connection, `hold` opens one and keeps it, `talk` uses the kept one.

use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};

/// How long an answer may take before the way counts as cut.
const PATIENCE: Duration = Duration::from_millis(400);
const WORD: &[u8; 5] = b"hello";
const CONNECTIONS_MAX: usize = 64;

/// Echoes until its input is closed.
///
/// # Errors
/// The address cannot be bound.
pub fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let accept = move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { continue };
            if number >= CONNECTIONS_MAX {
                return;
            }
            let echoing = std::thread::Builder::new().spawn(move || echo(stream));
            echoing.map(drop).unwrap_or_default();
        }
    };
    std::thread::Builder::new()
        .name("accept".into())
        .spawn(accept)?;
    io::stdout().write_all(b"ready\n")?;
    io::stdout().flush()?;
    for line in io::stdin().lock().lines() {
        line?;
    }
    Ok(())
}

fn echo(mut stream: TcpStream) {
    let mut word = [0; WORD.len()];
    while stream.read_exact(&mut word).is_ok() && stream.write_all(&word).is_ok() {}
}

/// Connects from `from` to `to` as its input says.
///
/// # Errors
/// Standard input or output is gone.
pub fn client(to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let mut held: Option<TcpStream> = None;
    for line in io::stdin().lock().lines() {
        let open = match line?.trim() {
            "connect" => connect(to, from)
                .and_then(|mut stream| talk(&mut stream))
                .is_ok(),
            "hold" => {
                held = connect(to, from).ok();
                held.as_mut().is_some_and(|stream| talk(stream).is_ok())
            }
            "talk" => held.as_mut().is_some_and(|stream| talk(stream).is_ok()),
            _ => false,
        };
        let answer: &[u8] = if open { b"open\n" } else { b"cut\n" };
        io::stdout().write_all(answer)?;
        io::stdout().flush()?;
    }
    Ok(())
}

fn connect(to: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
    // A send timeout bounds connect as well (socket(7)).
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn talk(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(WORD)?;
    let mut answer = [0; WORD.len()];
    stream.read_exact(&mut answer)?;
    if &answer == WORD {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
