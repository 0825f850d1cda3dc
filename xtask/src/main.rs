//! Repository tasks. `cargo xtask help` lists them.
#![expect(clippy::print_stdout, reason = "a command-line tool of the repository")]

mod attack;
mod bench;
mod browser;
mod programs;
mod record;
mod scaffold;
mod suite;
mod tidy;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["attack", bundle] => attack::run(
            Path::new(bundle),
            Path::new("crates/attack/data/enterprise.tsv"),
        ),
        ["record"] => record::run_all(Path::new("crates/vertice/recordings")),
        ["record-host", work] => record::run_host(Path::new(work)),
        ["test"] => suite::run(),
        ["browser"] => browser::run(None, None),
        ["browser", binary] => browser::run(Some(Path::new(binary)), None),
        ["browser", binary, pictures] => {
            browser::run(Some(Path::new(binary)), Some(Path::new(pictures)))
        }
        ["bench", names @ ..] => bench::run(names),
        ["bench-host", words @ ..] => bench::run_host(words),
        ["new", kind, name] => scaffold::run(&tidy::root(), kind, name),
        ["tidy"] => tidy::run(),
        [] | ["help"] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("unknown task {other:?}; cargo xtask help lists them"),
    }
}

const HELP: &str = "\
cargo xtask test            install what is needed, run every check and test
cargo xtask browser [BINARY [FOLDER]]
                            the console of a real node in a real browser (root), with pictures
cargo xtask bench [ROW…]    figures beside fail2ban's, as one table (release build; root for some)
cargo xtask new KIND NAME   a new source, detector or action from a living template
cargo xtask tidy            conventions as checks
cargo xtask attack BUNDLE   make the ATT&CK catalogue anew from a STIX bundle
cargo xtask record          make the demo's recordings anew (root; see xtask/src/record)";
