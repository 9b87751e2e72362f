//! Heads of requests and answers on their way through: what belongs to one connection only stays behind.

use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{
        CONNECTION, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE,
    },
    http::{request, response, uri::PathAndQuery},
};
use std::borrow::Cow;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The host that a request names, in its plain form: lower case, without port. Only HTTP/1.0 may name none.
pub(crate) fn plain_host<'a>(
    version: Version,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<Cow<'a, str>, &'static str> {
    let mut named = headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err("the request has more than one Host header");
    }
    // An absolute target wins over the header (RFC 9112, 3.2.2).
    let host = match (uri.authority(), header) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(value)) => value.to_str().map_err(|_| "the Host header is not plain text")?,
        (None, None) if version == Version::HTTP_10 => "",
        (None, None) => return Err("the request has no Host header"),
    };
    if host.contains('@') {
        return Err("the request's host carries user information");
    }
    let port = host.rfind(':').filter(|colon| !host[*colon..].contains(']'));
    let host = port.map_or(host, |colon| &host[..colon]);
    let plain = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(if plain { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

/// Whether a request asks to turn its connection into something else.
pub(crate) fn is_upgrade(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && headers.contains_key(UPGRADE) && has_token(headers, &CONNECTION, "upgrade")
}

/// Whether a request may be sent again when nobody knows what became of it: it changes nothing by its meaning.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// Makes a client's request head into the one that an instance gets.
pub(crate) fn to_instance(head: &mut request::Parts, forwarded_for: &HeaderValue, upgrade: bool) {
    let authority = head.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = authority {
        head.headers.insert(HOST, host);
    }
    // Instances get the path only, as any server does; `OPTIONS *` keeps its star.
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        head.uri = Uri::from(path);
    }
    head.version = Version::HTTP_11;
    let trailers = has_token(&head.headers, &TE, "trailers");
    strip(&mut head.headers, upgrade);
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    join(&mut head.headers, COOKIE, b"; ");
    head.headers.append(FORWARDED_FOR, forwarded_for.clone());
    join(&mut head.headers, FORWARDED_FOR, b", ");
    head.headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = head.headers.get(HOST).cloned() {
        head.headers.entry(FORWARDED_HOST).or_insert(host);
    }
}

/// Makes an instance's answer head into the one that the client gets.
pub(crate) fn to_client(head: &mut response::Parts, upgrade: bool) {
    head.version = Version::HTTP_11;
    strip(&mut head.headers, upgrade);
}

/// Removes what concerns one connection only (RFC 9110, 7.6.1), including what `Connection` names. Of an upgrade the
/// two headers that make it stay.
fn strip(headers: &mut HeaderMap, upgrade: bool) {
    let mut found = [false; OF_CONNECTION.len()];
    for name in headers.keys() {
        if let Some(place) = OF_CONNECTION.iter().position(|known| known == name) {
            found[place] = true;
        }
    }
    let kept = upgrade.then(|| headers.get(UPGRADE).cloned()).flatten();
    if found[0] {
        join(headers, CONNECTION, b",");
        let named = headers.remove(CONNECTION);
        let named = named.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        let names = named.split(|byte| *byte == b',').filter_map(|name| str::from_utf8(name).ok());
        for name in names.map(str::trim).filter(|name| !is_end_to_end(name)) {
            // Almost every `Connection` says this, and almost never is there such a header, which goes below anyway.
            if !name.eq_ignore_ascii_case("keep-alive") {
                headers.remove(name);
            }
        }
    }
    for (name, found) in OF_CONNECTION.iter().zip(found) {
        if found {
            headers.remove(name);
        }
    }
    if let Some(protocol) = kept {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Headers of one connection; `Connection`, which may name more, is the first. `Expect` is answered by the router itself:
/// it sends `100 Continue` when the instance begins to read the body.
static OF_CONNECTION: [HeaderName; 8] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, EXPECT, PROXY_AUTHORIZATION, KEEP_ALIVE, PROXY_CONNECTION];

/// Headers that a `Connection` header may not take away: a client could hide from the instance what frames or names
/// its request.
fn is_end_to_end(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "host",
        "content-length",
        "cookie",
        "authorization",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name))
}

