//! The operator's verbs. Data goes to standard output, everything else to standard error; errors
//! say what failed, why, and what to do.

mod actuator_role;
mod approvals;
mod args;
pub(crate) mod audit;
mod config_verb;
mod decide;
mod demo_verb;
mod detect;
mod dlq;
mod doctor;
mod explain;
mod incidents;
mod output;
mod playbook;
mod run;
mod status;
mod texts;

use std::process::ExitCode;

use clap::Parser;

pub use args::{Cli, Verb};
pub use output::{Failure, Printer};

/// A verb's result: true when every check it made passed (exit code 0), false for exit code 1.
pub type Verdict = Result<bool, Failure>;

/// Reads the command line, does the verb, and gives the documented exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let mut printer = Printer::new(cli.json);
    let verdict = dispatch(cli, &mut printer);
    let flushed = printer.finish();
    match verdict.and_then(|passed| flushed.map(|()| passed)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code)
        }
    }
}

/// Help and version are data; everything else clap says is a usage error (2). A reader that goes
/// away before the end is no failure.
fn usage(error: &clap::Error) -> ExitCode {
    error.print().unwrap_or_default();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    output::say("hint: vertice help shows every verb, vertice VERB --help its options");
    ExitCode::from(2)
}

fn dispatch(cli: Cli, printer: &mut Printer) -> Verdict {
    let Cli {
        verb,
        config,
        state,
        ..
    } = cli;
    let place = config_verb::Place { config, state };
    match verb {
        Verb::Run(run) => run::run(&place, run),
        Verb::Demo(demo) => demo_verb::demo(&demo, printer),
        Verb::Detect(detect) => detect::detect(&place, &detect, printer),
        Verb::Status => status::status(&place, printer),
        Verb::Incidents(query) => incidents::incidents(&place, &query, printer),
        Verb::Approvals(query) => approvals::approvals(&place, &query, printer),
        Verb::Approve(word) => decide::approve(&place, &word, printer),
        Verb::Deny(word) => decide::deny(&place, &word, printer),
        Verb::Undo(what) => decide::undo(&place, &what, printer),
        Verb::Explain { id } => explain::explain(&place, &id, printer),
        Verb::Audit { verb } => audit::audit(&place, &verb, printer),
        Verb::Dlq { verb } => dlq::dlq(&place, verb, printer),
        Verb::Playbook { verb } => playbook::playbook(&place, verb, printer),
        Verb::Config { verb } => config_verb::config(&place, &verb, printer),
        Verb::Doctor => doctor::doctor(&place, printer),
        Verb::Completions { shell } => texts::completions(shell, printer),
        Verb::Man => texts::man(printer),
        Verb::Actuator(role) => actuator_role::actuator(&role),
        Verb::DemoHost(role) => demo_verb::host(&role, printer),
    }
}
