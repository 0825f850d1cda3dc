//! `cargo xtask new source|detector|action NAME`: copies a member that is compiled and tested every
//! day, with its names replaced, and prints the lines that enter it into the tables.
//!
//! The template is a real member (so it cannot rot): what it does is yours to rewrite. Absent on
//! purpose: editing the tables. They are sorted and read by people.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

const NAME_BYTES_MAX: usize = 32;

/// A line to add: the file, the text that it stands behind today, and the line.
type Line = (&'static str, &'static str, &'static str);

/// What can be made. `{name}`, `{Name}` and `{NAME}` stand for the new name in its three forms.
struct Kind {
    word: &'static str,
    /// Folder of its kind, and the member in it that is copied.
    parent: &'static str,
    template: &'static str,
    /// Whole words of the template and what they become.
    words: &'static [(&'static str, &'static str)],
    lines: &'static [Line],
    then: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        word: "action",
        parent: "crates/response/src/actions",
        template: "block_ip.rs",
        words: &[("block_ip", "{name}")],
        lines: &[(
            "crates/response/src/actions/mod.rs",
            "mod rate_limit;",
            "mod {name};",
        )],
        then: "give it a kind of its own: a variant of event::Action and ActionKind with its words, \
               its set in crates/actuator/src/netlink and its rail; then enter {name}::CARD into ALL \
               and card(), where the compiler asks for it",
    },
    Kind {
        word: "detector",
        parent: "crates/sentinel/src/behaviour",
        template: "scan",
        words: &[("scan", "{name}"), ("Scan", "{Name}")],
        lines: &[
            (
                "crates/sentinel/src/behaviour/mod.rs",
                "mod scan;",
                "mod {name};",
            ),
            (
                "crates/sentinel/src/behaviour/mod.rs",
                "pub use scan::Limits as ScanLimits;",
                "pub(crate) use {name}::ENTRY as {NAME}; pub use {name}::Limits as {Name}Limits;",
            ),
            (
                "crates/sentinel/src/settings.rs",
                "    pub scan: ScanLimits,",
                "    /// Thresholds of {name}.\n    pub {name}: crate::behaviour::{Name}Limits,",
            ),
            (
                "crates/sentinel/src/lib.rs",
                "pub const ALL: &[DetectorEntry] = &[",
                "    behaviour::{NAME},",
            ),
        ],
        then: "write README.md, the samples and what they must give (UPDATE_EXPECT=1 cargo test \
               -p vertice-sentinel, then read the diff line by line)",
    },
    Kind {
        word: "source",
        parent: "crates/sources/src",
        template: "event_lines",
        words: &[
            ("event_lines", "{name}"),
            ("EventLines", "{Name}"),
            ("\"event\"", "\"{name}\""),
        ],
        lines: &[
            (
                "crates/sources/src/lib.rs",
                "mod event_lines;",
                "mod {name};",
            ),
            (
                "crates/sources/src/formats.rs",
                "pub const ALL: &[Format] = &[",
                "    Format { name: \"{name}\", description: \"…\", \
                 new: |_| Box::new(crate::{name}::{Name}) },",
            ),
        ],
        then: "a target sources_{name} in fuzz/ (src/lib.rs, fuzz_targets/, corpus/, Cargo.toml)",
    },
];

/// Makes a new member and says what is left to do.
pub(crate) fn run(root: &Path, word: &str, name: &str) -> Result<()> {
    let kind = kind(word)?;
    for path in generate(root, kind, name)? {
        println!(
            "made {}",
            path.strip_prefix(root).unwrap_or(&path).display()
        );
    }
    println!("\nadd, each in its sorted place:");
    for (file, _, line) in kind.lines {
        println!("  {file}\n{}", named(line, name));
    }
    println!("then: {}", named(kind.then, name));
    Ok(())
}

fn kind(word: &str) -> Result<&'static Kind> {
    let known: Vec<&str> = KINDS.iter().map(|kind| kind.word).collect();
    let found = KINDS.iter().find(|kind| kind.word == word);
    found.with_context(|| format!("{word:?} cannot be made; one of {}", known.join(", ")))
}

fn generate(root: &Path, kind: &Kind, name: &str) -> Result<Vec<PathBuf>> {
    let letters = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let fine = letters && name.starts_with(|first: char| first.is_ascii_lowercase());
    ensure!(
        fine && name.len() <= NAME_BYTES_MAX,
        "{name:?}: a name is like_this, at most 32 letters"
    );
    let from = root.join(kind.parent).join(kind.template);
    let to = root
        .join(kind.parent)
        .join(named(&kind.template.replace(stem(kind), "{name}"), name));
    if to.exists() {
        bail!("{} exists", to.display());
    }
    let mut made = Vec::new();
    copy(&from, &to, &|text| renamed(text, kind, name), &mut made)?;
    Ok(made)
}

fn stem(kind: &Kind) -> &str {
    kind.template.trim_end_matches(".rs")
}

fn copy(
    from: &Path,
    to: &Path,
    rename: &dyn Fn(&str) -> String,
    made: &mut Vec<PathBuf>,
) -> Result<()> {
    if from.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), rename, made)?;
        }
        return Ok(());
    }
    let bytes = std::fs::read(from)?;
    let text = String::from_utf8(bytes).map(|text| rename(&text).into_bytes());
    // A sample that is not text is copied as it is.
    std::fs::write(to, text.unwrap_or_else(|error| error.into_bytes()))?;
    made.push(to.to_path_buf());
    Ok(())
}

fn renamed(text: &str, kind: &Kind, name: &str) -> String {
    let replace =
        |text: String, (word, new): &(&str, &str)| whole_words(&text, word, &named(new, name));
    kind.words.iter().fold(text.to_owned(), replace)
}

/// Replaces a word where it is not part of a longer one.
fn whole_words(text: &str, word: &str, new: &str) -> String {
    let joins =
        |other: Option<char>| other.is_some_and(|other| other.is_alphanumeric() || other == '_');
    let mut parts = text.split(word).peekable();
    let mut out = String::new();
    while let Some(part) = parts.next() {
        out.push_str(part);
        if let Some(next) = parts.peek() {
            let longer = joins(out.chars().next_back()) || joins(next.chars().next());
            out.push_str(if longer { word } else { new });
        }
    }
    out
}

fn named(text: &str, name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    let camel: String = name.split('_').map(capital).collect();
    let text = text.replace("{name}", name).replace("{Name}", &camel);
    text.replace("{NAME}", &name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
