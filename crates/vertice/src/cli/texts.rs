//! Completions and the manual page, made from the command table.

use clap::CommandFactory;

use super::{Cli, Failure, Printer, Verdict};

/// Prints the completions of a shell.
pub(crate) fn completions(shell: clap_complete::Shell, printer: &mut Printer) -> Verdict {
    // The generator panics when its writer fails, so it writes to memory first.
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vertice", &mut bytes);
    print(&bytes, printer)
}

/// Prints the manual page.
pub(crate) fn man(printer: &mut Printer) -> Verdict {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut bytes)
        .map_err(Failure::internal)?;
    print(&bytes, printer)
}

fn print(bytes: &[u8], printer: &mut Printer) -> Verdict {
    std::io::Write::write_all(printer, bytes)?;
    Ok(true)
}
