//! Reading once: files, the files of a directory, stdin and pipes.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use event::Name;

use super::batch::Batch;
use super::files::READ_BYTES;
use super::lines::{Line, Lines};
use super::outlet::{Outlet, Stopped, count};
use super::tail::{Tail, is_not_read};
use super::{IntakeError, Record};

/// Something that is read to its end.
pub(super) enum Reading {
    /// Files, in order, with their committed states.
    Files(Vec<(PathBuf, Option<String>)>),
    /// A pipe; `None` is stdin.
    Pipe(Name, Option<File>),
}

/// Opens what can be opened, so that a missing file is said at the start.
pub(super) fn prepare(
    path: PathBuf,
    known: &HashMap<String, String>,
) -> Result<Reading, IntakeError> {
    if path == Path::new("-") {
        return Ok(Reading::Pipe(Name::new("stdin"), None));
    }
    let refused = |source| IntakeError::Unreadable {
        path: path.clone(),
        source,
    };
    let metadata = std::fs::metadata(&path).map_err(refused)?;
    if metadata.is_dir() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(refused)?.flatten() {
            let is_text = !is_not_read(&entry.file_name().to_string_lossy());
            if is_text && entry.path().is_file() {
                files.push(with_state(entry.path(), known));
            }
        }
        files.sort();
        return Ok(Reading::Files(files));
    }
    let file = File::open(&path).map_err(refused)?;
    if metadata.is_file() {
        return Ok(Reading::Files(vec![with_state(path, known)]));
    }
    Ok(Reading::Pipe(
        Name::new(&path.to_string_lossy()),
        Some(file),
    ))
}

fn with_state(path: PathBuf, known: &HashMap<String, String>) -> (PathBuf, Option<String>) {
    let state = known.get(path.to_string_lossy().as_ref()).cloned();
    (path, state)
}

impl Reading {
    /// Reads all of it, or until stopped.
    pub(super) fn run(self, outlet: &Outlet) {
        let result = match self {
            Self::Files(files) => read_files(files, outlet),
            Self::Pipe(stream, file) => read_pipe(&stream, file, outlet),
        };
        if result == Err(Stopped) {
            tracing::debug!("reading was stopped before the end");
        }
    }
}

fn read_files(files: Vec<(PathBuf, Option<String>)>, outlet: &Outlet) -> Result<(), Stopped> {
    let mut buffer = vec![0; READ_BYTES];
    for (path, state) in files {
        let mut tail = Tail::new(&path);
        if let Some(text) = state.and_then(|state| tail.resume(&state)) {
            tail.tell(outlet, text)?;
        }
        if let Err(error) = tail.open() {
            outlet.problem(&tail.stream, format!("cannot open: {error}"))?;
        }
        while tail.read(outlet, &mut buffer)? {
            if outlet.stop().is_set() {
                return Err(Stopped);
            }
        }
        tail.finish(outlet)?;
        outlet.ended(&tail.stream)?;
    }
    Ok(())
}

fn read_pipe(stream: &Name, file: Option<File>, outlet: &Outlet) -> Result<(), Stopped> {
    let mut buffer = vec![0; READ_BYTES];
    let mut lines = Lines::default();
    let mut batch = Batch::default();
    loop {
        let read = read_some(file.as_ref(), &mut buffer, outlet);
        if outlet.stop().is_set() {
            return Err(Stopped);
        }
        let mut rest = match read {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) => {
                outlet.problem(stream, format!("cannot read: {error}"))?;
                break;
            }
        };
        while let Some(line) = lines.next(&mut rest) {
            push(&mut batch, line, stream, outlet);
            if batch.is_full() {
                outlet.batch(&mut batch, Vec::new())?;
            }
        }
        outlet.batch(&mut batch, Vec::new())?;
    }
    if let Some(line) = lines.rest() {
        push(&mut batch, line, stream, outlet);
        outlet.batch(&mut batch, Vec::new())?;
    }
    outlet.ended(stream)
}

/// Waits for bytes or for the stop.
fn read_some(file: Option<&File>, buffer: &mut [u8], outlet: &Outlet) -> std::io::Result<usize> {
    let stdin = std::io::stdin();
    let fd = file.map_or_else(|| stdin.as_fd(), AsFd::as_fd);
    loop {
        let ready = outlet.stop().wait_beside(&[fd], None);
        if outlet.stop().is_set() {
            return Ok(0);
        }
        if ready.first() == Some(&true) {
            match rustix::io::read(fd, &mut *buffer) {
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                read => return Ok(read?),
            }
        }
    }
}

fn push(batch: &mut Batch, line: Line, stream: &Name, outlet: &Outlet) {
    if line.cut {
        count(&outlet.counters().cut, 1);
    }
    batch.push(Record {
        stream: stream.clone(),
        position: line.start,
        bytes: line.bytes,
        spoofable: false,
        observed: outlet.now(),
    });
}
