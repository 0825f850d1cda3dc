//! What each page says, also when there is nothing to say.

use event::Mode;
use store::{Status, Store, UserRole};

use super::{Answer, Rig, every_page, now, seed};

const PAGES: [&str; 4] = ["/", "/approvals", "/incidents", "/health"];

#[tokio::test]
async fn an_empty_node_says_why_it_is_empty_and_what_to_do() {
    for mode in [Mode::Observe, Mode::Ask, Mode::Act] {
        let rig = Rig::new(Status {
            mode,
            ..Status::default()
        });
        let person = rig.person(UserRole::Viewer);
        for path in PAGES {
            let answer = person.get(path).await;
            assert!(answer.body.contains("class=\"empty\""), "{path}");
            assert!(
                answer.body.contains("<code>vertice ") || answer.body.contains("<code>mode"),
                "{path}"
            );
            assert_no_nonsense(&answer, path);
        }
    }
}

#[tokio::test]
async fn no_page_shows_a_value_that_is_none() {
    let mut status = seed::status(now());
    status.events_per_s = f64::NAN;
    for hop in &mut status.hops {
        hop.rate = f64::INFINITY;
        hop.p99_ms = f64::NAN;
        hop.queue_limit_bytes = 0;
    }
    let rig = Rig::new(status);
    seed::fill(rig.store.as_ref(), &seed::cases(), now()).unwrap();
    let person = rig.person(UserRole::Admin);
    for path in every_page() {
        assert_no_nonsense(&person.get(&path).await, &path);
    }
}

fn assert_no_nonsense(answer: &Answer, path: &str) {
    assert_eq!(answer.status, 200, "{path}");
    for nonsense in [
        "NaN",
        "undefined",
        "null",
        "Invalid Date",
        "None",
        "Some(",
        "inf ",
    ] {
        assert!(!answer.body.contains(nonsense), "{path} has {nonsense}");
    }
}

#[tokio::test]
async fn every_page_is_a_whole_document_with_its_landmarks() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    for path in every_page().iter().filter(|path| !path.starts_with("/_f")) {
        let body = person.get(path).await.body;
        for part in [
            "<!doctype html>",
            "<html lang=\"en\">",
            "href=\"#main\"",
            "<main id=\"main\"",
            "<nav aria-label",
            "<h1",
        ] {
            assert!(body.contains(part), "{path} lacks {part}");
        }
        assert_eq!(body.matches("<h1").count(), 1, "{path}");
        assert_eq!(body.matches("aria-current=\"page\"").count(), 1, "{path}");
        for input in body.split("<input").skip(1) {
            let tag = input.split('>').next().unwrap();
            let labelled = tag.contains("type=\"hidden\"") || is_in_label(&body, tag);
            assert!(labelled, "{path}: <input{tag}>");
        }
        let ids: Vec<&str> = body.split(" id=\"").skip(1).collect();
        let mut names: Vec<&str> = ids
            .iter()
            .filter_map(|rest| rest.split('"').next())
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{path} has an id twice");
    }
}

fn is_in_label(body: &str, tag: &str) -> bool {
    let before = body.split(tag).next().unwrap_or_default();
    before.rfind("<label") > before.rfind("</label")
}

#[tokio::test]
async fn the_three_kinds_of_wait_are_never_drawn_alike() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Approver);
    for (key, kind, silence, until) in [
        ("guessing", "approve", "nothing is done", "lapses in"),
        ("scan", "veto", "runs by itself", "runs in"),
        ("spray", "ratify", "dissolves", "dissolves in"),
    ] {
        let body = person
            .get(&format!("/approvals/{}", seed::action_id(key)))
            .await
            .body;
        assert!(body.contains(&format!("silence silence-{kind}")), "{key}");
        let review = body.split("silence silence-").nth(1).unwrap();
        let review = review.split("</div>").next().unwrap();
        assert!(
            review.contains(silence) && review.contains(until),
            "{key}: {review}"
        );
    }
}

#[tokio::test]
async fn a_review_shows_all_that_a_decision_needs() {
    let rig = Rig::seeded();
    let id = seed::action_id("guessing");
    let person = rig.person(UserRole::Approver);
    let body = person.get(&format!("/approvals/{id}")).await.body;
    for part in [
        "Block 203.0.113.7 on web01 for 1 h",
        "class=\"removed\"",
        "class=\"added\"",
        "1 connection is open to it now",
        "the matrix asks one person",
        "Failed password for root",
        "vertice undo rc-",
        "then the kernel lets go by itself",
        "confidence 97 %",
        "rate against the host",
    ] {
        assert!(body.contains(part), "lacks {part}");
    }
    assert!(body.contains(&format!("vertice approve {id}")));
    assert!(body.contains(&format!(
        "name=\"plan_hash\" value=\"{}\"",
        seed::plan_hash("guessing")
    )));
    assert!(!body.contains("autofocus"), "nothing is focused on approve");
}

