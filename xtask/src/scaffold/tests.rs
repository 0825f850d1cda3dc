use std::path::Path;

use super::{KINDS, generate, kind, named, whole_words};
use crate::programs::{command, target_folder};
use crate::tidy;

/// What the three crates need to compile.
const CRATES: &[&str] = &["attack", "event", "response", "sentinel", "sources"];

#[test]
fn words_are_replaced_whole_and_names_have_three_forms() {
    assert_eq!(
        whole_words("scan scanner (scan) a_scan scan", "scan", "x"),
        "x scanner (x) a_scan x"
    );
    assert_eq!(
        named("{name} {Name} {NAME}", "dns_tunnel2"),
        "dns_tunnel2 DnsTunnel2 DNS_TUNNEL2"
    );
}

#[test]
fn bad_names_unknown_kinds_and_what_exists_are_refused() {
    let root = tidy::root();
    for name in ["", "Scan", "1st", "a-b", "../x", "a b", &"x".repeat(33)] {
        assert!(generate(&root, &KINDS[0], name).is_err(), "{name}");
    }
    assert!(kind("page").is_err());
    assert!(generate(&root, kind("detector").unwrap(), "brute_force").is_err());
}

#[test]
fn every_table_still_has_its_place() {
    for (file, behind, _) in KINDS.iter().flat_map(|kind| kind.lines) {
        let text = std::fs::read_to_string(tidy::root().join(file)).unwrap();
        assert!(
            text.lines().any(|line| line.starts_with(behind)),
            "{file}: {behind}"
        );
    }
}

#[test]
#[ignore = "compiles five crates anew: run by cargo xtask test"]
fn what_is_made_compiles_once_its_lines_are_in() {
    let target = std::path::absolute(tidy::root().join(target_folder())).unwrap();
    let copy = target.join(format!("scaffold-{}", std::process::id()));
    workspace(&copy);
    for kind in KINDS {
        generate(&copy, kind, "brand_new").unwrap();
        for (file, behind, line) in kind.lines {
            enter(&copy.join(file), behind, &named(line, "brand_new"));
        }
    }
    let mut check = command("cargo");
    check
        .args(["check", "--quiet", "--offline", "--workspace", "--tests"])
        .current_dir(&copy);
    let output = check
        .env("CARGO_TARGET_DIR", target.join("scaffold"))
        .output()
        .unwrap();
    std::fs::remove_dir_all(&copy).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A copy of the part of the workspace that the templates live in.
fn workspace(to: &Path) {
    let root = tidy::root();
    std::fs::create_dir_all(to.join("crates")).unwrap();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest = manifest
        .replace(", \"xtask\"]", "]")
        .replace("default-members", "#");
    std::fs::write(to.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    let folders = CRATES
        .iter()
        .map(|name| format!("crates/{name}"))
        .chain(["playbooks".to_owned()]);
    for folder in folders {
        let mut copy = command("cp");
        copy.arg("-r").arg(root.join(&folder)).arg(to.join(&folder));
        assert!(copy.status().unwrap().success(), "{folder}");
    }
}

/// Puts a line behind the one that begins so.
fn enter(file: &Path, behind: &str, new: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut out = String::new();
    for line in text.lines() {
        // A list may stand on one line: then the new member goes right behind its bracket.
        match line.strip_prefix(behind) {
            Some(rest) => out.push_str(&format!("{behind}\n{new}\n{rest}\n")),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    std::fs::write(file, out).unwrap();
}
