//! `cargo xtask browser`: the console of a real node, driven in a real browser.
//!
//! Sets a [`stage`] (two network namespaces, an echo service, a node in mode `ask` whose actuator
//! enforces in the victim's namespace), then hands over to `tests/browser/main.mjs`, which feeds
//! attack lines and drives Chromium. The two test tools, playwright-core and axe-core, are fetched
//! by npm into a cache folder outside the checkout; nothing of them is shipped.
//!
//! Absent on purpose: timing assertions. Every wait is bounded, and only its end is an error.

mod stage;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::programs::{command, is_root, target_folder, which};
use crate::tidy;
use stage::Stage;

/// What npm fetches: name and exact version.
const TOOLS: &[(&str, &str)] = &[("playwright-core", "1.65.1"), ("axe-core", "4.14.1")];
/// Programs that have to be there.
const PROGRAMS: &[&str] = &["node", "npm", "chromium", "ip", "nft"];

/// Why this machine cannot run it; `None` = it can.
pub(crate) fn obstacle() -> Option<String> {
    if !is_root() {
        return Some("it needs root for its network namespaces".into());
    }
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .copied()
        .filter(|program| !which(program))
        .collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(" ")))
}

/// Runs all checks with `binary`, or with a release build made now. With a folder for `pictures`, each page
/// of each theme and size is left there.
pub(crate) fn run(binary: Option<&Path>, pictures: Option<&Path>) -> Result<()> {
    if let Some(why) = obstacle() {
        bail!(why);
    }
    let tools = tools()?;
    let binary = match binary {
        Some(binary) => binary.to_path_buf(),
        None => built()?,
    };
    let stage = Stage::set(&binary)?;
    let script = tidy::root().join("tests/browser/main.mjs");
    let mut node = command("node");
    node.arg(script).arg(stage.described(&tools)?);
    node.args(pictures);
    let status = node.stdin(Stdio::null()).status().context("node")?;
    if !status.success() {
        println!("{}", stage.last_words());
    }
    ensure!(status.success(), "a check in the browser failed");
    Ok(())
}

fn built() -> Result<PathBuf> {
    let build = ["build", "--release", "--quiet", "-p", "vertice"];
    let status = command("cargo").args(build).status().context("cargo")?;
    ensure!(status.success(), "the release build failed");
    Ok(target_folder().join("release/vertice"))
}

/// The cache folder with both tools in it.
fn tools() -> Result<PathBuf> {
    let folder = cache().context("neither XDG_CACHE_HOME nor HOME is set")?;
    if TOOLS.iter().all(|tool| is_there(&folder, tool)) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder)?;
    let mut npm = command("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(["--save-exact", "--silent", "--prefix"])
        .arg(&folder);
    npm.args(
        TOOLS
            .iter()
            .map(|(name, version)| format!("{name}@{version}")),
    );
    let status = npm.stdin(Stdio::null()).status().context("npm")?;
    ensure!(status.success(), "npm could not fetch {TOOLS:?}");
    Ok(folder)
}

fn is_there(folder: &Path, (name, version): &(&str, &str)) -> bool {
    let path = folder.join("node_modules").join(name).join("package.json");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    package.get("version").and_then(|found| found.as_str()) == Some(*version)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cache folder is where the environment says"
)]
fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let parent = named.map(PathBuf::from).or_else(home)?;
    Some(parent.join("vertice-browser"))
}
