//! Network namespaces with a wire between them, and an actuator inside one. Everything made here
//! is unmade in `Drop`, also when a test fails.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use event::actuate::{Answer, Element, Operation, OperationResult, Reply, Request, Verb};
use event::{Action, ActionId};
use vertice_actuator::Connection;

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

/// An actuator process inside a namespace, and the connection to it.
pub(crate) struct Actuator {
    pub(crate) process: Child,
    pub(crate) connection: Connection,
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
            connection: Connection::new(ours),
            serial: 0,
        }
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

pub(crate) fn id_of(action: &Action) -> ActionId {
    ActionId::of(&[action.target().as_bytes(), action.kind().word().as_bytes()])
}

pub(crate) fn block(target: &str) -> Action {
    let target = target
        .parse()
        .unwrap_or_else(|_| target.parse::<std::net::IpAddr>().unwrap().into());
    Action::BlockIp { target }
}
