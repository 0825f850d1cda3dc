use super::*;

#[test]
fn the_list_is_sorted_and_each_entry_makes_what_it_names() {
    assert!(ALL.is_sorted_by(|left, right| left.name < right.name));
    let made = detectors(&Settings::default());
    let names: Vec<&str> = made.iter().map(|detector| detector.name()).collect();
    let listed: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names, listed);
}

#[test]
fn every_technique_is_live_in_attack() {
    for entry in ALL {
        assert!(entry.techniques.is_sorted(), "{}", entry.name);
        for technique in entry.techniques {
            assert_eq!(
                attack::resolve(*technique),
                Some(*technique),
                "{technique} of {}",
                entry.name
            );
        }
    }
}

#[test]
fn unknown_settings_are_refused() {
    assert!(serde_json::from_str::<Settings>("{}").is_ok());
    assert!(serde_json::from_str::<Settings>(r#"{"brute_force":{"window_s":60}}"#).is_ok());
    assert!(serde_json::from_str::<Settings>(r#"{"brute_force":{"windows":60}}"#).is_err());
    assert!(serde_json::from_str::<Settings>(r#"{"bruteforce":{}}"#).is_err());
}
