//! `cargo xtask tidy`: conventions as checks. A rule that no tool checks is a wish.

mod licences;
mod pages;
mod size;
mod star;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Files walked at most.
const FILES_MAX: usize = 20_000;
/// Paths of a developer's machine that must not get into the tree.
const MACHINE_PATHS: &[&str] = &["/work/", "/farm/"];

/// What is not as it should be, one line each.
pub(crate) type Problems = Vec<String>;

/// Runs all checks and prints every problem.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let mut problems = Problems::new();
    star::check(&root, &mut problems)?;
    headers(&root, &mut problems)?;
    size::check(&root, &mut problems)?;
    pages::check(&root, &mut problems)?;
    machine_paths(&root, &mut problems)?;
    fuzz_targets(&root, &mut problems);
    links(&root, &mut problems)?;
    licences::check(&root, &mut problems)?;
    for problem in &problems {
        println!("tidy: {problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        bail!("{} problems", problems.len())
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// All files below a folder whose name ends so, sorted; build folders and data are left out.
pub(crate) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "node_modules") {
                folders.push(path);
            } else if name.ends_with(ending) && found.len() < FILES_MAX {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as people name it.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Every source file says what it is, and what it leaves out.
fn headers(root: &Path, problems: &mut Problems) -> Result<()> {
    for path in files(root, ".rs")? {
        let text = std::fs::read_to_string(&path)?;
        let is_test = path.ends_with("tests.rs") || shown(root, &path).contains("/tests/");
        let first = text
            .lines()
            .find(|line| !line.starts_with("#!") && !line.trim().is_empty());
        if !is_test && !first.is_some_and(|line| line.starts_with("//!")) {
            problems.push(format!("{}: does not begin with //!", shown(root, &path)));
        }
    }
    Ok(())
}

fn machine_paths(root: &Path, problems: &mut Problems) -> Result<()> {
    for ending in [
        ".rs", ".md", ".toml", ".yaml", ".js", ".html", ".css", "run",
    ] {
        for path in files(root, ending)? {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let own_rule = path.ends_with("tidy/mod.rs");
            let named = MACHINE_PATHS.iter().find(|name| text.contains(*name));
            if let (Some(name), false) = (named, own_rule) {
                problems.push(format!("{}: names the path {name}", shown(root, &path)));
            }
        }
    }
    Ok(())
}

/// Every `pub fn fuzz…` of a parser is called by a target.
fn fuzz_targets(root: &Path, problems: &mut Problems) {
    let targets = files(&root.join("fuzz/fuzz_targets"), ".rs").unwrap_or_default();
    let text: String = targets
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    for path in files(&root.join("crates"), ".rs").unwrap_or_default() {
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        for line in source.lines() {
            let Some(rest) = line.trim_start().strip_prefix("pub fn fuzz") else {
                continue;
            };
            let name = format!("fuzz{}", rest.split('(').next().unwrap_or_default());
            if !text.contains(&name) {
                problems.push(format!(
                    "{}: {name} has no target in fuzz/",
                    shown(root, &path)
                ));
            }
        }
    }
}

/// Relative links of the documents lead somewhere.
fn links(root: &Path, problems: &mut Problems) -> Result<()> {
    for path in files(root, ".md")? {
        let text = std::fs::read_to_string(&path)?;
        let folder = path.parent().unwrap_or(root);
        for part in text.split("](").skip(1) {
            let Some(target) = part.split([')', '#', ' ']).next() else {
                continue;
            };
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !outside && !folder.join(target).exists() {
                problems.push(format!(
                    "{}: the link {target} leads nowhere",
                    shown(root, &path)
                ));
            }
        }
    }
    Ok(())
}
