//! Proxies that a workflow or a container sets. On GitHub the services for actions are reached through them; here they are on this
//! machine, where no proxy finds them, so clients are told to go past it for that one host.

use std::collections::BTreeMap;

const PROXIES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// The addresses of the services, by which their host is known.
const SERVICES: [&str; 2] = ["ACTIONS_RESULTS_URL", "ACTIONS_ID_TOKEN_REQUEST_URL"];

/// Adds the host of the services to the exceptions of an environment that has a proxy. Exceptions that are there are kept.
pub(crate) fn go_past(env: &mut BTreeMap<String, String>) {
    let is_set = |env: &BTreeMap<String, String>, name| env.get(name).is_some_and(|text| !text.is_empty());
    if !PROXIES.iter().any(|name| is_set(env, *name)) {
        return;
    }
    let host = SERVICES.iter().find_map(|name| host_of(env.get(*name)?));
    let Some(host) = host.map(str::to_owned) else { return };
    // Programs differ in which of the two they read first, so one that is not there stays away while the other is.
    let any = EXCEPTIONS.iter().any(|name| is_set(env, *name));
    for name in EXCEPTIONS {
        if any && !is_set(env, name) {
            continue;
        }
        let list = env.entry(name.to_owned()).or_default();
        if list.split(',').any(|known| [&*host, "*"].contains(&known.trim())) {
            continue;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&host);
    }
}

/// The host of an address, in brackets where it is one of version 6.
fn host_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let rest = rest.split(['/', '?']).next()?;
    let end = if rest.starts_with('[') { rest.find(']')? + 1 } else { rest.find(':').unwrap_or(rest.len()) };
    rest.get(..end).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_are_reached_past_a_proxy() {
        let check = |given: &[(&str, &str)], no_proxy: Option<&str>, capitals: Option<&str>| {
            let mut env: BTreeMap<String, String> =
                given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            for _ in 0..2 {
                go_past(&mut env);
            }
            let found = EXCEPTIONS.map(|name| env.get(name).map(String::as_str));
            assert_eq!(found, [no_proxy, capitals], "{given:?}");
        };
        let results = ("ACTIONS_RESULTS_URL", "http://127.0.0.1:80/");
        let proxy = ("HTTPS_PROXY", "http://p:1");
        check(&[results, proxy], Some("127.0.0.1"), Some("127.0.0.1"));
        check(&[results, proxy, ("no_proxy", "a, b")], Some("a, b,127.0.0.1"), None);
        check(&[results, proxy, ("NO_PROXY", "127.0.0.1")], None, Some("127.0.0.1"));
        check(&[results, proxy, ("NO_PROXY", "*"), ("no_proxy", "")], Some(""), Some("*"));
        check(&[results, ("http_proxy", "")], None, None);
        check(&[results], None, None);
        check(&[proxy], None, None);
        let token = ("ACTIONS_ID_TOKEN_REQUEST_URL", "http://[::1]:7/oidc?x=a:b");
        check(&[token, ("all_proxy", "q")], Some("[::1]"), Some("[::1]"));
        check(&[("ACTIONS_RESULTS_URL", "x"), proxy], None, None);
    }
}
