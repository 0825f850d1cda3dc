//! `vertice audit verify`: checks the hash chain.

use serde_json::json;
use store::{AuditReport, Store};

use super::args::AuditVerb;
use super::config_verb::Place;
use super::{Printer, Verdict};

/// Does the verb; exit code 1 if the chain is broken or its published head is gone.
pub(crate) fn audit(place: &Place, verb: &AuditVerb, printer: &mut Printer) -> Verdict {
    let AuditVerb::Verify = verb;
    let report = place.store()?.verify_audit()?;
    let whole = report.intact() && (report.stored_head.is_some() || report.rows == 0);
    if printer.json {
        let broken = report.broken.as_ref().map(|broken| broken.sequence);
        let head = hexadecimal(&report.head.hash);
        printer.document(&json!({"intact": whole, "rows": report.rows, "head": head,
            "broken_at": broken, "says": says(&report)}))?;
    } else {
        printer.line(says(&report))?;
    }
    Ok(whole)
}

/// The report in one sentence.
pub(crate) fn says(report: &AuditReport) -> String {
    let rows = report.rows;
    match (&report.broken, &report.stored_head) {
        (Some(broken), _) => format!("broken at row {}: {}", broken.sequence, broken.fault),
        (None, None) if rows > 0 => {
            format!("{rows} rows hold, but audit.head is gone: rows at the end may be missing")
        }
        (None, _) => format!("{rows} rows hold, head {}", hexadecimal(&report.head.hash)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