#[tokio::test]
async fn a_story_tells_gaps_and_ours_apart() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Viewer);
    let body = person
        .get(&format!("/incidents/{}", seed::incident_id("spray")))
        .await
        .body;
    assert!(body.contains("without anything seen"));
    assert!(body.contains("<li class=\"ours\">"));
    assert!(body.contains("<span class=\"tag\">decision</span>"));
    assert!(
        !body.contains("data-decide=\"undo\""),
        "a viewer has no undo button"
    );
    let person = rig.person(UserRole::Approver);
    let body = person
        .get(&format!("/incidents/{}", seed::incident_id("spray")))
        .await
        .body;
    assert!(body.contains("data-decide=\"undo\""));
}

#[tokio::test]
async fn a_filter_that_hides_everything_says_so() {
    let rig = Rig::new(Status::default());
    let open = seed::cases().into_iter().take(2).collect::<Vec<_>>();
    seed::fill(rig.store.as_ref(), &open, now()).unwrap();
    let person = rig.person(UserRole::Viewer);
    let body = person.get("/incidents?state=closed").await.body;
    assert!(body.contains("The filter hides 2."));
    let body = person.get("/incidents?state=%22%3E&from=-1").await.body;
    assert!(body.contains("Scan of 1,024 ports"));
}

#[tokio::test]
async fn a_bad_day_keeps_the_pages_small_and_says_what_is_left_out() {
    let rig = Rig::seeded();
    seed::fill(rig.store.as_ref(), &seed::many(120), now()).unwrap();
    let person = rig.person(UserRole::Approver);
    let approvals = person.get("/approvals").await.body;
    assert_eq!(approvals.matches("class=\"wait wait-").count(), 50);
    assert!(approvals.contains("73 more wait"));
    let incidents = person.get("/incidents").await.body;
    assert_eq!(incidents.matches("title-cell oneline\"><a").count(), 50);
    assert!(incidents.contains("from=50"));
    let last = person.get("/incidents?from=100").await.body;
    assert!(last.contains("101 to 125") && !last.contains("from=150"));
    let overview = person.get("/").await.body;
    assert!(overview.contains("122 open incidents, 121 of them critical."));
}

#[tokio::test]
async fn what_does_not_exist_is_said_to_be_missing() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    for path in [
        "/incidents/in-00",
        "/approvals/x",
        "/nowhere",
        "/incidents/in-00000000000000000000000000000000",
    ] {
        let answer = person.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("Not found"), "{path}");
    }
    let answer = person
        .post(
            "/receipts/rc-00000000000000000000000000000000/undo",
            "csrf=the-form-token",
        )
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn json_has_the_same_view() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Viewer);
    let overview = person.get("/api/v1/overview").await;
    assert_eq!(overview.header("content-type"), "application/json");
    let mut view: serde_json::Value = serde_json::from_str(&overview.body).unwrap();
    // The strip's two lanes of 96 numbers are checked where they are drawn.
    view.as_object_mut().unwrap().remove("strip").unwrap();
    let shown = serde_json::to_string_pretty(&view).unwrap();
    expect_test::expect_file!["expected/overview.json"].assert_eq(&shown);
    for (path, file) in [
        (
            "/api/v1/approvals",
            expect_test::expect_file!["expected/approvals.json"],
        ),
        (
            "/api/v1/incidents",
            expect_test::expect_file!["expected/incidents.json"],
        ),
        (
            "/api/v1/health",
            expect_test::expect_file!["expected/health.json"],
        ),
    ] {
        let answer = person.get(path).await;
        let view: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        file.assert_eq(&serde_json::to_string_pretty(&view).unwrap());
    }
    let story = person
        .get(&format!(
            "/api/v1/incidents/{}",
            seed::incident_id("guessing")
        ))
        .await;
    let view: serde_json::Value = serde_json::from_str(&story.body).unwrap();
    assert_eq!(view.pointer("/schema").unwrap(), "vertice.incident/1");
    assert_eq!(view.pointer("/items/1/item").unwrap(), "said");
    assert!(rig.store.unreadable() == 0);
}
