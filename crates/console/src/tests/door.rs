//! Set-up, login, sessions, roles, form tokens, and decisions as a person sends them.

use axum::http::StatusCode;
use event::decision::Wish;
use std::time::Duration;
use store::{Status, Store, UserRole};

use super::{PASSWORD, Rig, TOKEN, every_page, seed};

const FORM: &str = "token=one-time-token&name=ana&password=correct+horse+battery";

fn cookie_of(answer: &super::Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_new_node_asks_for_the_set_up_and_makes_one_admin_once() {
    let rig = Rig::new(Status::default());
    assert_eq!(rig.get("/").await.header("location"), "/login?next=/");
    assert_eq!(rig.get("/login").await.header("location"), "/setup");
    let shown = rig.get(&format!("/setup?token={TOKEN}")).await;
    assert!(shown.body.contains(TOKEN));

    let made = rig.post("/setup", FORM).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    assert_eq!(made.header("location"), "/");
    let cookie = made.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!(
        rig.store.user("ana").unwrap().unwrap().role,
        UserRole::Admin
    );

    let second = rig.post("/setup", &FORM.replace("ana", "eve")).await;
    assert_eq!(second.header("location"), "/login");
    assert_eq!(rig.get("/setup").await.header("location"), "/login");
    assert!(rig.store.user("eve").unwrap().is_none());
}

#[tokio::test]
async fn the_set_up_refuses_a_wrong_token_a_weak_password_and_an_odd_name() {
    let rig = Rig::new(Status::default());
    let wrong = rig.post("/setup", &FORM.replace(TOKEN, "guess")).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let weak = rig
        .post("/setup", &FORM.replace("correct+horse+battery", "short"))
        .await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(weak.body.contains("12 characters"));
    let odd = rig
        .post("/setup", &FORM.replace("=ana", "=%3Cscript%3E"))
        .await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rig.store.users().unwrap().is_empty());
}

#[tokio::test]
async fn two_set_ups_at_once_make_one_account() {
    let rig = Rig::new(Status::default());
    let eve = FORM.replace("ana", "eve");
    tokio::join!(rig.post("/setup", FORM), rig.post("/setup", &eve));
    assert_eq!(rig.store.users().unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_opens_a_session_and_leads_back_to_the_page() {
    let rig = Rig::seeded();
    rig.account("ana", UserRole::Approver);
    let wrong = rig
        .post("/login", "name=ana&password=wrong+horse+battery")
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let nobody = rig
        .post("/login", "name=bob&password=wrong+horse+battery")
        .await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let alike = |body: &str, name: &str| body.replace(name, "NAME");
    assert_eq!(
        alike(&wrong.body, "\"ana\""),
        alike(&nobody.body, "\"bob\"")
    );

    let form = "name=ana&password=correct+horse+battery&next=/incidents?state=open";
    let right = rig.post("/login", form).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.header("location"), "/incidents?state=open");
    let cookie = cookie_of(&right);
    assert!(!PASSWORD.is_empty() && !cookie.contains(PASSWORD));

    let request = rig.request(axum::http::Method::GET, "/");
    let request = request.header("cookie", &cookie);
    let page = rig
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("approver"));
}

#[tokio::test]
async fn the_token_itself_is_not_in_the_store() {
    let rig = Rig::new(Status::default());
    rig.account("ana", UserRole::Viewer);
    let answer = rig
        .post("/login", "name=ana&password=correct+horse+battery")
        .await;
    let cookie = cookie_of(&answer);
    let token = cookie.split('=').nth(1).unwrap();
    assert_eq!(token.len(), 64);
    let hash = *blake3::hash(token.as_bytes()).as_bytes();
    let session = rig.store.session(&hash).unwrap().unwrap();
    assert_eq!(session.user, "ana");
    assert!(!session.csrf.contains(token));
}

