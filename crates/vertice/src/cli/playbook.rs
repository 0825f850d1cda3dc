//! `vertice playbook check|explain|dry-run|schema`.

use std::path::{Path, PathBuf};

use event::{Clock, Incident, IncidentId};
use response::playbook::{self, PlanContext, Playbook, Playbooks, Problem};
use serde_json::json;
use store::{IncidentQuery, Store};

use super::args::PlaybookVerb;
use super::config_verb::Place;
use super::{Failure, Printer, Verdict};
use crate::clock::SystemClock;
use crate::node::PLAYBOOK_BYTES_MAX;

/// Does the verb.
pub(crate) fn playbook(place: &Place, verb: PlaybookVerb, printer: &mut Printer) -> Verdict {
    match verb {
        PlaybookVerb::Check { files } => check(&files, printer),
        PlaybookVerb::Explain { playbook } => {
            let playbook = load(&playbook)?;
            printer.line(playbook::explain(&playbook).trim_end())?;
            Ok(true)
        }
        PlaybookVerb::DryRun { playbook, incident } => {
            dry_run(place, &load(&playbook)?, incident.as_deref(), printer)
        }
        PlaybookVerb::Schema => {
            printer.line(format!("{:#}", playbook::schema()))?;
            Ok(true)
        }
    }
}

fn check(files: &[PathBuf], printer: &mut Printer) -> Verdict {
    let mut sound = true;
    if files.is_empty() {
        for (name, text) in Playbooks::embedded() {
            sound &= check_one(name, text, printer)?;
        }
    }
    for file in files {
        let text = read(file)?;
        sound &= check_one(&file.display().to_string(), &text, printer)?;
    }
    Ok(sound)
}

fn check_one(name: &str, text: &[u8], printer: &mut Printer) -> Verdict {
    let problems = Playbook::parse(text).err().unwrap_or_default();
    for problem in &problems {
        print_problem(name, problem, printer)?;
    }
    if problems.is_empty() && !printer.json {
        printer.line(format!("{name}: ok"))?;
    }
    Ok(problems.is_empty())
}

fn print_problem(name: &str, problem: &Problem, printer: &mut Printer) -> Result<(), Failure> {
    if printer.json {
        let Problem {
            line,
            column,
            message,
            hint,
        } = problem;
        return printer.document(&json!({"file": name, "line": line, "column": column,
            "message": message, "hint": hint}));
    }
    printer.line(format!("{name}:{problem}"))?;
    match &problem.hint {
        Some(hint) => printer.line(format!("    hint: {hint}")),
        None => Ok(()),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let unreadable = |error| Failure::usage(format!("{}: {error}", file.display()));
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut text = Vec::new();
    opened
        .take(PLAYBOOK_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// A file, or a shipped playbook by name.
fn load(playbook: &Path) -> Result<Playbook, Failure> {
    let shipped = Playbooks::embedded().into_iter().find(|(name, _)| {
        Path::new(name) == playbook || Path::new(name).file_stem() == Some(playbook.as_os_str())
    });
    let text = match shipped {
        Some((_, text)) if !playbook.exists() => text.to_vec(),
        _ => read(playbook)?,
    };
    Playbook::parse(&text).map_err(|problems| {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        Failure::usage(format!("{}:{first}", playbook.display()))
            .hint("run vertice playbook check for all problems")
    })
}

fn dry_run(
    place: &Place,
    playbook: &Playbook,
    incident: Option<&str>,
    printer: &mut Printer,
) -> Verdict {
    let incident = find(place, incident)?;
    let config = place.load(&[])?.config;
    let rails = crate::node::rails(&config.response);
    let context = PlanContext {
        mode: config.response.mode,
        now: SystemClock.now(),
        rails: &rails,
        relapses: &|_, _, _| 0,
        connections: &|_| None,
    };
    let result = playbook::dry_run(playbook, &incident, &context);
    if printer.json {
        let (matched, why) = (result.matched, &result.why);
        printer.document(
            &json!({"incident": incident.id, "matched": matched, "why": why,
            "plan": result.plan}),
        )?;
        return Ok(result.matched);
    }
    printer.line(format!("{}  {}", incident.id, incident.title))?;
    printer.line(&result.why)?;
    for step in result.plan.iter().flat_map(|plan| &plan.steps) {
        printer.line(format!(
            "  {:<8} {}  ({})",
            step.id, step.sentence, step.gate_why
        ))?;
        for line in &step.diff.added {
            printer.line(format!("           + {line}"))?;
        }
    }
    Ok(result.matched)
}

fn find(place: &Place, id: Option<&str>) -> Result<Incident, Failure> {
    let store = place.store()?;
    let found = match id {
        Some(id) => {
            let id: IncidentId = id.parse().map_err(Failure::usage)?;
            store.incident(id)?
        }
        None => {
            let newest = IncidentQuery {
                limit: 1,
                ..IncidentQuery::default()
            };
            store.incidents(&newest)?.into_iter().next()
        }
    };
    found.ok_or_else(|| Failure::usage("no such incident").hint("vertice incidents lists them"))
}
