//! What every backend must do, told through the trait alone: each test gets an empty store.

use event::decision::ApprovalState;
use event::journal::{JournalEntry, JournalRecord};
use event::{IncidentState, Mode, Outcome, Severity};

use crate::samples::{
    action_id, answer, approval, at, decision, event, finding, incident, incident_id, letter,
    notice, plan, plan_id, receipt, receipt_record, record, session, user,
};
use crate::{
    AuditHead, Change, DecisionTicket, IncidentQuery, Outbox, ReceiptQuery, Store, StoreError,
    UserRole,
};

/// One promise of the trait.
pub(crate) type Promise = (&'static str, fn(&dyn Store));

/// All promises; a backend's tests run each on a fresh store.
pub(crate) const ALL: &[Promise] = &[
    ("accounts and sessions", accounts_and_sessions),
    (
        "a failed commit changes nothing",
        a_failed_commit_changes_nothing,
    ),
    ("an empty store answers", an_empty_store_answers),
    ("approvals", approvals),
    ("dead letters", dead_letters),
    ("decisions", decisions),
    ("evidence and findings", evidence_and_findings),
    ("fence", fence),
    ("incidents", incidents),
    ("journal and audit", journal_and_audit),
    ("limits of lists", limits_of_lists),
    ("offsets, snapshots, values", offsets_snapshots_values),
    ("outboxes", outboxes),
    ("plans", plans),
    ("receipts", receipts),
    ("the marker moves with each commit", the_marker_moves),
];

fn an_empty_store_answers(store: &dyn Store) {
    assert_eq!(store.incident(incident_id(1)).unwrap(), None);
    assert_eq!(store.incidents(&IncidentQuery::default()).unwrap(), []);
    assert_eq!(store.incident_counts().unwrap(), []);
    assert_eq!(store.journal(0, 10).unwrap(), []);
    assert_eq!(store.journal_head().unwrap(), 0);
    assert_eq!(store.latest_receipt(action_id(1)).unwrap(), None);
    assert_eq!(store.users().unwrap(), []);
    assert_eq!(store.decision_answer(DecisionTicket(1)).unwrap(), None);
    let report = store.verify_audit().unwrap();
    assert!(report.intact());
    assert_eq!((report.rows, report.head), (0, AuditHead::START));
    store.commit(Vec::new()).unwrap();
    store.maintain().unwrap();
}

fn incidents(store: &dyn Store) {
    let low = incident(1, IncidentState::Open, Severity::Low);
    let high = incident(2, IncidentState::Open, Severity::High);
    let closed = incident(3, IncidentState::Closed, Severity::Critical);
    let all = [&low, &high, &closed].map(|one| Change::Incident(one.clone()));
    store.commit(all.to_vec()).unwrap();
    assert_eq!(store.incident(low.id).unwrap(), Some(low.clone()));
    let every = store.incidents(&IncidentQuery::default()).unwrap();
    assert_eq!(every, [closed.clone(), high.clone(), low.clone()]);

    let mut changed = low;
    changed.revision = 2;
    changed.severity = Severity::Medium;
    store
        .commit(vec![Change::Incident(changed.clone())])
        .unwrap();
    let open = IncidentQuery {
        state: Some(IncidentState::Open),
        ..IncidentQuery::default()
    };
    assert_eq!(store.incidents(&open).unwrap(), [changed, high.clone()]);
    let severe = IncidentQuery {
        severity_min: Some(Severity::High),
        ..IncidentQuery::default()
    };
    assert_eq!(store.incidents(&severe).unwrap(), [closed, high.clone()]);
    let second = IncidentQuery {
        limit: 1,
        offset: 1,
        ..open
    };
    assert_eq!(store.incidents(&second).unwrap(), [high]);
    let mut counts = store.incident_counts().unwrap();
    counts.sort_by_key(|(_, severity, _)| *severity);
    assert_eq!(
        counts,
        [
            (IncidentState::Open, Severity::Medium, 1),
            (IncidentState::Open, Severity::High, 1),
            (IncidentState::Closed, Severity::Critical, 1),
        ]
    );
}

fn evidence_and_findings(store: &dyn Store) {
    let mut changes = vec![Change::Evidence(event(1))];
    for number in 1..=3 {
        changes.push(Change::Finding {
            incident: incident_id(1),
            finding: finding(number),
        });
    }
    changes.push(Change::Finding {
        incident: incident_id(2),
        finding: finding(4),
    });
    store.commit(changes).unwrap();
    assert_eq!(store.evidence(event(1).id).unwrap(), Some(event(1)));
    assert_eq!(store.evidence(event(2).id).unwrap(), None);
    assert_eq!(store.finding(finding(2).id).unwrap(), Some(finding(2)));
    let newest_first = [finding(3), finding(2), finding(1)];
    assert_eq!(store.findings_of(incident_id(1), 10).unwrap(), newest_first);
    assert_eq!(store.findings_of(incident_id(1), 1).unwrap(), [finding(3)]);

    let mut other = event(1);
    other.raw = "somebody else's words".to_owned();
    let moved = Change::Finding {
        incident: incident_id(2),
        finding: finding(1),
    };
    store.commit(vec![Change::Evidence(other), moved]).unwrap();
    assert_eq!(
        store.evidence(event(1).id).unwrap(),
        Some(event(1)),
        "the first stays"
    );
    assert_eq!(
        store.findings_of(incident_id(2), 10).unwrap(),
        [finding(4), finding(1)]
    );
}

fn plans(store: &dyn Store) {
    let planned = |number, revision| {
        record(JournalEntry::Planned {
            plan: Box::new(plan(number, 1, revision)),
        })
    };
    store
        .commit(vec![planned(1, 1), planned(2, 1), planned(1, 2)])
        .unwrap();
    store.commit(vec![Change::Plan(plan(3, 2, 1))]).unwrap();
    assert_eq!(store.plan(plan_id(1)).unwrap(), Some(plan(1, 1, 2)));
    assert_eq!(
        store.plans_of(incident_id(1)).unwrap(),
        [plan(2, 1, 1), plan(1, 1, 2)]
    );
    assert_eq!(store.plans_of(incident_id(2)).unwrap(), [plan(3, 2, 1)]);
    assert_eq!(
        store.journal_head().unwrap(),
        3,
        "a bare plan is not journalled"
    );
}

fn receipts(store: &dyn Store) {
    let first = vec![
        receipt_record(1, 1, Outcome::Applied),
        receipt_record(2, 1, Outcome::Verified),
        receipt_record(3, 2, Outcome::Verified),
    ];
    store.commit(first).unwrap();
    let standing = ReceiptQuery {
        standing_only: true,
        ..ReceiptQuery::default()
    };
    let (one, two) = (
        receipt(2, 1, Outcome::Verified),
        receipt(3, 2, Outcome::Verified),
    );
    assert_eq!(
        store.receipts(&standing).unwrap(),
        [two.clone(), one.clone()]
    );
    assert_eq!(
        store.latest_receipt(action_id(1)).unwrap(),
        Some(one.clone())
    );
    assert_eq!(store.receipt(one.id).unwrap(), Some(one.clone()));

    store
        .commit(vec![receipt_record(4, 1, Outcome::Undone)])
        .unwrap();
    assert_eq!(
        store.receipts(&standing).unwrap(),
        std::slice::from_ref(&two)
    );
    let undone = receipt(4, 1, Outcome::Undone);
    assert_eq!(
        store.latest_receipt(action_id(1)).unwrap(),
        Some(undone.clone())
    );
    let in_order = [receipt(1, 1, Outcome::Applied), one, two, undone];
    assert_eq!(store.receipts_of(plan_id(1)).unwrap(), in_order);
    let mut newest_first = in_order.to_vec();
    newest_first.reverse();
    assert_eq!(
        store.receipts(&ReceiptQuery::default()).unwrap(),
        newest_first
    );
    let of_incident = ReceiptQuery {
        incident: Some(incident_id(1)),
        ..standing
    };
    assert_eq!(store.receipts(&of_incident).unwrap().len(), 1);
    let of_other = ReceiptQuery {
        incident: Some(incident_id(9)),
        ..ReceiptQuery::default()
    };
    assert_eq!(store.receipts(&of_other).unwrap(), []);
}

fn approvals(store: &dyn Store) {
    let gate = |number, state| {
        record(JournalEntry::Gate {
            approval: Box::new(approval(number, state)),
        })
    };
    let waiting = ApprovalState::Waiting;
    store
        .commit(vec![gate(1, waiting), gate(2, waiting), gate(3, waiting)])
        .unwrap();
    let soonest_end_first = [3, 2, 1].map(|number| approval(number, waiting));
    assert_eq!(store.approvals(true, 10).unwrap(), soonest_end_first);
    store
        .commit(vec![
            gate(3, ApprovalState::Denied),
            gate(2, ApprovalState::Stale),
        ])
        .unwrap();
    assert_eq!(store.approvals(true, 10).unwrap(), [approval(1, waiting)]);
    let all = store.approvals(false, 10).unwrap();
    let states: Vec<_> = all.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [waiting, ApprovalState::Denied, ApprovalState::Stale]
    );
    assert_eq!(store.approvals(false, 2).unwrap().len(), 2);
    let denied = approval(3, ApprovalState::Denied);
    assert_eq!(store.approval(action_id(3)).unwrap(), Some(denied));
    assert_eq!(store.approval(action_id(4)).unwrap(), None);
}

