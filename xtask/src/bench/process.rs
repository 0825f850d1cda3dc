//! Processes and folders of ours, ended and removed whatever happens; and what processes cost.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::programs::command;

/// The kernel's clock ticks a second, as `/proc` counts CPU time (the same on every Linux).
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a process may take to end when asked.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// Now, on the clock that only goes forward.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970: comparable between processes.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(super) fn unix_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "a bench keeps its own pace")]
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A folder, removed when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a new folder in `parent`, named after this process.
    pub(super) fn make(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("vertice-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A new folder inside, emptied if it was there.
    pub(super) fn inside(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            println!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// A process of ours, ended by its id when dropped.
#[derive(Debug)]
pub(super) struct Ours(pub(super) Child);

impl Ours {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        command.spawn().map(Self).context(shown)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.0.stdin.take());
        if self.0.try_wait()?.is_some() {
            return Ok(());
        }
        command("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status()?;
        let start = now();
        while start.elapsed() < END_PATIENCE {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            pause(Duration::from_millis(5));
        }
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            println!("process {} is left behind: {error}", self.0.id());
        }
    }
}

/// What one run of a program cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    /// Highest resident set seen, MB.
    pub(super) peak_mb: f64,
}

/// Runs a program to its end. What it says on standard error is shown when it fails.
pub(super) fn timed(command: &mut Command, errors: &Path) -> Result<Spent> {
    command
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(errors)?);
    let cpu_before = children_cpu_s();
    let start = now();
    let mut child = Ours::start(command)?;
    let mut peak_mb = 0.0f64;
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        peak_mb = peak_mb.max(memory_mb(child.id(), "VmHWM"));
        pause(Duration::from_millis(5));
    };
    let wall_s = start.elapsed().as_secs_f64();
    let said = std::fs::read_to_string(errors).unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    ensure!(
        status.success(),
        "{command:?}: {status}: {}",
        last.join(" | ")
    );
    Ok(Spent {
        wall_s,
        cpu_s: children_cpu_s() - cpu_before,
        peak_mb,
    })
}

/// CPU seconds of all children that have ended and were waited for, with their children.
pub(super) fn children_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields behind the name, which may hold anything: state is the first, cutime the 14th.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// A figure of `/proc/<pid>/status`, MB (10^6 bytes); 0 when the process is gone.
pub(super) fn memory_mb(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// The children of a process.
pub(super) fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let read = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| read(task).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}
