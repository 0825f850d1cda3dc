//! Reads the layers of the configuration and remembers where each value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Config;

/// Where the file is looked for when none is named.
pub(super) const DEFAULT_FILE: &str = "/etc/vertice/config.toml";
/// Bytes of a configuration file that are read.
pub(super) const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
const ENVIRONMENT_PREFIX: &str = "VERTICE__";

/// A configuration and the layer that each set key came from (`response.mode` → `file …`).
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The result.
    pub config: Config,
    /// Dotted key → layer; a key that is not named stands at its default.
    pub origins: BTreeMap<String, String>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file, a variable or a flag holds something that is not understood.
    #[error("{place}: {message}")]
    Wrong {
        /// File with line and column, or variable, or flag.
        place: String,
        /// What is wrong.
        message: String,
    },
}

/// Loads defaults, then `file` (or the default file if it exists), then `environment`, then
/// `flags` as dotted keys with TOML values.
///
/// # Errors
/// [`ConfigError`] naming the place.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Loaded, ConfigError> {
    let mut table = toml::Table::new();
    let mut origins = BTreeMap::new();
    let default_file = Path::new(DEFAULT_FILE);
    let file = file.or_else(|| default_file.exists().then_some(default_file));
    if let Some(path) = file {
        table = read_file(path)?;
        note(
            &mut origins,
            "",
            &table,
            &format!("file {}", path.display()),
        );
    }
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        let key = key.to_lowercase().replace("__", ".");
        set(&mut table, &key, &value, &name)?;
        origins.insert(key, format!("environment {name}"));
    }
    for (key, value) in flags {
        set(&mut table, key, value, "command line")?;
        origins.insert((*key).into(), "command line".into());
    }
    let config = Config::try_from_table(table, file)?;
    Ok(Loaded { config, origins })
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable {
        path: path.into(),
        reason,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > CONFIG_BYTES_MAX {
        return Err(unreadable(format!(
            "{size} bytes are more than {CONFIG_BYTES_MAX}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    // Read it as a `Config` first: only this knows line and column of an unknown key.
    toml::from_str::<Config>(&text).map_err(|error| wrong_at(path, &text, &error))?;
    toml::from_str(&text).map_err(|error| wrong_at(path, &text, &error))
}

fn wrong_at(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .chars()
        .rev()
        .take_while(|character| *character != '\n')
        .count()
        + 1;
    let place = format!("{}:{line}:{column}", path.display());
    ConfigError::Wrong {
        place,
        message: error.message().trim().replace('\n', " "),
    }
}

fn note(origins: &mut BTreeMap<String, String>, prefix: &str, table: &toml::Table, layer: &str) {
    for (key, value) in table {
        let dotted = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(inner) => note(origins, &dotted, inner, layer),
            _ => drop(origins.insert(dotted, layer.into())),
        }
    }
}

fn set(table: &mut toml::Table, key: &str, text: &str, place: &str) -> Result<(), ConfigError> {
    let wrong = |message: &str| ConfigError::Wrong {
        place: place.into(),
        message: message.into(),
    };
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(|| wrong("empty key"))?;
    let mut inner = table;
    for part in parts {
        let entry = inner
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = entry
            .as_table_mut()
            .ok_or_else(|| wrong("names a value, not a section"))?;
    }
    inner.insert(last.into(), value_of(text));
    Ok(())
}

/// A TOML value if it reads as one (`true`, `5`, `["a"]`), else the text itself.
fn value_of(text: &str) -> toml::Value {
    let read = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = read.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.into()))
}

impl Config {
    fn try_from_table(table: toml::Table, file: Option<&Path>) -> Result<Self, ConfigError> {
        let place = file.map_or_else(|| "configuration".into(), |path| path.display().to_string());
        table
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Wrong {
                place,
                message: error.message().trim().replace('\n', " "),
            })
    }
}

/// The machine's own name.
pub(super) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// `/var/lib/vertice` for root, else a folder in the user's home.
#[expect(
    clippy::disallowed_methods,
    reason = "the configuration layer reads the environment"
)]
pub(super) fn default_state_folder() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/vertice");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("vertice")
}
