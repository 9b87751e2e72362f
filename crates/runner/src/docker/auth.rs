//! What `docker login` stored for a registry, in the `auths` of `config.json`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{fs, path::Path};

/// User name and password for a registry; an empty host is the default registry. Credential helpers are programs, and are
/// not asked.
pub(super) fn stored(config: &Path, host: &str) -> Option<(String, String)> {
    parse(&fs::read_to_string(config.join("config.json")).ok()?, host)
}

fn parse(text: &str, host: &str) -> Option<(String, String)> {
    const HUB: [&str; 3] = ["https://index.docker.io/v1/", "index.docker.io", "docker.io"];
    let config: serde_json::Value = serde_json::from_str(text).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let bare = |key: &str| {
        let key = key.split_once("://").map_or(key, |(_, rest)| rest);
        key.split('/').next().unwrap_or_default().to_owned()
    };
    let matches = |key: &str| if host.is_empty() { HUB.contains(&key) } else { bare(key) == host };
    let (_, entry) = auths.iter().find(|(key, _)| matches(key))?;
    let auth = STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
    let (user, password) = std::str::from_utf8(&auth).ok()?.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn logins_are_found_by_the_host() {
        let text = format!(
            r#"{{"auths": {{"ghcr.io": {{"auth": "{}"}}, "https://index.docker.io/v1/": {{"auth": "{}"}}, "x.y": {{}}}}}}"#,
            STANDARD.encode("me:a:b"),
            STANDARD.encode("you:c"),
        );
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(parse(&text, "ghcr.io"), pair("me", "a:b"));
        assert_eq!(parse(&text, ""), pair("you", "c"));
        assert_eq!(parse(&text, "x.y"), None);
        assert_eq!(parse(&text, "other"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = parse(&text, "a");
        }
    }
}
