//! What the console serves stays inside its Content-Security-Policy and parses HTML in one place.

use std::path::Path;

use anyhow::Result;

use super::{Problems, files, shown};

/// Never in a script or page of ours.
const FORBIDDEN: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    " style=\"",
    " onclick=",
    " onload=",
    " onerror=",
    "javascript:",
    "http://",
];

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    let console = root.join("crates/console");
    for ending in [".js", ".html", ".css"] {
        for path in files(&console, ending)? {
            let text = std::fs::read_to_string(&path)?;
            for word in FORBIDDEN.iter().filter(|word| text.contains(**word)) {
                problems.push(format!("{}: holds {word}", shown(root, &path)));
            }
            let parses = text.contains("DOMParser");
            if parses && !path.ends_with("swap.js") {
                problems.push(format!("{}: only swap.js parses HTML", shown(root, &path)));
            }
        }
    }
    Ok(())
}
