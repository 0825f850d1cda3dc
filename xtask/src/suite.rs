//! `cargo xtask test`: the README's test command. Installs what the real-component tests need
//! (when it may), says what it did, runs everything, and ends with one line
//! `N passed, N failed, N skipped`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::browser;
use crate::programs::{command, is_root, which};
use crate::tidy;

/// Debian packages of the real components, with a program that each brings.
const PACKAGES: &[(&str, &str)] = &[
    ("nftables", "nft"),
    ("iproute2", "ip"),
    ("util-linux", "unshare"),
    ("chromium", "chromium"),
];

/// Seconds for each of the fuzz targets: together below a minute.
const FUZZ_SECONDS: &str = "5";

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn step(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("ok    {name}");
                self.passed += 1;
            }
            Err(error) => {
                println!("FAIL  {name}: {error:#}");
                self.failed += 1;
            }
        }
    }

    fn skip(&mut self, name: &str, why: &str) {
        println!("skip  {name}: {why}");
        self.skipped += 1;
    }
}

/// Runs everything; an error if anything failed.
pub(crate) fn run() -> Result<()> {
    let mut tally = Tally::default();
    install();
    tally.step("rustfmt", cargo(&["fmt", "--all", "--check"]));
    tally.step("tidy", tidy::run());
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    tally.step("clippy", cargo(&clippy));
    tally.add(suite(
        "unit and integration tests",
        &["test", "--workspace"],
    )?);
    if is_root() && which("nft") && which("ip") {
        let ignored = ["test", "--workspace", "--", "--ignored", "--test-threads=1"];
        tally.add(suite("tests with real effects, in namespaces", &ignored)?);
    } else {
        tally.skip("tests with real effects", "they need root, nft and ip");
    }
    tally.step("fuzz smoke", fuzz());
    tally.step(
        "release build",
        cargo(&["build", "--release", "--quiet", "-p", "vertice"]),
    );
    tally.step("vertice demo --once", demo());
    match browser::obstacle() {
        Some(why) => tally.skip("console in a real browser", &why),
        None => tally.step("console in a real browser", browser::run(None, None)),
    }
    deny(&mut tally);
    println!(
        "\n{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    if tally.failed > 0 {
        bail!("{} failed", tally.failed);
    }
    Ok(())
}

/// Installs missing Debian packages where it may; never starts a service.
fn install() {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !which(program))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return;
    }
    if !is_root() || !which("apt-get") {
        println!(
            "not installed, since this needs root and apt-get: {}",
            missing.join(" ")
        );
        return;
    }
    println!("installing: {}", missing.join(" "));
    let quiet = |arguments: &[&str]| -> bool {
        let mut apt = command("apt-get");
        apt.args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        apt.stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        apt.status().is_ok_and(|status| status.success())
    };
    if !quiet(&["update"]) {
        println!("apt-get update failed");
    }
    for package in missing {
        if !quiet(&["install", "-y", "--no-install-recommends", package]) {
            println!("{package} could not be installed");
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let status = command("cargo").args(arguments).status().context("cargo")?;
    if status.success() {
        Ok(())
    } else {
        bail!("cargo {} failed", arguments.join(" "))
    }
}

/// Runs a test suite, passes its output on, and counts its results. Tests that say that they
/// skipped themselves count as skipped, not as passed.
fn suite(name: &str, arguments: &[&str]) -> Result<Tally> {
    println!("\n== {name}");
    let mut cargo = command("cargo");
    cargo.args(with_no_fail_fast(arguments));
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cargo test")?;
    let mut tally = Tally::default();
    let mut failures = Failures::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            tally.add(counted(&line));
            failures.line(&line);
        }
    }
    // A test that skipped itself was counted as passed by the test runner.
    tally.passed = tally.passed.saturating_sub(tally.skipped);
    if !child.wait()?.success() && tally.failed == 0 {
        println!("FAIL  {name}: did not compile or did not finish");
        tally.failed += 1;
    }
    Ok(tally)
}

fn with_no_fail_fast(arguments: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        all.push((*argument).to_owned());
        if index == 0 {
            all.push("--no-fail-fast".to_owned());
        }
    }
    if !arguments.contains(&"--") {
        all.push("--".to_owned());
    }
    all.push("--show-output".to_owned());
    all
}

/// The output of failed tests, which the test runner prints at the end of each binary.
#[derive(Default)]
struct Failures {
    lines: Vec<String>,
    inside: bool,
}

impl Failures {
    /// Lines kept of one binary.
    const LINES_MAX: usize = 400;

    fn line(&mut self, line: &str) {
        if line == "failures:" {
            self.inside = true;
        } else if line.starts_with("test result: ") {
            if line.contains("FAILED") {
                println!("{}", self.lines.join("\n"));
            }
            *self = Self::default();
        } else if self.inside && self.lines.len() < Self::LINES_MAX {
            self.lines.push(line.to_owned());
        }
    }
}

/// What one line of the test runner's output tells.
fn counted(line: &str) -> Tally {
    if line.starts_with("test ") && !line.ends_with("ok") && !line.contains("ignored") {
        println!("{line}");
    }
    if let Some(why) = line.strip_prefix("skipped: ") {
        println!("skip  {why}");
        return Tally {
            skipped: 1,
            ..Tally::default()
        };
    }
    let Some(result) = line.strip_prefix("test result: ") else {
        return Tally::default();
    };
    let number = |word: &str| -> u64 {
        let part = result
            .split(';')
            .find(|part| part.trim_end().ends_with(word));
        part.and_then(|part| part.split_whitespace().rev().nth(1)?.parse().ok())
            .unwrap_or(0)
    };
    Tally {
        passed: number("passed"),
        failed: number("failed"),
        skipped: 0,
    }
}

/// Every fuzz target over its corpus and seeded mutations, on this compiler.
fn fuzz() -> Result<()> {
    let manifest = ["--release", "--quiet", "--manifest-path", "fuzz/Cargo.toml"];
    cargo(&[&["test", "--lib"], manifest.as_slice()].concat())?;
    let runner = ["--bin", "smoke", "--", FUZZ_SECONDS];
    cargo(&[&["run"], manifest.as_slice(), runner.as_slice()].concat())
}

fn demo() -> Result<()> {
    let binary = crate::programs::target_folder().join("release/vertice");
    let mut demo = command(&binary.display().to_string());
    demo.args(["demo", "--once", "--listen", "127.0.0.1:0"]);
    let status = demo.status().context("vertice demo")?;
    if status.success() {
        Ok(())
    } else {
        bail!("exit code {:?}", status.code())
    }
}

fn deny(tally: &mut Tally) {
    if which("cargo-deny") {
        tally.step(
            "cargo deny",
            cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]),
        );
    } else {
        println!("note  cargo-deny is not installed; tidy has checked the licences");
    }
}
