//! `options` of a container: the options of `docker create`, mapped onto the Engine API.

mod device;
mod mount;
mod table;
mod values;

use super::draft::Draft;
use crate::shell::split;
use table::Setter;

/// Reads options into a container, split as GitHub splits them, but that the ends of lines separate too. The error is a sentence that
/// names the option.
pub(super) fn apply(draft: &mut Draft, text: &str) -> Result<(), String> {
    let (words, open) = split(text, char::is_whitespace);
    if open {
        return Err("a double quote is not closed".to_owned());
    }
    // Whoever writes them for a shell learns of it by what is left of their values.
    let quoted = words.iter().any(|word| word.starts_with('\'') && !word.ends_with('\''));
    each(draft, words).map_err(|why| {
        let hint = "; single quotes keep nothing together here, as on GitHub: write double quotes";
        if quoted { why + hint } else { why }
    })
}

fn each(draft: &mut Draft, words: Vec<String>) -> Result<(), String> {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            one(draft, &format!("--{name}"), value, &mut words)?;
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            shorts(draft, short, &mut words)?;
        } else {
            return Err(format!(
                "{word:?} is no option; the image and the command have keys of their own, and a value with blanks needs quotes"
            ));
        }
    }
    Ok(())
}

/// Short options: `-it`, `-e A=b`, `-eA=b`, `-e=A=b`.
fn shorts(draft: &mut Draft, text: &str, words: &mut impl Iterator<Item = String>) -> Result<(), String> {
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let name = format!("-{letter}");
        rest = &rest[letter.len_utf8()..];
        if matches!(table::find(&name)?, Setter::Flag(_)) && !rest.starts_with('=') {
            one(draft, &name, None, words)?;
            continue;
        }
        let value = rest.strip_prefix('=').unwrap_or(rest);
        return one(draft, &name, (!rest.is_empty()).then(|| value.to_owned()), words);
    }
    Ok(())
}

fn one(
    draft: &mut Draft,
    name: &str,
    value: Option<String>,
    words: &mut impl Iterator<Item = String>,
) -> Result<(), String> {
    let outcome = match table::find(name)? {
        Setter::Flag(set) => {
            let on = value.map_or(Ok(true), |value| values::truth(&value));
            on.and_then(|on| set(draft, on))
        }
        Setter::Value(set) => {
            let value = value.or_else(|| words.next()).ok_or_else(|| format!("{name} needs a value"))?;
            set(draft, &value)
        }
    };
    outcome.map_err(|why| format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::HealthConfig;
    use proptest::prelude::*;

    fn read(text: &str) -> Draft {
        let mut draft = Draft::default();
        apply(&mut draft, text).unwrap_or_else(|why| panic!("{text}: {why}"));
        draft
    }

    #[test]
    fn the_health_checks_of_real_workflows_are_read() {
        let text = "--health-cmd \"pg_isready -U postgres\" --health-interval 10s --health-timeout=5s\n  --health-retries 5";
        let health = HealthConfig {
            test: Some(vec!["CMD-SHELL".to_owned(), "pg_isready -U postgres".to_owned()]),
            interval: Some(10_000_000_000),
            timeout: Some(5_000_000_000),
            retries: Some(5),
            ..HealthConfig::default()
        };
        assert_eq!(read(text).health, Some(health));
        assert_eq!(
            read("--no-healthcheck").health.and_then(|health| health.test),
            Some(vec!["NONE".to_owned()])
        );
    }

    #[test]
    fn options_are_split_as_github_splits_them() {
        let draft = read(
            r#"-e A=a\"b -e "B=two words" -e C=it's -e D="q r" -e E='q' -e F=a\b --label "x=\"y z\"" --health-cmd 'true'"#,
        );
        let env: Vec<_> = draft.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["A=a\"b", "B=two words", "C=it's", "D=q r", "E='q'", r"F=a\b"]);
        assert_eq!(draft.labels.get("x").map(String::as_str), Some("\"y z\""));
        let test = draft.health.and_then(|health| health.test).unwrap_or_default();
        assert_eq!(test, ["CMD-SHELL", "'true'"]);
    }

    #[test]
    fn options_reach_the_fields_of_the_api() {
        let draft = read(
            "--cpus 1.5 -m 512m --memory-swap=-1 --user 1001:1001 --privileged --init -it -eA=b -e C=d --hostname h \
             --add-host db:10.0.0.1 --cap-add SYS_PTRACE --cap-drop ALL --shm-size 2gb --tmpfs /run:rw,size=1m \
             --ulimit nofile=1024:2048 --label x=y -p 8080:80 --network-alias other --dns 1.1.1.1 --read-only=false \
             --security-opt seccomp=unconfined --device /dev/fuse --restart on-failure:3 --gpus all --name mine \
             --mount type=tmpfs,target=/t --pull always --stop-timeout 3 --sysctl net.ipv4.ip_forward=1",
        );
        assert_eq!(draft.host.nano_cpus, Some(1_500_000_000));
        assert_eq!((draft.host.memory, draft.host.memory_swap), (Some(512 << 20), Some(-1)));
        assert_eq!(draft.body.user.as_deref(), Some("1001:1001"));
        assert_eq!((draft.body.tty, draft.body.open_stdin), (Some(true), Some(true)));
        assert_eq!(draft.env.get("C").map(String::as_str), Some("d"));
        assert_eq!(draft.host.extra_hosts, Some(vec!["db:10.0.0.1".to_owned()]));
        assert_eq!((draft.host.shm_size, draft.host.readonly_rootfs), (Some(2 << 30), Some(false)));
        assert_eq!(draft.ports[0].host, Some(8080));
        assert_eq!((draft.aliases, draft.name), (vec!["other".to_owned()], Some("mine".to_owned())));
        assert_eq!(draft.pull, super::super::draft::Pull::Always);
        assert_eq!(draft.host.mounts.map(|mounts| mounts.len()), Some(1));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let check = |text: &str, part: &str| {
            let why = apply(&mut Draft::default(), text).expect_err(text);
            assert!(why.contains(part), "{why} lacks {part}");
        };
        check("--network host", "--network");
        check("--net=x", "--net");
        check("--no-such 1", "--no-such is no option of docker create");
        check("--helth-cmd x", "did you mean --health-cmd");
        check("--health-interval soon", "--health-interval: \"soon\" is no length of time");
        check("--memory", "--memory needs a value");
        check("ubuntu", "\"ubuntu\" is no option");
        check("--health-cmd \"x", "a double quote is not closed");
        check("--health-cmd 'pg_isready -U me'", "-U is no option of docker create");
        check("--health-cmd 'pg_isready -U me'", "single quotes keep nothing together here");
        check("-z", "-z is no option");
        check("--env-file x", "--env-file");
        check("--privileged=maybe", "neither true nor false");
    }

    proptest! {
        #[test]
        fn never_panics(words in prop::collection::vec(prop::sample::select(vec![
            "-e", "-it", "-m", "--memory", "--mount", "type=bind", "--ulimit", "=", "-", "--", "--=", "x=y", "\"", "-p", "1:2",
            "--gpus", "all", "--device", "/a:/b:c", "--restart", "--health-cmd", "-µ", "--tmpfs", ":", "-v", "--add-host",
        ]), 0..8)) {
            let _ = apply(&mut Draft::default(), &words.join(" "));
        }
    }
}