fn decisions(store: &dyn Store) {
    let tickets = ["a", "b", "c"].map(|reason| store.decide(&decision(reason)).unwrap());
    assert!(tickets.is_sorted() && tickets[0] > DecisionTicket::default());
    let open = store
        .decisions_after(DecisionTicket::default(), 10)
        .unwrap();
    assert_eq!(open.len(), 3);
    assert_eq!(open[0], (tickets[0], decision("a")));

    let direct = Change::Answer {
        ticket: tickets[0],
        answer: answer("done"),
    };
    let entry = JournalEntry::Decided {
        decision: decision("b"),
        answer: answer("undone"),
    };
    store.commit(vec![direct, record(entry)]).unwrap();
    assert_eq!(
        store.decision_answer(tickets[0]).unwrap(),
        Some(answer("done"))
    );
    assert_eq!(
        store.decision_answer(tickets[1]).unwrap(),
        Some(answer("undone"))
    );
    assert_eq!(store.decision_answer(tickets[2]).unwrap(), None);
    let open = store
        .decisions_after(DecisionTicket::default(), 10)
        .unwrap();
    assert_eq!(open, [(tickets[2], decision("c"))]);
    assert_eq!(store.decisions_after(tickets[2], 10).unwrap(), []);
    let nobodys = Change::Answer {
        ticket: DecisionTicket(999),
        answer: answer("x"),
    };
    assert!(store.commit(vec![nobodys]).is_err());
}

