//! `vertice demo`: plays the demo and prints its report.

use super::args::{Demo, DemoHost};
use super::output::say;
use super::run::{failure, start_tracing, stop_on_signals};
use super::{Failure, Printer, Verdict};
use crate::demo::{self, Report, Stage, StageError, Wish, host as demo_host};

/// Columns of the report.
const WIDTH: usize = 80;

/// Plays it; exit code 1 if a step did not verify.
pub(crate) fn demo(options: &Demo, printer: &mut Printer) -> Verdict {
    start_tracing();
    let obstacle = if options.observe {
        Some("asked to observe")
    } else {
        demo::obstacle()
    };
    if let Some(why) = obstacle {
        say(&format!(
            "vertice demo: mode observe, nothing will be enforced: {why}"
        ));
    }
    let folder = std::env::temp_dir().join(format!("vertice-demo-{}", std::process::id()));
    let listen = options.listen;
    let wish = Wish {
        enforce: obstacle.is_none(),
        listen,
        folder,
    };
    let mut stage = Stage::set(wish).map_err(staged)?;
    let report = stage.play().map_err(staged)?;
    print(&report, printer)?;
    printer.finish()?;
    if !options.once {
        keep_serving(&mut stage)?;
    }
    stage.end().map_err(staged)?;
    Ok(report.passed())
}

fn keep_serving(stage: &mut Stage) -> Result<(), Failure> {
    if let Some((address, token)) = &stage.console {
        say(&format!(
            "\nconsole: http://{address}/  (everything in it is demo data)"
        ));
        if let Some(token) = token {
            say(&format!("first time: http://{address}/setup?token={token}"));
        }
        say("press Ctrl-C to end the demo and remove everything it made");
    }
    if let Some(stopper) = stage.stopper() {
        stop_on_signals(stopper)?;
    }
    stage.serve();
    Ok(())
}

fn staged(error: StageError) -> Failure {
    match error {
        StageError::Node(error) => failure(error),
        other => Failure::internal(other).hint("vertice demo --observe works without privileges"),
    }
}

fn print(report: &Report, printer: &mut Printer) -> Result<(), Failure> {
    if printer.json {
        return printer.document(report);
    }
    section("What happened", &report.findings, printer)?;
    section("Incidents", &report.incidents, printer)?;
    section(
        "What was done, read back from the packet filter",
        &report.receipts,
        printer,
    )?;
    let rules: Vec<String> = report
        .rules
        .lines()
        .filter(|line| interesting(line))
        .map(Into::into)
        .collect();
    if !rules.is_empty() {
        section("The packet filter while the block stood", &rules, printer)?;
    }
    let hops: Vec<String> = report
        .hops
        .iter()
        .map(|hop| format!("{:>8.1} ms  {}", hop.took_ms, hop.name))
        .collect();
    section("How long it took", &hops, printer)?;
    let steps: Vec<String> = report.steps.iter().map(step_line).collect();
    section("Checked", &steps, printer)?;
    let verdict = match (report.passed(), report.enforced) {
        (true, true) => "The loop closed and every step was verified.",
        (true, false) => "Every step was verified; nothing was enforced (mode observe).",
        (false, _) => "NOT every step could be verified.",
    };
    printer.line("")?;
    printer.line(verdict)
}

fn step_line(step: &demo::Step) -> String {
    let mark = if step.verified { "ok  " } else { "FAIL" };
    format!("{mark} {}: {}", step.what, step.detail)
}

fn interesting(line: &str) -> bool {
    line.contains("elements") || line.contains("comment")
}

fn section(title: &str, lines: &[String], printer: &mut Printer) -> Result<(), Failure> {
    printer.line("")?;
    printer.line(title)?;
    for line in lines {
        wrapped(line, printer)?;
    }
    Ok(())
}

/// Folds at spaces so that 80 columns hold it; a longer word stays whole.
fn wrapped(text: &str, printer: &mut Printer) -> Result<(), Failure> {
    let mut line = String::from("  ");
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if length > WIDTH && line.trim() != "" {
            printer.line(&line)?;
            line = String::from("     ");
        }
        if !line.ends_with(' ') {
            line.push(' ');
        }
        line.push_str(word);
    }
    printer.line(&line)
}

/// A host of the demo's network.
pub(crate) fn host(role: &DemoHost, _printer: &mut Printer) -> Verdict {
    let done = match (role.serve, role.connect, role.from) {
        (Some(address), None, None) => demo_host::serve(address),
        (None, Some(to), Some(from)) => demo_host::client(to, from),
        _ => return Err(Failure::usage("demo-host is started by demo")),
    };
    done.map_err(Failure::internal)?;
    Ok(true)
}
