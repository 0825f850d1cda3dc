//! Files stay small: none over 1,200 lines, nine of ten at most 600. Long functions are clippy's.

use std::path::Path;

use anyhow::Result;

use super::{Problems, files, shown};

const LINES_MAX: usize = 1200;
const LINES_NINE_OF_TEN: usize = 600;

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    let mut lengths = Vec::new();
    for path in files(&root.join("crates"), ".rs")? {
        let lines = std::fs::read_to_string(&path)?.lines().count();
        if lines > LINES_MAX {
            problems.push(format!(
                "{}: {lines} lines; is there a seam?",
                shown(root, &path)
            ));
        }
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let nine_of_ten = lengths.get(lengths.len() * 9 / 10).copied().unwrap_or(0);
    if nine_of_ten > LINES_NINE_OF_TEN {
        problems.push(format!("a tenth of the files has over {nine_of_ten} lines"));
    }
    Ok(())
}
