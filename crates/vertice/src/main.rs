//! The `vertice` binary: read the command line, do it, end with the documented exit code.
//!
//! Exit codes (DESIGN section 5): 0 ok, 1 a check failed, 2 usage, 3 config, 4 node unreachable,
//! 5 permission, 70 internal.

use std::process::ExitCode;

fn main() -> ExitCode {
    vertice::cli::main()
}
