//! The served style sheet and scripts: embedded, named by the hash of their content, immutable.
//!
//! Modules import one another as `./name.js`; the import is rewritten to the hashed name, so a
//! changed module changes the name of everything that uses it. Nothing is built or minified.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Where assets live.
pub(crate) const PREFIX: &str = "/_a/";

/// The sources in order of dependency: a module stands below everything that it imports.
const SOURCES: [(&str, &str); 7] = [
    ("console.css", include_str!("../ui/console.css")),
    ("time.js", include_str!("../ui/time.js")),
    ("swap.js", include_str!("../ui/swap.js")),
    ("decide.js", include_str!("../ui/decide.js")),
    ("keys.js", include_str!("../ui/keys.js")),
    ("live.js", include_str!("../ui/live.js")),
    ("boot.js", include_str!("../ui/boot.js")),
];

static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::load);

/// The address of an asset by its plain name.
pub(crate) fn href(name: &str) -> String {
    let hashed = ASSETS.names.get(name).map_or(name, String::as_str);
    format!("{PREFIX}{hashed}")
}

/// Answers a request for the asset of a hashed name.
pub(crate) fn answer(hashed: &str, request: &HeaderMap) -> Response {
    ASSETS.answer(hashed, request)
}

/// All assets, by hashed name.
#[derive(Debug)]
struct Assets {
    files: BTreeMap<String, Asset>,
    names: BTreeMap<&'static str, String>,
}

#[derive(Debug)]
struct Asset {
    content: String,
    kind: &'static str,
    etag: HeaderValue,
}

impl Assets {
    /// Hashes and links the sources.
    fn load() -> Self {
        let mut assets = Self {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for (name, source) in SOURCES {
            assets.add(name, source);
        }
        assets
    }

    fn add(&mut self, name: &'static str, source: &str) {
        let mut content = source.to_owned();
        for (imported, hashed) in &self.names {
            content = content.replace(&format!("\"./{imported}\""), &format!("\"./{hashed}\""));
        }
        let hash = blake3::hash(content.as_bytes()).to_hex();
        let short = hash.as_str().get(..16).unwrap_or_default();
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let hashed = format!("{stem}.{short}.{extension}");
        let etag = HeaderValue::from_str(&format!("\"{short}\""));
        let asset = Asset {
            content,
            kind: kind_of(extension),
            etag: etag.unwrap_or(HeaderValue::from_static("\"\"")),
        };
        self.files.insert(hashed.clone(), asset);
        self.names.insert(name, hashed);
    }

    fn answer(&self, hashed: &str, request: &HeaderMap) -> Response {
        let Some(asset) = self.files.get(hashed) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let headers = [
            (header::ETAG, asset.etag.clone()),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            ),
            (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        ];
        if request.get(header::IF_NONE_MATCH) == Some(&asset.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, asset.content.clone()).into_response()
    }
}

/// The sources whose name ends in `ending`, for tests of weight and content.
#[cfg(test)]
pub(crate) fn sources(ending: &str) -> Vec<(&'static str, &'static str)> {
    let wanted = SOURCES.iter().filter(|(name, _)| name.ends_with(ending));
    wanted.copied().collect()
}

fn kind_of(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    }
}