fn journal_and_audit(store: &dyn Store) {
    let entries = [
        JournalEntry::ModeSet { mode: Mode::Act },
        JournalEntry::Intent {
            action: action_id(1),
            plan: plan_id(1),
            step: "block".to_owned(),
            until: at(600),
            approved: true,
        },
        JournalEntry::UndoIntent {
            action: action_id(1),
            reason: "asked".to_owned(),
        },
        JournalEntry::Closed {
            plan: plan_id(1),
            how: "over".to_owned(),
        },
        JournalEntry::Notice {
            text: "naïve ␛ text".to_owned(),
        },
    ];
    store.commit(entries.clone().map(record).to_vec()).unwrap();
    let records = store.journal(0, 10).unwrap();
    for (number, (entry, (sequence, found))) in (1..).zip(entries.into_iter().zip(&records)) {
        let wanted = JournalRecord {
            time: at(12),
            who: "engine".to_owned(),
            entry,
        };
        assert_eq!((number, &wanted), (*sequence, found));
    }
    assert_eq!((records.len(), store.journal_head().unwrap()), (5, 5));
    assert_eq!(store.journal(3, 1).unwrap(), records[3..4]);

    let rows = store.audit(0, 10).unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(
        kinds,
        ["mode_set", "intent", "undo_intent", "closed", "notice"]
    );
    assert!(rows.windows(2).all(|pair| pair[1].previous == pair[0].hash));
    assert_eq!(store.audit(4, 10).unwrap(), rows[4..]);
    let report = store.verify_audit().unwrap();
    assert!(report.intact(), "{report:?}");
    assert_eq!((report.rows, report.head.hash), (5, rows[4].hash));
}

