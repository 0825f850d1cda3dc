//! The small words: durations, numbers, countdowns.

use event::{ManualClock, Time};
use std::time::Duration;

use crate::frame::words;

#[test]
fn durations_read_like_a_person_would_say_them() {
    let age = |seconds| words::age(Duration::from_secs(seconds));
    assert_eq!(
        [age(0), age(59), age(60), age(7199), age(86_400)],
        ["0 s", "59 s", "1 min", "1 h", "1 d"]
    );
    let span = |seconds| words::span(Duration::from_secs(seconds));
    assert_eq!(
        [span(61), span(3_660), span(90_000)],
        ["1 min 01 s", "1 h 01 min", "1 d 1 h"]
    );
}

#[test]
fn a_full_list_is_not_taken_for_all_there_is() {
    use crate::ask::at_least;
    assert_eq!(at_least(3, 9), 3);
    assert_eq!(at_least(store::PAGE_MAX, 2_003), 2_003);
    assert_eq!(at_least(store::PAGE_MAX, 0), store::PAGE_MAX);
}

#[test]
fn numbers_keep_their_units() {
    assert_eq!(words::bytes(&999), "999 B");
    assert_eq!(words::bytes(&1_000), "1.0 kB");
    assert_eq!(words::bytes(&3_400_120_330), "3.4 GB");
    assert_eq!(words::short(&10_058_325), "10.0 M");
    assert_eq!(words::short(&99_999), "99\u{202f}999");
    assert_eq!(words::rate(&f64::NAN), "0");
    assert_eq!(words::rate(&f64::INFINITY), "0");
    assert_eq!(words::rate(&214.6), "215");
}

#[test]
fn a_time_that_is_over_says_so() {
    let now = words::Moment(Time::EPOCH.plus(Duration::from_secs(100)));
    let over = words::Moment(Time::EPOCH);
    assert!(over.left(&now).to_string().contains("time is over"));
    let clock = ManualClock::at(now.0);
    let soon = words::Moment(event::Clock::now(&clock).plus(Duration::from_secs(75)));
    assert!(soon.left(&now).to_string().contains(">1 min 15 s<"));
}

#[test]
fn a_story_has_its_days_and_its_silences() {
    use crate::pages::incidents::story::{Item, items};
    use event::{TimelineEntry, TimelineKind};
    let entry = |time: &str, kind| TimelineEntry {
        time: time.parse().unwrap(),
        kind,
        text: "x".to_owned(),
        reference: String::new(),
    };
    let told = items(&[
        entry("2026-11-24T23:50:00Z", TimelineKind::Finding),
        entry("2026-11-24T23:59:59Z", TimelineKind::Finding),
        entry("2026-11-25T00:09:59Z", TimelineKind::Receipt),
    ]);
    let shape: Vec<&str> = told
        .iter()
        .map(|item| match item {
            Item::Day { .. } => "day",
            Item::Gap { length } => length,
            Item::Said { ours: true, .. } => "ours",
            Item::Said { ours: false, .. } => "theirs",
        })
        .collect();
    let wanted = ["day", "theirs", "theirs", "10 min 00 s", "day", "ours"];
    assert_eq!(shape, wanted, "9 min 59 s are no gap, 10 min are");
}

#[test]
fn a_story_tells_the_same_plan_once() {
    use crate::pages::incidents::story::items;
    use event::{TimelineEntry, TimelineKind};
    let plan = |text: &str| TimelineEntry {
        time: "2026-11-25T00:00:00Z".parse().unwrap(),
        kind: TimelineKind::Plan,
        text: text.to_owned(),
        reference: String::new(),
    };
    let told = items(&[
        plan("slow"),
        plan("slow"),
        plan("slow; block"),
        plan("slow"),
    ]);
    assert_eq!(
        told.len(),
        1 + 3,
        "a day, then each plan that says something new"
    );
}
