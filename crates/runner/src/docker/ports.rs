//! Ports as `docker create -p` takes them and as `docker port` tells them.

use std::collections::BTreeMap;

/// More ports than this in one range are a mistake.
const MAX_RANGE: u32 = 1_000;

/// A port of a container that is reached through one of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// The port in the container.
    pub(super) container: u16,
    /// `tcp`, `udp` or `sctp`.
    pub(super) protocol: String,
    /// The address of the machine it listens at, as written.
    pub(super) address: Option<String>,
    /// The port of the machine; any free one when there is none.
    pub(super) host: Option<u16>,
}

impl Port {
    /// `80/tcp`.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.container, self.protocol)
    }
}

/// Reads `[[address:][port]:]port[/protocol]`, where ports may be ranges such as `8000-8010`. The error continues a sentence.
pub(super) fn parse(text: &str) -> Result<Vec<Port>, String> {
    let text = text.trim();
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("{protocol:?} is no protocol; there are tcp, udp and sctp"));
    }
    let (front, container) = match rest.rsplit_once(':') {
        Some((front, container)) => (Some(front), container),
        None => (None, rest),
    };
    let (address, host) = match front {
        None => (None, None),
        Some(front) => match front.rsplit_once(':') {
            Some((address, host)) => (Some(bare_address(address)?), Some(host)),
            None => (None, Some(front)),
        },
    };
    let (first, last) = range(container)?;
    if first == 0 {
        return Err("port 0 of a container cannot be reached".to_owned());
    }
    let hosts = host.filter(|host| !host.is_empty()).map(range).transpose()?;
    let count = u32::from(last) - u32::from(first) + 1;
    if count > MAX_RANGE {
        return Err(format!("a range may have {MAX_RANGE} ports and has {count}"));
    }
    if hosts.is_some_and(|(from, to)| u32::from(to) - u32::from(from) + 1 != count) {
        return Err("the ranges differ in length".to_owned());
    }
    let port = |number: u16| Port {
        container: number,
        protocol: protocol.clone(),
        address: address.clone(),
        host: hosts.map(|(from, _)| from + (number - first)).filter(|host| *host != 0),
    };
    Ok((first..=last).map(port).collect())
}

fn bare_address(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("{text:?} is no address of the machine")),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is no port"));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first > last { Err(format!("the range {text} goes backwards")) } else { Ok((first, last)) }
}

/// The `ports` of a service in the `job` context: the port in the container to the port of the machine. As on GitHub a
/// protocol is not told, and of several addresses the last one counts.
pub(super) fn context(ports: &[(String, u16)]) -> BTreeMap<String, String> {
    let number = |key: &str| key.split('/').next().unwrap_or_default().to_owned();
    ports.iter().map(|(key, host)| (number(key), host.to_string())).collect()
}

/// A line of `docker port`: `80/tcp -> 0.0.0.0:32881` gives the port, the protocol and the port of the machine. It is how GitHub's runner
/// learns what the engine's own answer says here.
#[cfg(test)]
fn parse_line(line: &str) -> Option<(u16, String, u16)> {
    let (container, host) = line.split_once(" -> ")?;
    let (port, protocol) = container.split_once('/')?;
    let (address, host) = host.rsplit_once(':')?;
    let numbers = (port.parse().ok()?, host.parse().ok()?);
    (!address.is_empty() && !protocol.is_empty()).then(|| (numbers.0, protocol.to_owned(), numbers.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &[(u16, &str, Option<&str>, Option<u16>)]) {
        let found = parse(text).expect(text);
        let found: Vec<_> = found
            .iter()
            .map(|port| (port.container, port.protocol.as_str(), port.address.as_deref(), port.host))
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        check("80", &[(80, "tcp", None, None)]);
        check("8080:80", &[(80, "tcp", None, Some(8080))]);
        check("8080:53/UDP", &[(53, "udp", None, Some(8080))]);
        check("127.0.0.1:8080:80", &[(80, "tcp", Some("127.0.0.1"), Some(8080))]);
        check("127.0.0.1::80", &[(80, "tcp", Some("127.0.0.1"), None)]);
        check("[::1]:81:80", &[(80, "tcp", Some("::1"), Some(81))]);
        check("90-91:80-81", &[(80, "tcp", None, Some(90)), (81, "tcp", None, Some(91))]);
        check("0:80", &[(80, "tcp", None, None)]);
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in ["", "x", "80/icmp", "70000", "0", "5-3", "1-2:3", "host:1:2", "1-65535", "-1", "80:"] {
            parse(text).expect_err(text);
        }
    }

    #[test]
    fn conformance_docker_port_output() {
        crate::conformance::run_file("docker-port-output.json", |input, expect| {
            let lines = input["lines"].as_array()?.iter().filter_map(|line| line.as_str());
            let found: Vec<serde_json::Value> = lines
                .filter_map(parse_line)
                .map(|(port, protocol, host)| {
                    serde_json::json!({"container_port": port.to_string(), "protocol": protocol, "host_port": host.to_string()})
                })
                .collect();
            let expect = expect["ports"].as_array()?;
            Some(if found == *expect { Ok(()) } else { Err(format!("{found:?} instead of {expect:?}")) })
        });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(container in 1_u16.., host in prop::option::of(1_u16..), udp: bool) {
            let protocol = if udp { "udp" } else { "tcp" };
            let front = host.map(|host| format!("{host}:")).unwrap_or_default();
            let found = parse(&format!("{front}{container}/{protocol}")).expect("a port");
            prop_assert_eq!(found, vec![Port { container, protocol: protocol.to_owned(), address: None, host }]);
        }

        #[test]
        fn never_panics(text in "[0-9a:/\\[\\]. -]{0,16}") {
            let _ = parse(&text);
        }
    }
}
