//! Passwords, and where a login may lead.

use super::password::{self, Cost};

const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
};

#[test]
fn a_password_is_known_again_and_another_is_not() {
    let hashed = password::hash("correct horse battery", &[7; 16], CHEAP).unwrap();
    assert!(
        hashed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
        "{hashed}"
    );
    assert!(password::verify("correct horse battery", &hashed));
    assert!(!password::verify("correct horse batterz", &hashed));
    assert!(!password::verify("correct horse battery", "no hash at all"));
}

#[test]
fn the_cost_in_use_is_the_recommended_one() {
    let hashed = password::hash("correct horse battery", &[7; 16], Cost::FULL).unwrap();
    assert!(hashed.contains("$m=19456,t=2,p=1$"), "{hashed}");
}

#[test]
fn nothing_leads_out_of_the_console_after_a_login() {
    for bad in [
        "//example.org",
        "https://example.org",
        "/\\example.org",
        "",
        "/a b",
        "/\r\nX: y",
    ] {
        assert_eq!(super::inside(bad), "/", "{bad:?}");
    }
    assert_eq!(
        super::inside("/incidents?state=open"),
        "/incidents?state=open"
    );
}
