//! The peer for records in bulk: rsyslog reads JSON lines, takes out fields, appends to a file.
//!
//! It detects nothing and acknowledges nothing (no sync): less work than ours, on the same input.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::process::{Ours, children_cpu_s, now, pause};
use crate::programs::{command, which};

const PATIENCE: Duration = Duration::from_secs(120);
/// Output that has not grown for so long is complete.
const QUIET: Duration = Duration::from_secs(1);

/// CPU seconds that rsyslog takes for the whole input.
pub(super) fn cpu_s(folder: &Path, input: &Path) -> Result<f64> {
    ensure!(which("rsyslogd"), "rsyslogd is not installed");
    let output = folder.join("out");
    let settings = folder.join("rsyslog.conf");
    std::fs::write(&settings, text(folder, input, &output))?;
    let before = children_cpu_s();
    let mut server = command("rsyslogd");
    server
        .arg("-n")
        .arg("-f")
        .arg(&settings)
        .arg("-i")
        .arg(folder.join("pid"));
    server
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Ours::start(&mut server)?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let (start, wanted) = (now(), size(input));
    let mut grown = (0, now());
    // Each record is written whole, with fields before it: the output is larger than the input.
    while size(&output) < wanted || grown.1.elapsed() < QUIET {
        ensure!(
            start.elapsed() < PATIENCE,
            "rsyslog took longer than {PATIENCE:?}"
        );
        if size(&output) > grown.0 {
            grown = (size(&output), now());
        }
        pause(Duration::from_millis(20));
    }
    drop(server);
    std::fs::remove_file(&output)?;
    Ok(children_cpu_s() - before)
}

fn text(folder: &Path, input: &Path, output: &Path) -> String {
    let fields: String = ["timestamp", "src_ip", "dest_ip", "event_type"]
        .iter()
        .map(|field| format!("property(name=\"$!{field}\") constant(value=\" \") "))
        .collect();
    format!(
        "global(workDirectory={folder:?} maxMessageSize=\"64k\")\n\
         module(load=\"imfile\" mode=\"inotify\")\n\
         module(load=\"mmjsonparse\")\n\
         template(name=\"out\" type=\"list\") {{ {fields} property(name=\"msg\") constant(value=\"\\n\") }}\n\
         ruleset(name=\"eve\") {{\n\
         action(type=\"mmjsonparse\" cookie=\"\")\n\
         action(type=\"omfile\" file={output:?} template=\"out\")\n\
         }}\n\
         input(type=\"imfile\" file={input:?} tag=\"eve\" ruleset=\"eve\")\n"
    )
}
