//! `vertice demo`: the whole loop on recordings made for this product (see `recordings/`).
//!
//! Where it may (root, `ip netns`), it enforces in two network namespaces of its own and shows a
//! real connection that works, is cut, and works again after undo. Elsewhere it observes and says
//! so. It touches nothing of the machine but its temporary folder and its namespaces.

pub mod host;
mod network;
mod report;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use network::{ATTACKER, COLLEAGUE, Network, VICTIM};
pub use report::{Hop, Report, Step};
pub use stage::{Stage, StageError};

/// The recorded log of the attacked host.
pub const AUTH_LOG: &[u8] = include_bytes!("../../recordings/auth.log");
/// The recorded connections of the scan.
pub const CONN_LOG: &[u8] = include_bytes!("../../recordings/conn.log");

/// What the demo is asked to do.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Enforce where possible.
    pub enforce: bool,
    /// Where the console listens.
    pub listen: SocketAddr,
    /// The demo's folder; removed at the end.
    pub folder: PathBuf,
}

/// Why the demo only observes here; `None` if it can enforce.
pub fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("it does not run as root");
    }
    let programs = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];
    if !programs
        .iter()
        .any(|path| std::path::Path::new(path).exists())
    {
        return Some("the program ip (iproute2) is missing");
    }
    None
}
