//! Runs every target over its corpus and over seeded mutations, on a stable compiler.
//!
//! `smoke [SECONDS a target] [SEED] [TARGET]`: prints the seed; a panic or a run that hangs is
//! shrunk, kept in `artifacts/<target>/` and ends the process with exit code 1.
//! `smoke file TARGET FILE` runs one input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vertice_fuzz::mutate::{Random, Samples};
use vertice_fuzz::{ALL, Target};

/// A single input that takes longer hangs.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);
/// Runs spent on shrinking one input.
const SHRINK_RUNS_MAX: usize = 5_000;
const SECONDS: u64 = 10;

type Current = Arc<Mutex<Option<(Instant, &'static str, Vec<u8>)>>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [file, name, path] = words.as_slice()
        && file == "file"
    {
        return one_file(name, Path::new(path));
    }
    let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
    let seconds = number(0).unwrap_or(SECONDS);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |time| time.as_secs());
    let seed = number(1).unwrap_or(now);
    println!("fuzz smoke: {seconds} s a target, seed {seed}");
    if let Err(problem) = complete() {
        println!("FAIL  {problem}");
        return ExitCode::FAILURE;
    }
    let current = Current::default();
    watch(Arc::clone(&current));
    let chosen = |target: &&Target| words.get(2).is_none_or(|name| name == target.name);
    let results: Vec<bool> = ALL
        .iter()
        .filter(chosen)
        .map(|target| smoke(target, Duration::from_secs(seconds), seed, &current))
        .collect();
    let fine = !results.is_empty() && results.iter().all(|fine| *fine);
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The table, the target files and the corpora name the same targets.
fn complete() -> Result<(), String> {
    let listed = |name: &str| -> Result<Vec<String>, String> {
        let entries =
            std::fs::read_dir(folder(name)).map_err(|error| format!("{name}: {error}"))?;
        let stem = |path: PathBuf| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| stem(entry.ok()?.path()))
            .collect();
        names.sort();
        Ok(names)
    };
    let table: Vec<String> = ALL.iter().map(|target| target.name.to_owned()).collect();
    for name in ["fuzz_targets", "corpus"] {
        let found = listed(name)?;
        if found != table {
            return Err(format!(
                "{name}/ holds {found:?}, the table in src/lib.rs {table:?}"
            ));
        }
    }
    Ok(())
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder("corpus").join(target.name));
    let mut paths: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

/// Runs one target for a while; false when it failed.
fn smoke(target: &Target, time: Duration, seed: u64, current: &Current) -> bool {
    let samples = Samples::new(corpus(target));
    if samples.files().len() < 2 {
        println!("FAIL  {}: no corpus", target.name);
        return false;
    }
    let mut random = Random::new(seed);
    let start = Instant::now();
    let mut runs = 0u64;
    for sample in samples.files() {
        runs += 1;
        if !tried(target, sample, current) {
            return failed(target, sample);
        }
    }
    while start.elapsed() < time {
        runs += 1;
        let input = samples.mutated(&mut random);
        if !tried(target, &input, current) {
            return failed(target, &input);
        }
    }
    println!("ok    {}: {runs} inputs", target.name);
    true
}

fn tried(target: &Target, input: &[u8], current: &Current) -> bool {
    let set = |value| *current.lock().unwrap_or_else(PoisonError::into_inner) = value;
    set(Some((Instant::now(), target.name, input.to_vec())));
    let fine = holds(target, input);
    set(None);
    fine
}

fn holds(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok()
}

/// Shrinks the input, keeps it, and says where it is.
fn failed(target: &Target, input: &[u8]) -> bool {
    silence(true);
    let small = shrunk(target, input);
    silence(false);
    let panicked = !holds(target, &small);
    let path = keep(target.name, &small);
    println!(
        "FAIL  {}: {} on {} bytes, kept in {}",
        target.name,
        if panicked {
            "panicked"
        } else {
            "panicked once, not again"
        },
        small.len(),
        path.display()
    );
    println!(
        "      {}",
        small
            .escape_ascii()
            .to_string()
            .chars()
            .take(400)
            .collect::<String>()
    );
    false
}

fn shrunk(target: &Target, input: &[u8]) -> Vec<u8> {
    let mut small = input.to_vec();
    let mut part = small.len().div_ceil(2);
    let mut runs = 0;
    while part >= 1 && runs < SHRINK_RUNS_MAX {
        let mut at = 0;
        while at < small.len() && runs < SHRINK_RUNS_MAX {
            let mut less = small.clone();
            less.drain(at..(at + part).min(small.len()));
            runs += 1;
            if holds(target, &less) {
                at += part
            } else {
                small = less
            }
        }
        part /= 2;
    }
    small
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let artifacts = folder("artifacts").join(name);
    let path = artifacts.join(format!("smoke-{:08x}", checksum(input)));
    let kept = std::fs::create_dir_all(&artifacts).and_then(|()| std::fs::write(&path, input));
    if let Err(error) = kept {
        println!("      not kept: {error}");
    }
    path
}

fn checksum(input: &[u8]) -> u32 {
    input.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

static SILENT: AtomicBool = AtomicBool::new(false);

/// Panics print nothing while an input is shrunk.
fn silence(silent: bool) {
    if !SILENT.swap(silent, Ordering::SeqCst) && silent {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !SILENT.load(Ordering::SeqCst) {
                usual(info);
            }
        }));
    }
}

/// Ends the process when one input takes too long.
fn watch(current: Current) {
    let watching = move || loop {
        std::thread::sleep(Duration::from_secs(1));
        let held = current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((since, name, input)) = held
            && since.elapsed() > INPUT_TIME_MAX
        {
            let path = keep(name, &input);
            println!(
                "FAIL  {name}: longer than {INPUT_TIME_MAX:?}, kept in {}",
                path.display()
            );
            std::process::exit(1);
        }
    };
    drop(std::thread::spawn(watching));
}

fn one_file(name: &str, path: &Path) -> ExitCode {
    let target = ALL.iter().find(|target| target.name == name);
    let (Some(target), Ok(input)) = (target, std::fs::read(path)) else {
        println!("no target {name}, or {} cannot be read", path.display());
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    (target.run)(&input);
    println!(
        "ok    {name}: {} bytes in {:?}",
        input.len(),
        start.elapsed()
    );
    ExitCode::SUCCESS
}
