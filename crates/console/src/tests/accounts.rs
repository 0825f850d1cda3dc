//! Accounts: who may manage them, and that nobody shuts himself out.

use event::journal::JournalEntry;
use store::{Store, UserRole};

use super::{Rig, now, seed};

const BEA: &str = "csrf=the-form-token&name=bea&role=approver&password=correct+horse+battery";

fn notices(rig: &Rig) -> Vec<String> {
    let records = rig.store.journal(0, 1_000).unwrap();
    let texts = records
        .into_iter()
        .filter_map(|(_, record)| match record.entry {
            JournalEntry::Notice { text } => Some(format!("{}: {text}", record.who)),
            _ => None,
        });
    texts.collect()
}

#[tokio::test]
async fn an_admin_makes_changes_and_removes_accounts_and_each_is_audited() {
    let rig = Rig::new(seed::status(now()));
    let admin = rig.person(UserRole::Admin);
    let made = admin.post("/accounts/create", BEA).await;
    assert_eq!(made.header("location"), "/accounts");
    assert_eq!(
        rig.store.user("bea").unwrap().unwrap().role,
        UserRole::Approver
    );
    let login = rig
        .post("/login", "name=bea&password=correct+horse+battery")
        .await;
    assert_eq!(login.status, 303);

    let page = admin.get("/accounts").await;
    assert!(page.body.contains("Role of bea"));
    admin
        .post("/accounts/role", "csrf=the-form-token&name=bea&role=viewer")
        .await;
    assert_eq!(
        rig.store.user("bea").unwrap().unwrap().role,
        UserRole::Viewer
    );
    admin
        .post("/accounts/remove", "csrf=the-form-token&name=bea")
        .await;
    assert!(rig.store.user("bea").unwrap().is_none());
    let wanted = [
        "console:admin: account bea was made with the role approver",
        "console:admin: account bea went from approver to viewer",
        "console:admin: account bea was removed",
    ];
    assert_eq!(notices(&rig), wanted);
    assert!(rig.store.verify_audit().unwrap().broken.is_none());
}

#[tokio::test]
async fn nobody_shuts_himself_out_or_takes_another_ones_name() {
    let rig = Rig::new(seed::status(now()));
    let admin = rig.person(UserRole::Admin);
    for path in ["/accounts/remove", "/accounts/role"] {
        let answer = admin
            .post(path, "csrf=the-form-token&name=admin&role=viewer")
            .await;
        assert_eq!(answer.status, 409, "{path}");
    }
    let taken = admin
        .post("/accounts/create", &BEA.replace("bea", "admin"))
        .await;
    assert_eq!(taken.status, 422);
    for bad in [
        BEA.replace("=bea", "=B%20"),
        BEA.replace("correct+horse+battery", "short"),
        BEA.replace("approver", "root"),
    ] {
        assert_eq!(
            admin.post("/accounts/create", &bad).await.status,
            422,
            "{bad}"
        );
    }
    assert_eq!(
        rig.store.user("admin").unwrap().unwrap().role,
        UserRole::Admin
    );
    assert_eq!(rig.store.users().unwrap().len(), 1);
}

#[tokio::test]
async fn only_admins_manage() {
    for role in [UserRole::Viewer, UserRole::Analyst, UserRole::Approver] {
        let rig = Rig::new(seed::status(now()));
        let person = rig.person(role);
        assert_eq!(person.get("/accounts").await.status, 403, "{role}");
        assert_eq!(
            person.post("/accounts/create", BEA).await.status,
            403,
            "{role}"
        );
        let page = person.get("/").await;
        assert!(!page.body.contains("/accounts"), "{role}");
        assert!(rig.store.user("bea").unwrap().is_none());
    }
    let rig = Rig::new(seed::status(now()));
    let admin = rig.person(UserRole::Admin);
    let forged = admin
        .post("/accounts/create", &BEA.replace("the-form-token", "x"))
        .await;
    assert_eq!(forged.status, 403);
    assert!(rig.store.user("bea").unwrap().is_none());
}
