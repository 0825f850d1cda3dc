//! Starting programs, and finding out which there are.

use std::path::PathBuf;
use std::process::Command;

const FOLDERS: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

#[expect(
    clippy::disallowed_methods,
    reason = "xtask starts the programs that it drives"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// Is a program installed?
pub(crate) fn which(program: &str) -> bool {
    FOLDERS
        .iter()
        .any(|folder| PathBuf::from(folder).join(program).exists())
}

/// Do we run as root?
pub(crate) fn is_root() -> bool {
    let output = command("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.starts_with(b"0"))
}

/// Where cargo builds.
#[expect(clippy::disallowed_methods, reason = "cargo tells by the environment")]
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