fn offsets_snapshots_values(store: &dyn Store) {
    let offset = |stream: &str, state: &str| Change::Offset {
        stream: stream.to_owned(),
        state: state.to_owned(),
    };
    let snapshot = |bytes: &[u8]| Change::Snapshot {
        name: "fusion".to_owned(),
        bytes: bytes.to_vec(),
    };
    let value = |value: &str| Change::Value {
        key: "mode".to_owned(),
        value: value.to_owned(),
    };
    let first = vec![
        offset("b", "1"),
        offset("a", "2"),
        snapshot(&[0, 255, 1]),
        value("ask"),
    ];
    store.commit(first).unwrap();
    store
        .commit(vec![offset("b", "9"), snapshot(b"new"), value("act")])
        .unwrap();
    let offsets = [("a", "2"), ("b", "9")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(store.offsets().unwrap(), offsets);
    assert_eq!(
        store.snapshot("fusion").unwrap().as_deref(),
        Some(b"new".as_slice())
    );
    assert_eq!(store.snapshot("scan").unwrap(), None);
    assert_eq!(store.value("mode").unwrap().as_deref(), Some("act"));
    assert_eq!(store.value("other").unwrap(), None);
}

fn accounts_and_sessions(store: &dyn Store) {
    let ana = user("ana", UserRole::Admin);
    let open = session(1, "ana", UserRole::Approver);
    let changes = vec![
        Change::User(ana.clone()),
        Change::User(user("ben", UserRole::Viewer)),
        Change::Session(open.clone()),
        Change::Session(session(2, "ben", UserRole::Viewer)),
    ];
    store.commit(changes).unwrap();
    assert_eq!(
        store.users().unwrap(),
        [ana.clone(), user("ben", UserRole::Viewer)]
    );
    assert_eq!(store.user("ana").unwrap(), Some(ana.clone()));
    assert_eq!(store.session(&[1; 32]).unwrap(), Some(open));

    let lowered = crate::User {
        role: UserRole::Viewer,
        ..ana
    };
    store.commit(vec![Change::User(lowered.clone())]).unwrap();
    let role = store.session(&[1; 32]).unwrap().unwrap().role;
    assert_eq!(
        role,
        UserRole::Viewer,
        "never more than the account may now"
    );
    let password = crate::User {
        password_hash: "new".to_owned(),
        ..lowered
    };
    store.commit(vec![Change::User(password)]).unwrap();
    assert_eq!(
        store.session(&[1; 32]).unwrap(),
        None,
        "a new password ends the sessions"
    );
    store
        .commit(vec![Change::RemoveUser("ben".to_owned())])
        .unwrap();
    assert_eq!(store.session(&[2; 32]).unwrap(), None);
    assert_eq!(store.user("ben").unwrap(), None);
    let nobodys = Change::Session(session(3, "ben", UserRole::Viewer));
    assert!(store.commit(vec![nobodys]).is_err());
    store
        .commit(vec![Change::Session(session(4, "ana", UserRole::Viewer))])
        .unwrap();
    store.commit(vec![Change::RemoveSession([4; 32])]).unwrap();
    assert_eq!(store.session(&[4; 32]).unwrap(), None);
}

fn dead_letters(store: &dyn Store) {
    let letters = [
        letter(1, b"\xff\x00one"),
        letter(2, b"two"),
        letter(2, b"other bytes"),
    ];
    store
        .commit(letters.clone().map(Change::DeadLetter).to_vec())
        .unwrap();
    store
        .commit(vec![Change::DeadLetter(letters[0].clone())])
        .unwrap();
    let kept = store.dead_letters(10).unwrap();
    assert_eq!(store.dead_letter_count().unwrap(), 3);
    assert_eq!(kept.len(), 3, "the same record again changes nothing");
    assert!(
        kept.windows(2).all(|pair| pair[0].id > pair[1].id),
        "newest first"
    );
    let oldest = crate::DeadLetter {
        id: 0,
        ..kept[2].clone()
    };
    assert_eq!(oldest, letters[0]);
    assert_eq!(store.dead_letters(1).unwrap(), kept[..1]);
    assert_eq!(store.dead_letters_after(kept[2].id, 1).unwrap(), kept[1..2]);
    assert_eq!(
        store.dead_letter(kept[0].id).unwrap().as_ref(),
        kept.first()
    );
    let gone = vec![Change::RemoveDeadLetter(kept[1].id); 2];
    store.commit(gone).unwrap();
    assert_eq!(store.dead_letter(kept[1].id).unwrap(), None);
    assert_eq!(store.dead_letters(10).unwrap().len(), 2);
    assert_eq!(store.dropped().unwrap(), []);
}

fn outboxes(store: &dyn Store) {
    let findings = (1..=3).map(|number| Change::Finding {
        incident: incident_id(1),
        finding: finding(number),
    });
    store.commit(findings.collect()).unwrap();
    let rows = store.outbox(Outbox::Findings, 1, 1).unwrap();
    let written: event::Finding = serde_json::from_str(&rows[0].body).unwrap();
    assert_eq!((rows[0].sequence, written), (2, finding(2)));
    let incident = |number| Change::Incident(incident(number, IncidentState::Open, Severity::Low));
    store
        .commit(vec![incident(1), incident(2), incident(1)])
        .unwrap();
    let rows = store.outbox(Outbox::Incidents, 0, 10).unwrap();
    let places: Vec<u64> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(
        places,
        [2, 3],
        "the newest state of each, in order of change"
    );
    for (outbox, head) in [(Outbox::Findings, 3), (Outbox::Incidents, 3)] {
        assert_eq!(store.outbox_head(outbox).unwrap(), head);
        assert_eq!(store.outbox(outbox, head, usize::MAX).unwrap(), []);
    }
}

fn limits_of_lists(store: &dyn Store) {
    let many = (0..600)
        .map(|number| Change::Incident(incident(number, IncidentState::Open, Severity::Low)));
    store.commit(many.collect()).unwrap();
    let greedy = IncidentQuery {
        limit: usize::MAX,
        ..IncidentQuery::default()
    };
    assert_eq!(store.incidents(&greedy).unwrap().len(), 500);
    let rest = IncidentQuery {
        offset: 500,
        ..greedy
    };
    assert_eq!(store.incidents(&rest).unwrap().len(), 100);
    let beyond = IncidentQuery {
        offset: usize::MAX,
        ..greedy
    };
    assert_eq!(store.incidents(&beyond).unwrap(), []);
    assert_eq!(store.journal(u64::MAX, usize::MAX).unwrap(), []);
    assert_eq!(store.audit(u64::MAX, usize::MAX).unwrap(), []);
}

fn fence(store: &dyn Store) {
    let fenced = store.commit(vec![notice("a"), Change::Fence]);
    assert!(
        matches!(fenced, Err(StoreError::Fenced { owned: 0, .. })),
        "{fenced:?}"
    );
    assert_eq!(store.journal_head().unwrap(), 0);
    let first = store.take_epoch().unwrap();
    store.commit(vec![Change::Fence, notice("b")]).unwrap();
    assert!(store.take_epoch().unwrap() > first);
    store.commit(vec![notice("c")]).unwrap();
    assert_eq!(store.journal_head().unwrap(), 2);
}

fn a_failed_commit_changes_nothing(store: &dyn Store) {
    store.commit(vec![notice("first")]).unwrap();
    let nobodys = Change::Answer {
        ticket: DecisionTicket(7),
        answer: answer("x"),
    };
    let open = incident(1, IncidentState::Open, Severity::Low);
    let batch = vec![Change::Incident(open), notice("second"), nobodys];
    assert!(store.commit(batch).is_err());
    assert_eq!(store.incidents(&IncidentQuery::default()).unwrap(), []);
    assert_eq!(
        (
            store.journal_head().unwrap(),
            store.audit(0, 10).unwrap().len()
        ),
        (1, 1)
    );
    store.commit(vec![notice("third")]).unwrap();
    assert!(store.verify_audit().unwrap().intact());
    let huge = Change::Offset {
        stream: "s".to_owned(),
        state: "x".repeat(17 * 1024 * 1024),
    };
    let refused = store.commit(vec![huge]);
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
}

fn the_marker_moves(store: &dyn Store) {
    let before = store.change_marker().unwrap();
    assert_eq!(store.change_marker().unwrap(), before);
    store.commit(vec![notice("a")]).unwrap();
    let after = store.change_marker().unwrap();
    assert_ne!(after, before);
    store.decide(&decision("a")).unwrap();
    assert_ne!(store.change_marker().unwrap(), after);
}
