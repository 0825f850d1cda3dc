//! Forty hostile texts in every text field that a page shows: they come out as text.

use event::Severity;
use store::UserRole;

use super::{Rig, every_page, now, seed};

/// Forty texts that have broken consoles, terminals and templates.
const PAYLOADS: [&str; 40] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</svg><script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "<style>*{display:none}</style>",
    "<base href=//attacker.example>",
    "<meta http-equiv=refresh content=0>",
    "<form action=//attacker.example><button>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--<script>",
    "-->",
    "<![CDATA[<script>]]>",
    "{{7*7}}",
    "{% include \"/etc/passwd\" %}",
    "${7*7}",
    "#{7*7}",
    "\u{1b}[2J\u{1b}[1;1H",
    "\u{1b}]8;;http://attacker.example\u{7}click\u{1b}]8;;\u{7}",
    "\u{1b}]52;c;cm0gLXJmIC8=\u{7}",
    "\u{9b}31mred",
    "\u{202e}gpj.exe",
    "\u{2066}isolate\u{2069}",
    "\u{200b}zero\u{200d}width\u{feff}",
    "\u{61c}\u{200e}\u{200f}",
    "nul\u{0}byte",
    "line\nbreak\r\nSet-Cookie: a=b",
    "tab\tand\u{8}backspace",
    "&lt;script&gt;&amp;",
    "&#x3c;script&#x3e;",
    "%3Cscript%3E",
    "\u{fffd}\u{fffe}\u{e0041}",
    "a' OR 1=1 --",
    "=cmd|' /C calc'!A0",
];

const TAGS: &str = " !doctype a article option select b bdi body button circle code dd details dialog div dl dt \
    em form h1 h2 h3 head header html i input kbd label li link main meta nav ol p path rect \
    script section select span strong summary svg table tbody td th thead time title tr ul ";

fn rig_with(payload: &str) -> Rig {
    let mut status = seed::status(now());
    status.node = payload.to_owned();
    status.version = payload.to_owned();
    status.actuator.state = payload.to_owned();
    for source in &mut status.sources {
        source.name = payload.to_owned();
    }
    for hop in &mut status.hops {
        hop.name = payload.to_owned();
    }
    let rig = Rig::new(status);
    let mut cases = seed::cases();
    for case in &mut cases {
        case.title = payload.to_owned();
        case.why = payload.to_owned();
        case.raw = format!("{payload}{}", "x".repeat(2_000));
        case.words = Some(payload.to_owned());
        case.severity = Severity::Critical;
    }
    seed::fill(rig.store.as_ref(), &cases, now()).unwrap();
    rig
}

#[tokio::test]
async fn hostile_text_is_text_on_every_page() {
    for payload in PAYLOADS {
        let rig = rig_with(payload);
        let person = rig.person(UserRole::Admin);
        for path in every_page() {
            let answer = person.get(&path).await;
            assert_eq!(answer.status, 200, "{path} {payload:?}");
            assert_plain(&answer.body, &path, payload);
        }
    }
}

#[tokio::test]
async fn what_the_attacker_wrote_can_still_be_read() {
    let rig = rig_with("<script>\u{202e}\u{1b}[2J</script>");
    let person = rig.person(UserRole::Admin);
    for path in ["/", "/approvals", "/incidents", "/health"] {
        let body = person.get(path).await.body;
        let shown = "&#60;script&#62;⟦U+202E⟧␛[2J&#60;/script&#62;";
        assert!(body.contains(shown), "{path}");
    }
    let path = format!("/incidents/{}", seed::incident_id("spray"));
    let body = person.get(&path).await.body;
    assert!(
        body.contains("more)"),
        "the long record is cut and the rest counted"
    );
}

#[tokio::test]
async fn hostile_text_is_text_at_the_door() {
    for payload in PAYLOADS {
        let rig = Rig::seeded();
        rig.account("ana", UserRole::Viewer);
        let encoded = crate::auth::encoded(payload);
        let form = format!("name={encoded}&password=x&next={encoded}");
        let answer = rig.post("/login", &form).await;
        assert_plain(&answer.body, "/login", payload);
        let answer = rig.get(&format!("/login?next={encoded}")).await;
        assert_plain(&answer.body, "/login", payload);
    }
}

/// Only our own tags, no handler, no inline style, nothing that turns or hides text.
fn assert_plain(body: &str, path: &str, payload: &str) {
    let odd = body.chars().find(|character| {
        let code = u32::from(*character);
        let control = character.is_control() && *character != '\n';
        control
            || matches!(code, 0x061C | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2069 | 0xFEFF)
    });
    assert_eq!(odd, None, "{path} {payload:?}");
    for piece in body.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        let name = tag.trim_start_matches('/').split([' ', '\n']).next();
        let name = format!(" {} ", name.unwrap_or_default());
        assert!(TAGS.contains(&name), "{path} {payload:?}: <{tag}>");
        let scripted = name == " script " && !tag.starts_with('/');
        assert!(
            !scripted || tag.contains("src=\"/_a/boot."),
            "{path}: <{tag}>"
        );
        for attribute in attributes(tag) {
            let bad = attribute.starts_with("on") || attribute == "style" || attribute == "srcdoc";
            assert!(!bad, "{path} {payload:?}: <{tag}>");
        }
    }
}

/// The names of a tag's attributes: what stands outside of its double quotes.
fn attributes(tag: &str) -> Vec<String> {
    let outside = tag.split('"').step_by(2);
    let words = outside.flat_map(|text| text.split_whitespace());
    words
        .map(|word| word.trim_end_matches('=').to_owned())
        .collect()
}

#[test]
fn the_check_itself_sees_what_it_looks_for() {
    for bad in [
        "<img src=x>",
        "<b onclick=\"x\">",
        "<p style=\"x\">",
        "a\u{202e}b",
        "<script>",
    ] {
        let caught = std::panic::catch_unwind(|| assert_plain(bad, "-", "-"));
        assert!(caught.is_err(), "{bad}");
    }
}