#[tokio::test]
async fn guessing_is_slowed_down_and_forgotten_after_a_minute() {
    let rig = Rig::new(Status::default());
    rig.account("ana", UserRole::Viewer);
    for _ in 0..crate::auth::limit::TRIES_MAX {
        let answer = rig.post("/login", "name=ana&password=wrong").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let right = "name=ana&password=correct+horse+battery";
    assert_eq!(
        rig.post("/login", right).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let before = rig.elapsed();
    rig.clock.advance(crate::auth::limit::WINDOW);
    assert!(rig.elapsed() > before);
    assert_eq!(
        rig.post("/login", right).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_session_ends_by_time_and_by_logout() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Viewer);
    assert_eq!(person.get("/").await.status, StatusCode::OK);
    let forged = person.post("/logout", "csrf=guess").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(person.get("/").await.status, StatusCode::OK);
    let out = person.post("/logout", "csrf=the-form-token").await;
    assert_eq!(out.header("location"), "/login");
    assert_eq!(person.get("/").await.status, StatusCode::SEE_OTHER);

    let other = rig.person(UserRole::Admin);
    rig.clock.advance(Duration::from_secs(3600));
    assert_eq!(
        other.get("/health").await.header("location"),
        "/login?next=/health"
    );
    assert_eq!(
        other.get("/_f/health").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        other.get("/api/v1/health").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn nothing_is_shown_to_a_stranger() {
    let rig = Rig::seeded();
    rig.account("ana", UserRole::Viewer);
    for path in every_page() {
        let answer = rig.get(&path).await;
        let sent_away = matches!(
            answer.status,
            StatusCode::SEE_OTHER | StatusCode::UNAUTHORIZED
        );
        assert!(sent_away, "{path}: {}", answer.status);
        assert!(!answer.body.contains("203.0.113.7"), "{path}");
    }
    let stream = rig.get("/api/events/stream").await;
    assert_eq!(stream.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn roles_decide_who_may_decide() {
    for role in UserRole::ALL {
        let rig = Rig::seeded();
        rig.engine(true, "denied, nothing was done");
        let person = rig.person(role);
        let may = role >= UserRole::Approver;
        let page = person.get("/approvals").await;
        assert_eq!(page.body.contains("data-decide=\"approve\""), may, "{role}");
        let id = seed::action_id("guessing");
        let path = format!("/approvals/{id}/deny");
        let form = "csrf=the-form-token&plan_hash=x&reason=known+scanner";
        let answer = person.post(&path, form).await;
        let wanted = if may {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(answer.status, wanted, "{role}");
        let receipt = receipt(&rig, "spray");
        let path = format!("/receipts/{receipt}/undo");
        let answer = person.post(&path, "csrf=the-form-token").await;
        assert_eq!(answer.status, wanted, "{role}");
    }
}

fn receipt(rig: &Rig, key: &str) -> event::ReceiptId {
    let latest = rig.store.latest_receipt(seed::action_id(key));
    latest.unwrap().unwrap().id
}

#[tokio::test]
async fn a_form_of_another_session_changes_nothing() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    for (path, form) in [
        (
            format!("/approvals/{}/approve", seed::action_id("guessing")),
            "plan_hash=x&csrf=guess",
        ),
        (
            format!("/approvals/{}/deny", seed::action_id("guessing")),
            "plan_hash=x&csrf=",
        ),
        (
            format!("/receipts/{}/undo", receipt(&rig, "spray")),
            "csrf=guess",
        ),
    ] {
        let answer = person.post(&path, form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(rig.decisions().is_empty());
}

#[tokio::test]
async fn a_decision_names_person_plan_and_reason_and_its_answer_is_shown() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Approver);
    let id = seed::action_id("guessing");
    let path = format!("/approvals/{id}/approve");
    let hash = seed::plan_hash("guessing");
    let form = format!("csrf=the-form-token&plan_hash={hash}&reason=+seen+it+");
    let written = async {
        loop {
            let decisions = rig.decisions();
            if let Some(decision) = decisions.into_iter().next() {
                rig.engine(true, "block stands, read back");
                return decision;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (answer, decision) = tokio::join!(person.post(&path, &form), written);
    assert_eq!(decision.who, "console:approver");
    assert_eq!(decision.reason, "seen it");
    let wish = Wish::Approve {
        action: id,
        plan_hash: hash,
    };
    assert_eq!(decision.wish, wish);
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let back = answer.header("location").to_owned();
    assert!(
        back.starts_with(&format!("/approvals/{id}?ticket=")),
        "{back}"
    );
    let page = person.get(&back).await;
    assert!(page.body.contains("block stands, read back"));
}

#[tokio::test]
async fn a_changed_plan_makes_the_decision_stale() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Approver);
    let path = format!("/approvals/{}/approve", seed::action_id("guessing"));
    let old = "csrf=the-form-token&plan_hash=of-an-older-revision";
    let answer = person.post(&path, old).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body.contains("stale: the plan changed"));
    assert!(
        rig.decisions().is_empty(),
        "nothing was asked of the engine"
    );

    rig.engine(false, "stale: revision 2 was planned meanwhile");
    let hash = seed::plan_hash("guessing");
    let form = format!("csrf=the-form-token&plan_hash={hash}");
    let answer = person.post(&path, &form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body.contains("Stale"));
    assert!(answer.body.contains("revision 2 was planned meanwhile"));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_told_and_nothing_is_lost() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Approver);
    let id = seed::action_id("guessing");
    let form = "csrf=the-form-token&plan_hash=x";
    let answer = person.post(&format!("/approvals/{id}/deny"), form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = person.get(answer.header("location")).await;
    assert!(page.body.contains("has not answered yet"));
    assert_eq!(rig.decisions().len(), 1);
}

#[tokio::test]
async fn reading_changes_nothing() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    let before = rig.marker();
    for path in every_page() {
        assert_eq!(person.get(&path).await.status, StatusCode::OK, "{path}");
    }
    let id = seed::action_id("guessing");
    for path in [
        format!("/approvals/{id}/approve"),
        format!("/approvals/{id}/deny"),
        "/logout".into(),
    ] {
        let answer = person.get(&path).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(rig.marker(), before);
    assert!(rig.decisions().is_empty());
}

#[tokio::test]
async fn a_live_update_offers_only_the_plan_that_is_on_screen() {
    let rig = Rig::seeded();
    let id = seed::action_id("guessing");
    let person = rig.person(UserRole::Approver);
    let hash = rig.store.approval(id).unwrap().unwrap().plan_hash;
    let path = format!("/_f/approvals/{id}/decide?shown={hash}");
    let same = person.get(&path).await.body;
    assert!(same.contains("data-decide=\"approve\""), "{same}");
    assert!(same.contains(&hash));
    let path = format!("/_f/approvals/{id}/decide?shown=another");
    let other = person.get(&path).await.body;
    assert!(other.contains("changed after it was shown"), "{other}");
    assert!(!other.contains("data-decide") && !other.contains(&hash));
}
