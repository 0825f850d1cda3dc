//! `vertice incidents`: one line an incident.

use event::IncidentState;
use store::{IncidentQuery, Store};

use super::args::Incidents;
use super::config_verb::Place;
use super::{Printer, Verdict};

/// Prints them, newest change first.
pub(crate) fn incidents(place: &Place, query: &Incidents, printer: &mut Printer) -> Verdict {
    let store = place.store()?;
    let asked = IncidentQuery {
        severity_min: query.min,
        limit: query.limit,
        ..IncidentQuery::default()
    };
    let mut found = store.incidents(&asked)?;
    found.retain(|incident| query.all || incident.state != IncidentState::Closed);
    for incident in &found {
        if printer.json {
            printer.document(incident)?;
            continue;
        }
        let state = match incident.state {
            IncidentState::Open => "open",
            IncidentState::Contained => "contained",
            IncidentState::Closed => "closed",
        };
        printer.line(format!(
            "{}  {:<8} {:>5}  {state:<9}  {}",
            incident.id,
            incident.severity,
            incident.confidence.to_string(),
            incident.last
        ))?;
        printer.line(format!("    {}", incident.title))?;
    }
    if found.is_empty() && !printer.json {
        printer
            .line("no incidents: nothing was found, or no source is configured (vertice status)")?;
    }
    Ok(true)
}
