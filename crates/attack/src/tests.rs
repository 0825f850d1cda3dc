use super::*;

fn live() -> impl Iterator<Item = &'static Technique> {
    all().iter().filter(|entry| entry.status == Status::Live)
}

#[test]
fn every_row_parses_and_the_order_is_that_of_the_ids() {
    assert_eq!(rows().count(), all().len());
    assert!(all().is_sorted_by(|left, right| left.id < right.id));
    let line = rows().next().unwrap();
    assert_eq!(line.split('\t').count(), 7);
}

#[test]
fn the_release_has_its_published_size() {
    assert_eq!(live().count(), 691);
    assert_eq!(live().filter(|entry| !entry.id.is_sub()).count(), 216);
    for tactic in Tactic::ALL {
        assert!(
            live().any(|entry| entry.tactics.contains(&tactic)),
            "{tactic}"
        );
    }
}

#[test]
fn data_file_names_release_copyright_and_terms() {
    assert!(DATA.contains(&format!("# release\t{RELEASE}\n")));
    assert!(DATA.contains(COPYRIGHT) && DATA.contains("terms-of-use"));
}

#[test]
fn live_techniques_are_complete() {
    for entry in live() {
        assert!(!entry.tactics.is_empty(), "{} has no tactic", entry.id);
        assert!(!entry.name.is_empty() && !entry.version.is_empty());
        assert!(entry.replaced_by.is_none());
        let parent = technique(entry.id.parent()).unwrap();
        assert_eq!(parent.status, Status::Live, "{}", entry.id);
    }
}

#[test]
fn every_revoked_technique_reaches_a_live_one_or_a_withdrawn_one() {
    let mut dead_ends = Vec::new();
    for entry in all() {
        if entry.status == Status::Revoked && resolve(entry.id).is_none() {
            dead_ends.push(entry.id);
        }
    }
    assert!(dead_ends.is_empty(), "{dead_ends:?}");
}

#[test]
fn ids_resolve_as_attack_says() {
    let resolved = |text: &str| resolve(text.parse().unwrap()).map(|id| id.to_string());
    assert_eq!(resolved("T1110.001").as_deref(), Some("T1110.001"));
    assert_eq!(resolved("T1066").as_deref(), Some("T1027.005"));
    assert_eq!(resolved("T1043"), None, "withdrawn without a successor");
    assert_eq!(resolved("T9999"), None);
    assert_eq!(resolved("T1150").as_deref(), Some("T1647"), "two steps");
}

#[test]
fn tactics_fall_back_to_the_parent() {
    let unknown_sub = TechniqueId::sub(1110, 900);
    assert_eq!(tactics_of(unknown_sub), [Tactic::CredentialAccess]);
    assert!(tactics_of(TechniqueId::new(9999)).is_empty());
}

#[test]
fn the_stage_claims_no_more_than_is_proved() {
    let guessing = TechniqueId::sub(1110, 1);
    let valid_accounts = TechniqueId::new(1078);
    assert_eq!(
        furthest_tactic(&[valid_accounts]),
        Some(Tactic::InitialAccess)
    );
    assert_eq!(
        furthest_tactic(&[valid_accounts, guessing]),
        Some(Tactic::CredentialAccess)
    );
    assert_eq!(furthest_tactic(&[]), None);
}
