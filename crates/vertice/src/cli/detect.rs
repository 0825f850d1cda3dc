//! `vertice detect`: logs in, findings out. No node, no state, no effect.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use event::{Clock, Detector, Event, Finding, Name, Out, Severity, Time};
use sources::{Parsed, Parser, RawRecord};

use super::args::Detect;
use super::config_verb::{Place, plain};
use super::output::say;
use super::{Failure, Printer, Verdict};
use crate::clock::SystemClock;

/// Bytes of one line that are looked at; the rest of a longer line is skipped and counted.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Files read in one call.
const FILES_MAX: usize = 100_000;

/// What was read: read = kept + dropped + bad.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    read: u64,
    kept: u64,
    dropped: u64,
    bad: u64,
    cut: u64,
    findings: u64,
    worst: Option<Severity>,
}

struct Run<'a> {
    detectors: Vec<Box<dyn Detector>>,
    printer: &'a mut Printer,
    counts: Counts,
    watermark: Time,
}

/// Reads all files in order and prints findings as they are made.
pub(crate) fn detect(place: &Place, options: &Detect, printer: &mut Printer) -> Verdict {
    let config = plain(place)?;
    let settings = sources::Settings {
        zone_offset_s: config.node.zone_offset_minutes * 60,
    };
    let detectors = sentinel::detectors(&config.detect);
    let counts = Counts::default();
    let mut run = Run {
        detectors,
        printer,
        counts,
        watermark: Time::from_micros(i64::MIN),
    };
    for path in expand(&options.files)? {
        let mut parser = parser(options.format.as_deref(), &settings)?;
        let (reader, observed) = open(&path, options.as_of)?;
        let stream = Name::new(&path.display().to_string());
        run.file(reader, &stream, observed, parser.as_mut())?;
    }
    run.close()?;
    let counts = run.counts;
    report(&counts);
    let failed = options
        .fail_on
        .is_some_and(|level| counts.worst >= Some(level));
    Ok(!failed)
}

fn parser(format: Option<&str>, settings: &sources::Settings) -> Result<Box<dyn Parser>, Failure> {
    match format {
        None | Some("auto") => Ok(sources::auto(settings)),
        Some(name) => sources::by_name(name, settings).ok_or_else(|| {
            let known: Vec<&str> = sources::ALL.iter().map(|format| format.name).collect();
            Failure::usage(format!("unknown format {name:?}"))
                .hint(format!("one of auto, {}", known.join(", ")))
        }),
    }
}

/// Folders become their files, sorted.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error| Failure::usage(format!("{}: {error}", path.display()));
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut inside: Vec<PathBuf> = entries
            .take(FILES_MAX)
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        inside.retain(|file| file.is_file());
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// The file, and the time at which its lines without a year are read: its last change.
fn open(path: &Path, as_of: Option<Time>) -> Result<(Box<dyn BufRead>, Time), Failure> {
    if path == Path::new("-") {
        return Ok((
            Box::new(io::stdin().lock()),
            as_of.unwrap_or_else(|| SystemClock.now()),
        ));
    }
    let unreadable = |error: io::Error| {
        let failure = Failure::usage(format!("{}: {error}", path.display()));
        failure.hint("check the path and that you may read it")
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{}: is a folder", path.display())));
    }
    let changed = std::os::unix::fs::MetadataExt::mtime(&metadata);
    let observed = as_of.unwrap_or_else(|| Time::from_seconds(changed));
    Ok((
        Box::new(BufReader::with_capacity(256 * 1024, file)),
        observed,
    ))
}

impl Run<'_> {
    fn file(
        &mut self,
        mut reader: Box<dyn BufRead>,
        stream: &Name,
        observed: Time,
        parser: &mut dyn Parser,
    ) -> Result<(), Failure> {
        let mut line = Vec::new();
        let mut position = 0u64;
        loop {
            line.clear();
            let unreadable = |error| Failure::usage(format!("{stream}: {error}"));
            let limited = reader
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line);
            let mut length = limited.map_err(unreadable)? as u64;
            if length == 0 {
                return Ok(());
            }
            if length == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
                self.counts.cut += 1;
                length += reader.skip_until(b'\n').map_err(unreadable)? as u64;
            }
            let bytes = without_end(&line);
            let record = RawRecord {
                stream,
                position,
                observed,
                bytes,
                spoofable: false,
            };
            self.record(&record, parser)?;
            position = position.saturating_add(length);
        }
    }

    fn record(&mut self, record: &RawRecord<'_>, parser: &mut dyn Parser) -> Result<(), Failure> {
        self.counts.read += 1;
        match parser.parse(record) {
            Parsed::Event(event) => self.kept(&event),
            Parsed::Nothing(_) => {
                self.counts.dropped += 1;
                Ok(())
            }
            Parsed::Bad(_) => {
                self.counts.bad += 1;
                Ok(())
            }
        }
    }

    fn kept(&mut self, event: &Event) -> Result<(), Failure> {
        self.counts.kept += 1;
        let mut out = Out::default();
        for detector in &mut self.detectors {
            detector.observe(event, &mut out);
        }
        let reached = event.time.min(event.observed);
        if reached.seconds() > self.watermark.seconds() {
            self.watermark = reached;
            for detector in &mut self.detectors {
                detector.advance(reached, &mut out);
            }
        }
        if out.is_empty() {
            Ok(())
        } else {
            self.print(out.take())
        }
    }

    /// The input is over: windows that are still open close where the input ended.
    fn close(&mut self) -> Result<(), Failure> {
        let mut out = Out::default();
        for detector in &mut self.detectors {
            detector.advance(self.watermark, &mut out);
        }
        self.print(out.take())
    }

    fn print(&mut self, findings: Vec<Finding>) -> Result<(), Failure> {
        for finding in findings {
            self.counts.findings += 1;
            self.counts.worst = self.counts.worst.max(Some(finding.severity));
            if self.printer.json {
                self.printer.document(&finding)?;
            } else {
                self.printer.line(one_line(&finding))?;
            }
        }
        Ok(())
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn one_line(finding: &Finding) -> String {
    let techniques: Vec<String> = finding.techniques.iter().map(ToString::to_string).collect();
    format!(
        "{} {:<8} {:>5}  {}  [{}]",
        finding.time,
        finding.severity,
        finding.confidence.to_string(),
        finding.why,
        techniques.join(" ")
    )
}

fn report(counts: &Counts) {
    let Counts {
        read,
        kept,
        dropped,
        bad,
        cut,
        findings,
        ..
    } = counts;
    say(&format!(
        "read {read} = kept {kept} + dropped {dropped} + bad {bad} (cut {cut}); findings {findings}"
    ));
}
