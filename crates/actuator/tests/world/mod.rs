//! Network namespaces with a wire between them, and an actuator inside one. Everything made here
//! is unmade in `Drop`, also when a test fails.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use event::actuate::{Answer, Element, Operation, OperationResult, Reply, Request, Verb};
use event::{Action, ActionId};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use vertice_actuator::Connection;

/// Long enough for a packet over a veth pair, short enough to wait for one that never comes.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

static COUNT: AtomicU32 = AtomicU32::new(0);

#[expect(
    clippy::disallowed_methods,
    reason = "tests drive ip, nft and the actuator, in namespaces of their own"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// A network namespace that is gone when this is dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vt-{}-{count}", std::process::id());
        let namespace = Self { name };
        must(command("ip").args(["netns", "add", &namespace.name]));
        namespace.ip("link set lo up");
        namespace
    }

    /// `ip` inside the namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        must(
            command("ip")
                .args(["-n", &self.name])
                .args(arguments.split_whitespace()),
        );
    }

    /// A program inside the namespace.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut inside = command("ip");
        inside.args(["netns", "exec", &self.name, program]);
        inside
    }

    /// `nft` inside the namespace; its output.
    pub(crate) fn nft(&self, arguments: &str) -> String {
        let output = must(self.program("nft").args(arguments.split_whitespace()));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `body` in a thread inside the namespace; sockets made there stay there.
    pub(crate) fn inside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let enter = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            body()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// A UDP socket inside the namespace that waits at most 300 ms.
    pub(crate) fn udp(&self, address: &str, port: u16) -> UdpSocket {
        let address: IpAddr = address.parse().unwrap();
        let socket = self.inside(|| UdpSocket::bind(SocketAddr::new(address, port)).unwrap());
        socket.set_read_timeout(Some(SHORT)).unwrap();
        socket
    }

    /// The ruleset without what changes by itself.
    pub(crate) fn ruleset(&self) -> String {
        self.nft("-s list ruleset")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let deleted = command("ip").args(["netns", "del", &self.name]).status();
        assert!(std::thread::panicking() || deleted.unwrap().success());
    }
}

pub(crate) fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// A wire between two namespaces; the addresses carry their prefix length.
pub(crate) fn wire(left: (&Namespace, &str, &str), right: (&Namespace, &str, &str)) {
    let (left_namespace, left_name, left_address) = left;
    let (right_namespace, right_name, right_address) = right;
    left_namespace.ip(&format!(
        "link add {left_name} type veth peer name {right_name} netns {}",
        right_namespace.name
    ));
    for (namespace, name, address) in [
        (left_namespace, left_name, left_address),
        (right_namespace, right_name, right_address),
    ] {
        namespace.ip(&format!("addr add {address} dev {name} nodad"));
        namespace.ip(&format!("link set {name} up"));
    }
}

/// Does one of three datagrams from `from` reach `to`?
pub(crate) fn reaches(from: &UdpSocket, to: &UdpSocket) -> bool {
    let address = to.local_addr().unwrap();
    for _ in 0..3 {
        // A blocked egress is refused at the sender.
        let _may_be_refused = from.send_to(b"x", address);
        if to.recv_from(&mut [0; 8]).is_ok() {
            while to.set_nonblocking(true).is_ok() && to.recv_from(&mut [0; 8]).is_ok() {}
            to.set_nonblocking(false).unwrap();
            return true;
        }
    }
    false
}

/// An actuator process inside a namespace, and the connection to it.
pub(crate) struct Actuator {
    pub(crate) process: Child,
    pub(crate) connection: Connection,
    raw: OwnedFd,
    serial: u64,
}

pub(crate) struct Options {
    pub(crate) peer: String,
    pub(crate) new_per_minute_max: usize,
    pub(crate) resolv_conf: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            peer: "any".to_owned(),
            new_per_minute_max: 1_000_000,
            resolv_conf: "/dev/null".to_owned(),
        }
    }
}

pub(crate) fn process(mut command: Command, options: &Options, socket: OwnedFd) -> Command {
    command.args([
        options.peer.clone(),
        options.new_per_minute_max.to_string(),
        options.resolv_conf.clone(),
    ]);
    command.stdin(Stdio::from(socket)).stderr(Stdio::piped());
    command
}

impl Actuator {
    pub(crate) fn start(namespace: &Namespace) -> Self {
        Self::with(namespace, &Options::default())
    }

    pub(crate) fn with(namespace: &Namespace, options: &Options) -> Self {
        let (ours, theirs) = Connection::pair().unwrap();
        let program = namespace.program(env!("CARGO_BIN_EXE_actuator-under-test"));
        let process = process(program, options, theirs).spawn().unwrap();
        Self {
            process,
            raw: ours.try_clone().unwrap(),
            connection: Connection::new(ours),
            serial: 0,
        }
    }

    /// The socket itself, to send what no engine would.
    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.raw
    }

    /// Closes the engine's side for good and waits for the actuator's end.
    pub(crate) fn hang_up(&mut self) -> std::process::ExitStatus {
        let (ours, _theirs) = Connection::pair().unwrap();
        self.raw = ours.try_clone().unwrap();
        self.connection = Connection::new(ours);
        self.process.wait().unwrap()
    }

    pub(crate) fn ask(&mut self, verb: Verb) -> Answer {
        self.ask_as(1, verb)
    }

    pub(crate) fn ask_as(&mut self, fence: u64, verb: Verb) -> Answer {
        self.serial += 1;
        let serial = self.serial;
        let request = Request {
            serial,
            fence,
            verb,
        };
        self.connection.send(&request).unwrap();
        let reply: Reply = self
            .connection
            .receive(Duration::from_secs(20))
            .unwrap()
            .expect("a reply within 20 s");
        assert_eq!(reply.serial, serial);
        reply.answer
    }

    pub(crate) fn change(&mut self, operations: Vec<Operation>) -> Vec<OperationResult> {
        match self.ask(Verb::Change { operations }) {
            Answer::Changed { results } => results,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn one(&mut self, operation: Operation) -> OperationResult {
        self.change(vec![operation]).remove(0)
    }

    pub(crate) fn generation(&mut self) -> u64 {
        match self.ask(Verb::Hello) {
            Answer::Ready { generation, .. } => generation,
            other => panic!("{other:?}"),
        }
    }

    /// All pages.
    pub(crate) fn dump(&mut self) -> Vec<Element> {
        let mut all = Vec::new();
        let mut offset = 0;
        loop {
            match self.ask(Verb::Dump { offset }) {
                Answer::Standing { elements, next } => {
                    all.extend(elements);
                    let Some(next) = next else { return all };
                    offset = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Actuator {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _status = self.process.wait();
    }
}

pub(crate) fn present(action: Action, seconds: u32) -> Operation {
    Operation {
        action_id: id_of(&action),
        action,
        present_s: Some(seconds),
        approved: false,
    }
}

pub(crate) fn absent(action: Action) -> Operation {
    Operation {
        action_id: id_of(&action),
        action,
        present_s: None,
        approved: false,
    }
}

pub(crate) fn approved(operation: Operation) -> Operation {
    Operation {
        approved: true,
        ..operation
    }
}

pub(crate) fn is_present(result: &OperationResult) -> bool {
    matches!(result, OperationResult::Present { .. })
}

pub(crate) fn id_of(action: &Action) -> ActionId {
    ActionId::of(&[action.target().as_bytes(), action.kind().word().as_bytes()])
}

pub(crate) fn block(target: &str) -> Action {
    let target = target
        .parse()
        .unwrap_or_else(|_| target.parse::<IpAddr>().unwrap().into());
    Action::BlockIp { target }
}
