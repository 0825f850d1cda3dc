use std::path::Path;

use super::*;

fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()));
    load(Some(&path), environment, &[])
}

#[test]
fn a_first_run_observes_on_loopback() {
    let config = Config::default();
    assert_eq!(config.response.mode, Mode::Observe);
    assert!(config.console.listen.ip().is_loopback());
}

#[test]
fn later_layers_win_and_are_named() {
    let loaded = load_text(
        "[response]\nmode = \"ask\"\nnever_block = [\"192.0.2.0/24\"]\n",
        &[("VERTICE__RESPONSE__MODE", "act"), ("OTHER", "x")],
    )
    .unwrap();
    assert_eq!(loaded.config.response.mode, Mode::Act);
    assert_eq!(
        loaded.origins["response.mode"],
        "environment VERTICE__RESPONSE__MODE"
    );
    assert!(loaded.origins["response.never_block"].starts_with("file "));
}

#[test]
fn an_unknown_key_is_named_with_line_and_column() {
    let error = load_text("[node]\nname = \"a\"\nnmae = \"b\"\n", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("config.toml:3:1"), "{error}");
    assert!(error.contains("nmae"), "{error}");
}

#[test]
fn bad_values_and_missing_files_are_errors() {
    assert!(load_text("[response]\nmode = \"attack\"\n", &[]).is_err());
    assert!(load_text("[response]\nnever_block = [\"10.0.0.0/33\"]\n", &[]).is_err());
    assert!(load_text("a = \n", &[]).is_err());
    assert!(
        load(
            Some(Path::new("/nonexistent/v.toml")),
            std::iter::empty(),
            &[]
        )
        .is_err()
    );
    assert!(load_text("", &[("VERTICE__NODE__NAME__DEEP", "x")]).is_err());
}

#[test]
fn every_key_of_the_default_configuration_is_in_the_reference() {
    let text = reference();
    for key in [
        "node.name",
        "response.mode",
        "console.listen",
        "log.retain_mib",
        "source.udp",
    ] {
        assert!(text.contains(key), "{key}");
    }
}
