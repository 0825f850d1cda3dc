//! A node's home for one test: a temporary folder with configuration, logs and state, and the
//! built binary run in it. What a test starts ends with it, also when it fails.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::Event;
use rustix::process::{Pid, Signal, kill_process};
use store::{OpenRole, Sqlite};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_vertice");
/// How often and how long a wait looks: 30 s in all.
const LOOKS_MAX: u32 = 1500;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` finds something; fails the test after 30 s.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        pause(LOOK_EVERY);
    }
    panic!("30 s passed without: {what}");
}

/// Lets time pass.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// What one call of the binary gave.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    fn of(output: Output) -> Self {
        Self {
            // A signal has no code; 101 would be a panic.
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless it ended with this code, without a panic.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// The same for a failure: standard error has to say what to do.
    pub(crate) fn refused(self, code: i32) -> Self {
        let done = self.expect(code);
        assert!(done.err.contains("hint: "), "no hint: {done:?}");
        assert_eq!(done.out, "", "an error is no data");
        done
    }

    /// The lines of standard output, each read as JSON.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.out.lines().map(read).collect()
    }
}

/// One node's home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        home.configure("");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes the configuration: the given text after the state folder and a console without a
    /// fixed port.
    pub(crate) fn configure(&self, text: &str) {
        let state = self.state().display().to_string();
        let basis = format!(
            "console.listen = \"127.0.0.1:0\"\nnode.name = \"it\"\nnode.state = {state:?}\n{text}\n"
        );
        self.write("config.toml", &basis);
    }

    /// A configuration that follows `log`, after `text`.
    pub(crate) fn follow(&self, log: &str, text: &str) {
        self.configure(&format!("{text}\n{}", self.source(log, true)));
    }

    /// One `[[source]]` of the configuration.
    pub(crate) fn source(&self, log: &str, follow: bool) -> String {
        let path = self.path(log).display().to_string();
        format!("[[source]]\nfile = {path:?}\nfollow = {follow}\nformat = \"syslog\"\n")
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let opened = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.path(name));
        opened.unwrap().write_all(text.as_ref()).unwrap();
    }

    /// The binary with this home's configuration and nothing of the tester's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        self.dress(&mut command, arguments);
        command
    }

    fn dress(&self, command: &mut Command, arguments: &[&str]) {
        command.arg("--config").arg(self.path("config.toml"));
        command.args(arguments).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("TMPDIR", self.folder.path());
        command.stdin(Stdio::null());
    }

    /// Runs it to its end.
    pub(crate) fn vertice(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    /// Runs it to its end on this standard input.
    pub(crate) fn vertice_reading(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may end before it has read everything.
            scope.spawn(move || pipe.write_all(input).unwrap_or_default());
            Done::of(child.wait_with_output().unwrap())
        })
    }

    /// Starts `run` and waits until it is ready.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let command = self.command(&[&["run"], arguments].concat());
        let running = Running::spawn(command);
        running.wait_for("ready");
        running
    }

    /// The node's store, as a visitor.
    pub(crate) fn store(&self) -> Sqlite {
        until("the node's store", || {
            Sqlite::open(&self.state(), OpenRole::Visitor).ok()
        })
    }

    /// The events in the node's log, in order.
    pub(crate) fn logged(&self) -> Vec<Event> {
        let mut reader = segment::Reader::open(&self.state().join("log")).unwrap();
        let mut found = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            found.push(serde_json::from_slice(&record.bytes).unwrap());
        }
        found
    }

    /// Runs the configured sources to their end; fails the test if that fails.
    pub(crate) fn run_until_end(&self) -> Done {
        self.vertice(&["run", "--until-end"]).expect(0)
    }
}

/// A node that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it, keeping what it says on standard error.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let keeping = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut said = keeping.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, word: &str) {
        for _ in 0..LOOKS_MAX {
            if self.said().contains(word) {
                return;
            }
            pause(LOOK_EVERY);
        }
        panic!("never said {word:?}: {}", self.said());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order and gives what it said.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let status = until("the node ends after SIGTERM", || {
            self.child.try_wait().unwrap()
        });
        let said = self.said();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already over after `kill` and `stop`.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Children of a process, by their command lines.
pub(crate) fn children(pid: u32) -> Vec<(u32, String)> {
    let list = PathBuf::from(format!("/proc/{pid}/task"));
    let mut found = Vec::new();
    for task in std::fs::read_dir(list).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in text.split_ascii_whitespace() {
            let line = std::fs::read(Path::new("/proc").join(child).join("cmdline"));
            let line = String::from_utf8_lossy(&line.unwrap_or_default()).replace('\0', " ");
            found.push((child.parse().unwrap(), line));
        }
    }
    found
}
