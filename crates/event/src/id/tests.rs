use super::*;

#[test]
fn an_id_prints_and_reads_back() {
    let id = EventId::of(&[b"auth.log", b"17"]);
    assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    assert!(id.to_string().starts_with("ev-"));
    assert_eq!(id.to_string().len(), 35);
}

#[test]
fn parts_and_kinds_are_kept_apart() {
    assert_ne!(EventId::of(&[b"ab", b"c"]), EventId::of(&[b"a", b"bc"]));
    assert_ne!(EventId::of(&[b"x"]).bytes(), FindingId::of(&[b"x"]).bytes());
}

#[test]
fn texts_that_are_no_ids_are_refused() {
    let good = EventId::of(&[b"x"]).to_string();
    let plus = format!("ev-{}", "+1".repeat(16));
    let umlaut = format!("ev-{}", "ä".repeat(16));
    for bad in [
        "",
        "ev-",
        good.get(..34).unwrap(),
        &good.replace("ev", "fi"),
        &plus,
        &umlaut,
    ] {
        assert!(bad.parse::<EventId>().is_err(), "{bad}");
    }
}
