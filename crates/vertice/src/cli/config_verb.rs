//! `vertice config`, and how every verb finds its configuration and state.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::ConfigVerb;
use super::{Failure, Printer, Verdict};
use crate::config::{self, Config, Loaded};

/// What the command line said about configuration and state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
}

impl Place {
    /// Loads all layers.
    ///
    /// # Errors
    /// Exit code 3 with the place of the problem.
    pub(crate) fn load(&self, flags: &[(&str, String)]) -> Result<Loaded, Failure> {
        let mut all = flags.to_vec();
        if let Some(state) = &self.state {
            all.push(("node.state", json!(state).to_string()));
        }
        config::load(self.config.as_deref(), environment(), &all).map_err(|error| {
            Failure::config(error).hint("run vertice config reference for every key")
        })
    }

    /// The state folder.
    ///
    /// # Errors
    /// Exit code 3 if the configuration is wrong.
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        Ok(self.load(&[])?.config.node.state)
    }

    /// The node's store, opened as a visitor.
    ///
    /// # Errors
    /// Exit code 4 if there is none, 5 if it may not be read.
    pub(crate) fn store(&self) -> Result<store::Sqlite, Failure> {
        let state = self.state()?;
        store::Sqlite::open(&state, store::OpenRole::Visitor).map_err(|error| {
            let what = format!("{}: {error}", state.display());
            if let store::StoreError::ReadOnly | store::StoreError::Denied(_) = error {
                return Failure::permission(what).hint("run as the user who runs the node");
            }
            Failure::unreachable(what)
                .hint("start the node with vertice run, or name its folder with --state")
        })
    }
}

/// The environment, as the configuration's layer.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

/// Does the verb.
pub(crate) fn config(place: &Place, verb: &ConfigVerb, printer: &mut Printer) -> Verdict {
    match verb {
        ConfigVerb::Check => check(place, printer),
        ConfigVerb::Show => show(&place.load(&[])?, printer),
        ConfigVerb::Schema => {
            printer.line(format!("{:#}", config::schema()))?;
            Ok(true)
        }
        ConfigVerb::Reference => {
            printer.line(config::reference().trim_end())?;
            Ok(true)
        }
    }
}

fn check(place: &Place, printer: &mut Printer) -> Verdict {
    let loaded = place.load(&[])?;
    crate::node::playbooks(&loaded.config.response).map_err(super::run::failure)?;
    let sources = loaded.config.effective_sources();
    if printer.json {
        printer.document(&json!({"ok": true, "sources": sources.len()}))?;
    } else {
        printer.line(format!(
            "ok: {} sources, mode {}",
            sources.len(),
            loaded.config.response.mode
        ))?;
    }
    Ok(true)
}

fn show(loaded: &Loaded, printer: &mut Printer) -> Verdict {
    let value = serde_json::to_value(&loaded.config).map_err(Failure::internal)?;
    let mut rows = Vec::new();
    flatten("", &value, &mut rows);
    for (key, value) in rows {
        let origin = loaded.origins.get(&key).map_or("default", String::as_str);
        if printer.json {
            printer.document(&json!({"key": key, "value": value, "origin": origin}))?;
        } else {
            printer.line(format!("{key} = {value}    # {origin}"))?;
        }
    }
    Ok(true)
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&key, member, rows);
            }
        }
        _ => rows.push((prefix.into(), value.clone())),
    }
}

/// The configuration of a verb that needs no node.
pub(crate) fn plain(place: &Place) -> Result<Config, Failure> {
    Ok(place.load(&[])?.config)
}
