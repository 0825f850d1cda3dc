//! Headers, hosts, origins, limits, assets, probes, and lint of what is served.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use store::{Status, UserRole};

use super::{HOST, Rig, every_page, seed};

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    let mut paths = every_page();
    for path in [
        "/login",
        "/setup",
        "/nowhere",
        "/metrics",
        "/healthz",
        "/readyz",
        "/_a/none.js",
    ] {
        paths.push(path.to_owned());
    }
    for path in ["overview", "approvals", "incidents", "health"] {
        paths.push(format!("/api/v1/{path}"));
    }
    for path in paths {
        let answer = person.get(&path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            crate::edge::CSP,
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[test]
fn the_policy_is_the_one_of_the_guide() {
    assert_eq!(
        crate::edge::CSP,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vertice"
    );
}

async fn status_for_host(rig: &Rig, host: &str) -> StatusCode {
    let request = axum::http::Request::builder()
        .uri("/healthz")
        .header(header::HOST, host);
    rig.send(request.body(Body::empty()).unwrap()).await.status
}

#[tokio::test]
async fn only_loopback_names_are_answered() {
    let rig = Rig::new(Status::default());
    for good in [
        "127.0.0.1:8765",
        "localhost:8765",
        "[::1]:8765",
        "127.0.0.1",
        "localhost",
        "localhost:9000",
    ] {
        assert_eq!(status_for_host(&rig, good).await, StatusCode::OK, "{good}");
    }
    let bad = [
        "attacker.example",
        "attacker.example:8765",
        "127.0.0.1.attacker.example:8765",
        "localhost.attacker.example",
        "localhost:x",
        "localhost:",
        "127.0.0.1:99999",
        "192.0.2.7:8765",
        "[::2]:8765",
        "",
    ];
    for bad in bad {
        let status = status_for_host(&rig, bad).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{bad:?}");
    }
    let nameless = axum::http::Request::builder().uri("/healthz");
    let answer = rig.send(nameless.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_post_from_elsewhere_is_refused_before_anything_else() {
    let rig = Rig::seeded();
    let person = rig.person(UserRole::Admin);
    let path = format!("/approvals/{}/deny", seed::action_id("guessing"));
    for (origin, site) in [
        ("https://attacker.example", "cross-site"),
        ("null", "same-origin"),
        ("http://127.0.0.1:9999", "same-site"),
        ("http://127.0.0.1:8765", "cross-site"),
        ("http://127.0.0.1:8765.attacker.example", "same-origin"),
    ] {
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(&path)
            .header(header::HOST, HOST)
            .header(header::ORIGIN, origin)
            .header("sec-fetch-site", site)
            .header(
                header::COOKIE,
                format!("vertice_session_8765={}", person.token),
            )
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = Body::from("csrf=the-form-token&plan_hash=x");
        let answer = rig.send(request.body(body).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin} {site}");
    }
    assert!(rig.decisions().is_empty());
}

#[tokio::test]
async fn too_large_requests_are_refused_by_name() {
    let rig = Rig::new(Status::default());
    let large = "x".repeat(crate::edge::BODY_BYTES_MAX + 1);
    let answer = rig
        .post("/login", &format!("name=a&password={large}"))
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    let long = format!("/login?next=/{large}");
    assert_eq!(rig.get(&long).await.status, StatusCode::URI_TOO_LONG);

    let request = rig
        .request(Method::GET, "/healthz")
        .header("x-much", "y".repeat(crate::edge::HEADER_BYTES_MAX));
    let answer = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_too() {
    let rig = Rig::new(Status::default());
    let request = rig
        .request(Method::POST, "/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let chunks = Body::from_stream(Endless(64));
    let answer = rig.send(request.body(chunks).unwrap()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Kilobytes of a form that never says how long it is.
struct Endless(u32);

impl futures_core::Stream for Endless {
    type Item = Result<String, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0 = self.0.saturating_sub(1);
        let chunk = (self.0 > 0).then(|| Ok("a".repeat(1024)));
        std::task::Poll::Ready(chunk)
    }
}

#[tokio::test]
async fn assets_are_immutable_and_known_by_their_content() {
    let rig = Rig::new(Status::default());
    for name in ["console.css", "boot.js", "live.js"] {
        let path = crate::assets::href(name);
        let answer = rig.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let caching = answer.header("cache-control").to_owned();
        assert_eq!(caching, "public, max-age=31536000, immutable");
        let etag = answer.header("etag").to_owned();
        assert!(path.contains(etag.trim_matches('"')), "{path} {etag}");
        let again = rig
            .request(Method::GET, &path)
            .header(header::IF_NONE_MATCH, etag);
        let again = rig.send(again.body(Body::empty()).unwrap()).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert!(again.body.is_empty());
    }
}

#[tokio::test]
async fn modules_import_one_another_by_hashed_names() {
    let rig = Rig::new(Status::default());
    let boot = rig.get(&crate::assets::href("boot.js")).await.body;
    let imports: Vec<&str> = boot.split("from \"./").skip(1).collect();
    assert!(!imports.is_empty());
    for import in imports {
        let name = import.split('"').next().unwrap();
        let answer = rig.get(&format!("/_a/{name}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn probes_need_no_login_and_ready_means_ready() {
    let rig = Rig::new(Status::default());
    assert_eq!(rig.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(
        rig.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(rig.get("/metrics").await.body, "# EOF\n");
    let rig = Rig::new(seed::status(super::now()));
    assert_eq!(rig.get("/readyz").await.status, StatusCode::OK);
}

#[test]
fn templates_hold_nothing_inline_and_nothing_unescaped() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source];
    let mut templates = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "html")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let spaced = text.replace(['\n', '"'], " ");
                for banned in ["|safe", "| safe", " style=", " on", "://", "srcdoc"] {
                    let found = spaced.split(banned).skip(1).any(|rest| {
                        let name = rest.split([' ', '>']).next().unwrap_or_default();
                        banned != " on" || name.contains('=')
                    });
                    assert!(!found, "{} has {banned}", path.display());
                }
                templates += 1;
            }
        }
    }
    assert!(templates >= 10, "{templates}");
}

#[test]
fn scripts_and_style_keep_the_rules_of_the_guide() {
    let scripts = crate::assets::sources(".js");
    let bytes: usize = scripts.iter().map(|(_, source)| source.len()).sum();
    assert!(
        bytes <= 18 * 1024,
        "{bytes} bytes of scripts even before compression"
    );
    for (name, source) in scripts {
        for banned in [
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
            "new Function",
            ".style",
            "http:",
        ] {
            assert!(!source.contains(banned), "{name} has {banned}");
        }
        let parses = source.contains("DOMParser") || source.contains("createPolicy");
        assert_eq!(parses, name == "swap.js", "{name}");
    }
    for (name, source) in crate::assets::sources(".css") {
        assert!(
            !source.contains("url(") && !source.contains("@import"),
            "{name}"
        );
    }
}
