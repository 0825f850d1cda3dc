//! The recorded host: a real rsyslogd and a real sshd with accounts of their own, inside a private
//! mount namespace where `/dev/log`, `/etc/passwd` and `/etc/shadow` are not the machine's.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Result, ensure};

use super::{pause, run};
use crate::programs::command;

/// A password that is on every attacker's list: recorded on purpose, used nowhere else.
pub(crate) const WEAK_PASSWORD: &str = "changeme";
/// The colleague's password in the recording.
pub(crate) const COLLEAGUE_PASSWORD: &str = "correct-horse-battery-staple";

const SSHD_CONFIG: &str = "Port 22\nUsePAM no\nPasswordAuthentication yes\nPermitRootLogin no\n\
    LogLevel INFO\nSyslogFacility AUTH\nStrictModes no\nMaxStartups 50\nPrintMotd no\n";

/// Sets the namespace up, starts both daemons, says `ready`, and ends when its input is closed.
pub(crate) fn serve(work: &Path) -> Result<()> {
    ensure!(
        work.join("packets.txt").exists(),
        "record-host is started by record"
    );
    devices(work)?;
    accounts(work)?;
    run("hostname", &["web01"])?;
    let mut syslog = start_syslog(work)?;
    let mut sshd = start_sshd(work)?;
    std::fs::write(work.join("ready"), "")?;
    let mut rest = Vec::new();
    std::io::stdin().take(1024).read_to_end(&mut rest)?;
    for child in [&mut sshd, &mut syslog] {
        run("kill", &["-TERM", &child.id().to_string()])?;
        child.wait()?;
    }
    Ok(())
}

/// A `/dev` of our own with the few devices that sshd needs, so that `/dev/log` is ours.
fn devices(work: &Path) -> Result<()> {
    let kept = work.join("dev");
    std::fs::create_dir_all(&kept)?;
    let kept = kept.display().to_string();
    run("mount", &["-t", "tmpfs", "tmpfs", &kept])?;
    for device in ["null", "zero", "random", "urandom", "tty", "ptmx"] {
        let target = format!("{kept}/{device}");
        std::fs::write(&target, "")?;
        run("mount", &["--bind", &format!("/dev/{device}"), &target])?;
    }
    std::fs::create_dir_all(format!("{kept}/pts"))?;
    run("mount", &["--bind", "/dev/pts", &format!("{kept}/pts")])?;
    run("mount", &["--rbind", &kept, "/dev"])
}

fn accounts(work: &Path) -> Result<()> {
    let hash = |password: &str| -> Result<String> {
        let output = command("openssl")
            .args(["passwd", "-6", password])
            .output()?;
        ensure!(output.status.success(), "openssl passwd failed");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let mut passwd = std::fs::read_to_string("/etc/passwd")?;
    let mut shadow = std::fs::read_to_string("/etc/shadow")?;
    for (uid, name, password) in [
        (2001, "maria", COLLEAGUE_PASSWORD),
        (2002, "deploy", WEAK_PASSWORD),
    ] {
        passwd.push_str(&format!("{name}:x:{uid}:{uid}::/tmp:/bin/sh\n"));
        shadow.push_str(&format!("{name}:{}:20000:0:99999:7:::\n", hash(password)?));
    }
    for (name, text) in [("passwd", passwd), ("shadow", shadow)] {
        let ours = work.join(name);
        std::fs::write(&ours, text)?;
        run(
            "mount",
            &[
                "--bind",
                &ours.display().to_string(),
                &format!("/etc/{name}"),
            ],
        )?;
    }
    Ok(())
}

fn start_syslog(work: &Path) -> Result<Child> {
    let log = work.join("auth.log");
    let config = work.join("rsyslog.conf");
    let text = format!(
        "module(load=\"imuxsock\")\n$ActionFileDefaultTemplate RSYSLOG_FileFormat\n\
         $PrivDropToUser root\nauth,authpriv.* {}\n",
        log.display()
    );
    std::fs::write(&config, text)?;
    let pid = work.join("rsyslog.pid");
    let mut syslog = command("rsyslogd");
    syslog.arg("-n").arg("-f").arg(&config).arg("-i").arg(&pid);
    let child = syslog.stdin(Stdio::null()).spawn()?;
    pause(1000);
    Ok(child)
}

fn start_sshd(work: &Path) -> Result<Child> {
    let config = work.join("sshd_config");
    let key = work.join("host_key").display().to_string();
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])?;
    std::fs::write(
        &config,
        format!("{SSHD_CONFIG}HostKey {key}\nPidFile {key}.pid\n"),
    )?;
    let empty = work.join("empty");
    std::fs::create_dir_all(&empty)?;
    std::fs::create_dir_all("/run/sshd").unwrap_or_default();
    let mut sshd = command("/usr/sbin/sshd");
    sshd.arg("-D").arg("-f").arg(&config).stdin(Stdio::null());
    let child = sshd.spawn()?;
    pause(1000);
    Ok(child)
}
