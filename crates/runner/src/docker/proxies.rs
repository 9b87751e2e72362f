//! The proxies that containers are to use, from `proxies` in Docker's `config.json`, as the `docker` command hands them on.

use super::draft::Draft;
use std::{collections::BTreeMap, fs, path::Path};

/// The fields of an entry, and the variables that they become.
const FIELDS: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

/// What the folder of `config.json` says of the engine with this address, or else of all: variables, in capitals and in small letters.
pub(super) fn configured(config: &Path, address: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(config.join("config.json")).unwrap_or_default();
    parse(&text, address).unwrap_or_default()
}

fn parse(text: &str, address: &str) -> Option<BTreeMap<String, String>> {
    let config: serde_json::Value = serde_json::from_str(text).ok()?;
    let proxies = config.get("proxies")?;
    let entry = proxies.get(address).or_else(|| proxies.get("default"))?;
    let mut variables = BTreeMap::new();
    for (field, name) in FIELDS {
        if let Some(value) =
            entry.get(field).and_then(|value| value.as_str()).filter(|value| !value.is_empty())
        {
            variables.insert(name.to_owned(), value.to_owned());
            variables.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    Some(variables)
}

/// Adds them to the environment of a container that has a say of its own in each.
pub(super) fn add(proxies: &BTreeMap<String, String>, draft: &mut Draft) {
    for (name, value) in proxies.iter().filter(|(name, _)| !draft.without.contains(*name)) {
        draft.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_entry_of_the_engine_counts_before_that_of_all() {
        let text = r#"{"auths": {}, "proxies": {
            "default": {"httpProxy": "http://p:1", "noProxy": "a,b", "ftpProxy": ""},
            "unix:///other.sock": {"allProxy": "socks5://q"}}}"#;
        let pairs = |address| {
            let found = parse(text, address).unwrap_or_default();
            found.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let default = ["HTTP_PROXY=http://p:1", "NO_PROXY=a,b", "http_proxy=http://p:1", "no_proxy=a,b"];
        assert_eq!(pairs("unix:///var/run/docker.sock"), default);
        assert_eq!(pairs("unix:///other.sock"), ["ALL_PROXY=socks5://q", "all_proxy=socks5://q"]);
        for nothing in ["", "[]", "{}", r#"{"proxies": {}}"#, r#"{"proxies": {"default": 1}}"#] {
            assert!(parse(nothing, "x").unwrap_or_default().is_empty(), "{nothing}");
        }
        let env = BTreeMap::from([("http_proxy".to_owned(), String::new())]);
        let mut draft = Draft { env, ..Draft::default() };
        add(&parse(text, "x").unwrap_or_default(), &mut draft);
        let env = draft.env;
        assert_eq!((env.len(), env["http_proxy"].as_str(), env["NO_PROXY"].as_str()), (4, "", "a,b"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = parse(&text, "a");
        }
    }
}