/// Makes several lines of a header one. HTTP/2 clients may send cookies one by one; HTTP/1.1 knows one header only
/// (RFC 9113, 8.2.3).
fn join(headers: &mut HeaderMap, name: HeaderName, between: &[u8]) {
    if headers.get_all(&name).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<_> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(between)) {
        headers.insert(name, joined);
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;
    use proptest::{collection::vec, prelude::*};

    fn request(target: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut builder = Request::builder().uri(target);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn hosts_in_their_plain_form() {
        let check = |target: &str, hosts: &[&str], expect: Result<&str, ()>| {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            let head = request(target, &headers);
            let found = plain_host(Version::HTTP_11, &head.uri, &head.headers);
            assert_eq!(
                found.map_err(drop).as_deref(),
                expect.as_ref().copied().map_err(|()| &()),
                "{target} {hosts:?}"
            );
        };
        check("/", &["web.localhost"], Ok("web.localhost"));
        check("/", &["WEB.Localhost:8080"], Ok("web.localhost"));
        check("/", &["[::1]:80"], Ok("[::1]"));
        check("/", &["[2001:DB8::1]"], Ok("[2001:db8::1]"));
        check("http://one/", &["two"], Ok("one"));
        check("/", &[""], Ok(""));
        check("/", &[], Err(()));
        check("/", &["a", "a"], Err(()));
        check("/", &["user@a"], Err(()));
        let old = request("/", &[]);
        assert_eq!(plain_host(Version::HTTP_10, &old.uri, &old.headers).as_deref(), Ok(""));
    }

    #[test]
    fn upgrades_are_asked_for_in_two_headers() {
        let check = |version, headers: &[(&str, &str)], expect| {
            assert_eq!(is_upgrade(version, &request("/", headers).headers), expect, "{headers:?}");
        };
        let both = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        check(Version::HTTP_11, &both, true);
        check(Version::HTTP_10, &both, false);
        check(Version::HTTP_11, &both[..1], false);
        check(Version::HTTP_11, &both[1..], false);
    }

    #[test]
    fn absolute_targets_become_paths() {
        let check = |target: &str, expect: &str, host: Option<&str>| {
            let mut head = request(target, &[]);
            to_instance(&mut head, &HeaderValue::from_static("192.0.2.1"), false);
            assert_eq!(head.uri.to_string(), expect, "{target}");
            assert_eq!(head.headers.get(HOST).and_then(|host| host.to_str().ok()), host, "{target}");
        };
        check("http://web.localhost:80/a?b=c", "/a?b=c", Some("web.localhost:80"));
        check("http://web.localhost", "/", Some("web.localhost"));
        check("/a?b", "/a?b", None);
        check("*", "*", None);
    }

    /// The reference: a header passes unless it is one of the eight or named by `Connection`, those kept excepted.
    fn passes(name: &str, named: &[String]) -> bool {
        const NEVER: [&str; 8] = [
            "connection",
            "transfer-encoding",
            "upgrade",
            "te",
            "expect",
            "proxy-authorization",
            "keep-alive",
            "proxy-connection",
        ];
        !NEVER.contains(&name) && (is_end_to_end(name) || !named.iter().any(|other| other == name))
    }

    proptest! {
        #[test]
        fn strips_what_the_reference_strips(
            names in vec("(connection|keep-alive|te|expect|upgrade|host|cookie|x-[a-c]|content-length)", 0..10),
            named in vec("(x-[a-c]|host|cookie|close|content-length|keep-alive)", 0..4),
        ) {
            let mut headers = HeaderMap::new();
            for name in &names {
                headers.append(HeaderName::try_from(name.as_str()).expect("a name"), HeaderValue::from_static("1"));
            }
            let line = HeaderValue::try_from(named.join(" , ")).expect("a value");
            headers.append(CONNECTION, line);
            strip(&mut headers, false);
            let mut expect: Vec<_> = names.iter().filter(|name| passes(name, &named)).cloned().collect();
            expect.sort_unstable();
            let mut found: Vec<_> = headers.iter().map(|(name, _)| name.as_str().to_owned()).collect();
            found.sort_unstable();
            prop_assert_eq!(found, expect);
        }

        #[test]
        fn no_connection_header_can_panic(line: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.insert(CONNECTION, value);
                strip(&mut headers, true);
                prop_assert!(headers.is_empty());
            }
        }
    }
}
