//! The command line, one table: help, completions and the manual come from it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use event::Severity;
use ipnet::IpNet;

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 a check failed or --fail-on was met, 2 usage, \
    3 configuration, 4 node unreachable, 5 permission, 70 internal.";

/// Vértice: sees attacks in logs and flows, and answers with effects that can be undone.
#[derive(Debug, Parser)]
#[command(name = "vertice", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Configuration file (default: /etc/vertice/config.toml if it exists)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder of the node (overrides the configuration)
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Machine-readable output: JSON, or JSON Lines where it streams
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the node: read, detect, decide, act, and serve the console
    Run(Run),
    /// Show the whole loop on shipped recordings, with a readable report
    Demo(Demo),
    /// Find attacks in log files or standard input
    #[command(after_help = "Examples:\n  vertice detect /var/log/auth.log\n  \
        zcat auth.log.1.gz | vertice detect --json -")]
    Detect(Detect),
    /// Is the node running, seeing and able to act?
    Status,
    /// List incidents, newest change first
    Incidents(Incidents),
    /// Show what waits for a person, with everything needed to decide
    Approvals(Approvals),
    /// Say yes to a waiting step, or ratify one that stands
    Approve(Word),
    /// Say no to a waiting step, or take back one that stands
    Deny(Word),
    /// Undo an effect, a run, or everything
    Undo(Undo),
    /// Walk from any id back to the log lines that caused it
    Explain {
        /// A receipt (rc-), action (ac-), plan (pl-), incident (in-), finding (fi-) or event (ev-)
        id: String,
    },
    /// The audit log
    Audit {
        /// What to do with it
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// Records that could not be read: list them, parse them again
    Dlq {
        /// What to do with them
        #[command(subcommand)]
        verb: DlqVerb,
    },
    /// Check, explain or dry-run playbooks
    Playbook {
        /// What to do with it
        #[command(subcommand)]
        verb: PlaybookVerb,
    },
    /// The configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Look for what could keep the node from working here
    Doctor,
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
    /// The privileged process (started by `run`, not by people)
    #[command(hide = true)]
    Actuator(ActuatorRole),
    /// A host of the demo's network (started by `demo`, not by people)
    #[command(hide = true)]
    DemoHost(DemoHost),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Override the mode: observe, ask or act
    #[arg(long)]
    pub mode: Option<ModeWord>,
    /// End when every source that is not followed has been read, with everything on disk
    #[arg(long)]
    pub until_end: bool,
}

/// The three modes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeWord {
    /// Plans are made and shown, nothing is done
    Observe,
    /// Every effect waits for a person
    Ask,
    /// The gate matrix decides
    Act,
}

impl ModeWord {
    /// As the configuration spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Ask => "ask",
            Self::Act => "act",
        }
    }
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the report: exit code 0 only if the loop closed and every step was verified
    #[arg(long)]
    pub once: bool,
    /// Never enforce, also where it would be possible
    #[arg(long)]
    pub observe: bool,
    /// Address of the console
    #[arg(long, default_value = "127.0.0.1:8642")]
    pub listen: SocketAddr,
}

/// Options of `detect`.
#[derive(Debug, Args)]
pub struct Detect {
    /// Files, folders, or - for standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Format of the input; found by its first lines if not given
    #[arg(long)]
    pub format: Option<String>,
    /// Exit 1 if a finding of at least this severity was made
    #[arg(long, value_name = "LEVEL")]
    pub fail_on: Option<Severity>,
    /// Read records that carry no year as of this time (RFC 3339) instead of the file's own
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<event::Time>,
}

/// Options of `incidents`.
#[derive(Debug, Args)]
pub struct Incidents {
    /// Only of at least this severity
    #[arg(long, value_name = "LEVEL")]
    pub min: Option<Severity>,
    /// Also those that are closed
    #[arg(long)]
    pub all: bool,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// Options of `approvals`.
#[derive(Debug, Args)]
pub struct Approvals {
    /// Also those that are over
    #[arg(long)]
    pub all: bool,
}

/// Options of `approve` and `deny`.
#[derive(Debug, Args)]
pub struct Word {
    /// The action (ac-…), as `vertice approvals` shows it
    pub id: String,
    /// Why, for the audit log
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// Options of `undo`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Undo {
    /// The receipt (rc-…)
    pub receipt: Option<String>,
    /// A whole run (pl-…)
    #[arg(long, value_name = "PLAN")]
    pub run: Option<String>,
    /// Everything: the red button
    #[arg(long)]
    pub all: bool,
}

/// Verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Check the hash chain from the first record to the published head
    Verify,
}

/// Verbs of `dlq`.
#[derive(Debug, Subcommand)]
pub enum DlqVerb {
    /// Show dead letters, newest first: why, where from, and their bytes
    List {
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Let the running node parse them again, as after an upgrade; what becomes an event is kept
    Replay(DlqReplay),
}

/// Options of `dlq replay`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct DlqReplay {
    /// Numbers of dead letters, as `vertice dlq list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

/// Verbs of `playbook`.
#[derive(Debug, Subcommand)]
pub enum PlaybookVerb {
    /// Check files; print line and column of each problem
    Check {
        /// Playbooks (default: the shipped ones)
        files: Vec<PathBuf>,
    },
    /// Print what a playbook does, to whom, and how it is undone
    Explain {
        /// A file, or the name of a shipped playbook
        playbook: PathBuf,
    },
    /// Print the plan that a playbook would make for a recorded incident; nothing is done
    DryRun {
        /// A file, or the name of a shipped playbook
        playbook: PathBuf,
        /// Incident id (default: the newest one)
        #[arg(long)]
        incident: Option<String>,
    },
    /// Print the language's JSON Schema
    Schema,
}

/// Verbs of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Check it; print file, line and column of a problem
    Check,
    /// Print the effective values and where each one came from
    Show,
    /// Print its JSON Schema
    Schema,
    /// Print every key with its default
    Reference,
}

/// Options of the actuator role.
#[derive(Debug, Args)]
pub struct ActuatorRole {
    /// Networks that are never touched
    #[arg(long)]
    pub never_block: Vec<IpNet>,
    /// New effects a minute that no person approved
    #[arg(long)]
    pub new_per_minute: Option<usize>,
}

/// Options of a demo host.
#[derive(Debug, Args)]
pub struct DemoHost {
    /// Answer connections here
    #[arg(long)]
    pub serve: Option<SocketAddr>,
    /// Connect to here, once a line on standard input
    #[arg(long)]
    pub connect: Option<SocketAddr>,
    /// From this address
    #[arg(long)]
    pub from: Option<IpAddr>,
}
