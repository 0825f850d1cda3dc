//! The peer: Debian's fail2ban, unpacked beside (never installed), started by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::network::inside;
use super::process::{Ours, now, pause};
use crate::programs::{command, which};

/// The packages: fail2ban itself and its inotify backend.
const PACKAGES: &[&str] = &["fail2ban", "python3-pyinotify"];
/// Debian's own interpreter; others do not fit its packages.
const PYTHON: &str = "/usr/bin/python3";
/// How long its start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Where it was unpacked.
#[derive(Debug)]
pub(super) struct Fail2ban {
    root: PathBuf,
}

impl Fail2ban {
    /// The set that its nftables action fills.
    pub(super) const SETS: &[&str] = &[" addr-set-sshd"];

    /// Fetches and unpacks it below `work`.
    pub(super) fn unpack(work: &Path) -> Result<Self> {
        for program in ["apt-get", "dpkg"] {
            ensure!(which(program), "{program} is missing");
        }
        ensure!(Path::new(PYTHON).exists(), "{PYTHON} is missing");
        let folder = work.join("fail2ban");
        std::fs::create_dir_all(&folder)?;
        quiet(
            command("apt-get")
                .arg("download")
                .args(PACKAGES)
                .current_dir(&folder),
        )?;
        let root = folder.join("root");
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                quiet(command("dpkg").arg("-x").arg(&path).arg(&root))?;
            }
        }
        ensure!(
            root.join("usr/bin/fail2ban-server").exists(),
            "the package holds no server"
        );
        Ok(Self { root })
    }

    fn python(&self, mut command: Command, program: &str) -> Command {
        command.arg(self.root.join("usr/bin").join(program));
        command.env(
            "PYTHONPATH",
            self.root.join("usr/lib/python3/dist-packages"),
        );
        command.env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    fn settings(&self) -> PathBuf {
        self.root.join("etc/fail2ban")
    }

    /// `fail2ban-regex` with the sshd filter over a log.
    pub(super) fn regex(&self, log: &Path) -> Command {
        let mut regex = self.python(command(PYTHON), "fail2ban-regex");
        regex
            .arg("--config")
            .arg(self.settings())
            .args(["--print-no-missed", "--print-no-ignored"]);
        regex.arg(log).arg("sshd");
        regex
    }

    /// The server with one sshd jail over `log`, in a namespace; ready when its jail has started.
    pub(super) fn serve(
        &self,
        folder: &Path,
        log: &Path,
        namespace: &str,
        backend: &str,
    ) -> Result<Ours> {
        let settings = folder.join("settings");
        quiet(command("cp").arg("-r").arg(self.settings()).arg(&settings))?;
        // Debian's own default would switch the jail on once more.
        std::fs::remove_dir_all(settings.join("jail.d"))?;
        std::fs::write(settings.join("jail.local"), jail(log, backend))?;
        let no_database = "[Definition]\ndbfile = None\n";
        std::fs::write(settings.join("fail2ban.local"), no_database)?;
        let mut server = self.python(inside(namespace, PYTHON), "fail2ban-server");
        server
            .args(["-x", "-f", "-v", "--logtarget"])
            .arg(folder.join("words"));
        server
            .arg("-c")
            .arg(&settings)
            .arg("-s")
            .arg(folder.join("socket"));
        server
            .arg("-p")
            .arg(folder.join("pid"))
            .arg("start")
            .stdout(Stdio::null());
        server.stderr(std::fs::File::create(folder.join("errors"))?);
        let mut server = Ours::start(&mut server)?;
        let start = now();
        // The action starts with the first ban; until then only its word tells.
        while !words(folder).contains("Jail 'sshd' started") {
            let ended = server.0.try_wait()?.is_some() || start.elapsed() > START_PATIENCE;
            ensure!(!ended, "fail2ban did not start: {}", last_words(folder));
            pause(Duration::from_millis(20));
        }
        Ok(server)
    }
}

fn jail(log: &Path, backend: &str) -> String {
    format!(
        "[DEFAULT]\nbackend = {backend}\nmaxretry = 5\nfindtime = 10m\nbantime = 10m\nallowipv6 = auto\n\
         banaction = nftables\n\n[sshd]\nenabled = true\nbackend = {backend}\nlogpath = {}\n\
         action = nftables[name=sshd, type=custom, blocktype=drop]\n",
        log.display()
    )
}

fn words(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("words")).unwrap_or_default()
}

fn last_words(folder: &Path) -> String {
    let errors = std::fs::read_to_string(folder.join("errors")).unwrap_or_default();
    let all = format!("{}\n{errors}", words(folder));
    let lines: Vec<&str> = all
        .lines()
        .rev()
        .filter(|line| !line.is_empty())
        .take(2)
        .collect();
    lines.join(" | ")
}

fn quiet(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        said.lines().last().unwrap_or_default()
    );
    Ok(())
}
