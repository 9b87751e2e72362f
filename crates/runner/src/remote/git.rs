//! The `git` that fetches actions: no hooks, no prompt, nothing of anybody's configuration. Other machines are asked with the
//! configuration of whoever runs this, when he lends it: his proxies, certificates, rewritten addresses and credentials. What
//! has come is read without it again, since a repository could make the programs run that it names, such as filters.

use crate::error::{ErrorKind, RunnerError};
use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};
use tokio::{io::AsyncReadExt as _, process::Command, sync::OnceCell, time};

/// As long may one git take.
const LIMIT: Duration = Duration::from_secs(600);
/// As much is taken of what it says, in bytes: enough for the names of a million files.
const MOST: u64 = 256 * 1024 * 1024;

/// Settings of every git; a server that sends nothing for half a minute is given up.
const SETTINGS: [&str; 10] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "safe.directory=*",
    // Ours is one, and somebody may have said that his are not to be used by the way.
    "safe.bareRepository=all",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
];

/// Where nobody lends his configuration there are no credentials either.
const NO_HELPER: &str = "credential.helper=";

/// What git may see of the environment.
const LENT: [&str; 9] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What of git's own variables is configuration. The others say which repository is meant, as in a hook that runs this.
const CONFIGURATION: [&str; 6] =
    ["GIT_CONFIG", "GIT_SSL_", "GIT_SSH", "GIT_PROXY_", "GIT_HTTP_", "GIT_ALLOW_PROTOCOL"];

/// What keeps git, and what it starts, from asking anybody.
const SILENCE: [(&str, &str); 5] = [
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "true"),
    ("GCM_INTERACTIVE", "never"),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("LC_ALL", "C.UTF-8"),
];

/// Starts git.
#[derive(Debug)]
pub(super) struct Git {
    env: BTreeMap<String, String>,
    lent: Option<Lent>,
}

/// The environment of somebody who lends his configuration.
#[derive(Debug)]
struct Lent {
    env: BTreeMap<String, String>,
    /// The ssh that asks nobody; it is what he has configured, unless that cannot be told so.
    ssh: OnceCell<Option<String>>,
}

/// What git answered.
#[derive(Debug)]
pub(super) struct Said {
    /// Whether it did what it was asked for.
    pub(super) ok: bool,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Said {
    /// Its answer.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Its answer as it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Why it failed, in one line, without a password that an address may hold.
    pub(super) fn why(&self) -> String {
        without_passwords(&cause(&String::from_utf8_lossy(&self.err)))
    }
}

/// Why git failed, among all that it said, in one line: the first cause that it names, one of the other side before its own, and
/// the last one, which may tell only what followed from the first.
pub(crate) fn cause(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let named = |line| str::strip_prefix(line, "fatal: ").or_else(|| line.strip_prefix("error: "));
    let there = lines().filter_map(|line| line.strip_prefix("remote: ")).find_map(|line| named(line.trim()));
    let mut here = lines().filter_map(named);
    let first = there.or_else(|| here.next()).or_else(|| lines().next_back()).unwrap_or("git says nothing");
    match here.next_back().filter(|last| *last != first) {
        Some(last) => format!("{first}; {last}"),
        None => first.to_owned(),
    }
}

/// The text with `https://user:password@host` as `https://host`.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace());
        let authority = &after[..end.unwrap_or(after.len())];
        rest = authority.rfind('@').map_or(after, |at| &after[at + 1..]);
    }
    out.push_str(rest);
    out
}

impl Git {
    pub(super) fn new(host_env: &BTreeMap<String, String>) -> Git {
        let lent = LENT.iter().filter_map(|name| Some(((*name).to_owned(), host_env.get(*name)?.clone())));
        let mut env: BTreeMap<String, String> = lent.collect();
        with_path(&mut env);
        let closed =
            [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")];
        for (name, value) in SILENCE.into_iter().chain(closed) {
            env.insert(name.to_owned(), value.to_owned());
        }
        Git { env, lent: None }
    }

    /// Asks other machines as whoever has this environment would.
    pub(super) fn lend(&mut self, environment: &BTreeMap<String, String>) {
        let is_lent = |name: &str| {
            !name.starts_with("GIT_") || CONFIGURATION.iter().any(|known| name.starts_with(known))
        };
        let lent = environment.iter().filter(|(name, _)| is_lent(name) && *name != "SSH_ASKPASS");
        let mut env: BTreeMap<String, String> =
            lent.map(|(name, value)| (name.clone(), value.clone())).collect();
        with_path(&mut env);
        env.extend(SILENCE.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self.lent = Some(Lent { env, ssh: OnceCell::new() });
    }

    /// Whether somebody lends his configuration.
    pub(super) fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// Runs git for something that is on another machine, in a folder whose own configuration is ours.
    pub(super) async fn ask_far(&self, folder: &Path, arguments: &[&str]) -> Result<Said, RunnerError> {
        let Some(lent) = &self.lent else { return self.ask(folder, arguments).await };
        let find = async || {
            let written = match lent.env.get("GIT_SSH_COMMAND") {
                Some(command) => Some(command.clone()),
                None if lent.env.contains_key("GIT_SSH") => return None,
                None => {
                    // It fails where nothing is set, or the configuration cannot be read, of which git tells below.
                    let said = run(&lent.env, &[], folder, &["config", "--get", "core.sshCommand"]).await;
                    said.ok().filter(|said| said.ok).map(|said| said.text().trim().to_owned())
                }
            };
            silent_ssh(written.as_deref())
        };
        let mut env = lent.env.clone();
        if let Some(command) = lent.ssh.get_or_init(find).await {
            env.insert("GIT_SSH_COMMAND".to_owned(), command.clone());
        }
        run(&env, &SETTINGS, folder, arguments).await
    }

    /// Runs git in a folder and takes its answer, without anybody's configuration.
    pub(super) async fn ask(&self, folder: &Path, arguments: &[&str]) -> Result<Said, RunnerError> {
        let settings = [SETTINGS.as_slice(), &[NO_HELPER]].concat();
        run(&self.env, &settings, folder, arguments).await
    }
}

fn with_path(env: &mut BTreeMap<String, String>) {
    env.entry("PATH".to_owned()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
}

/// The command line of an ssh that asks nobody, made from what is configured; `None` leaves that as it is, since it is a
/// program of another name.
fn silent_ssh(written: Option<&str>) -> Option<String> {
    let written = written.filter(|text| !text.is_empty()).unwrap_or("ssh");
    let program = written.split_whitespace().next().unwrap_or_default();
    (program.rsplit('/').next() == Some("ssh")).then(|| format!("{written} -o BatchMode=yes"))
}

/// Runs git in a folder and takes its answer. It ends when this future is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "fetching is no step of a job: it happens on this machine whatever the job runs in, and ends with its future"
)]
async fn run(
    env: &BTreeMap<String, String>,
    settings: &[&str],
    folder: &Path,
    arguments: &[&str],
) -> Result<Said, RunnerError> {
    let broken = |error: &dyn std::fmt::Display| {
        RunnerError::new(ErrorKind::ActionFetch, format!("git cannot be started: {error}"))
            .with_help("install git; actions of other repositories are fetched with it")
    };
    let mut command = Command::new("git");
    for setting in settings {
        command.args(["-c", setting]);
    }
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| broken(&error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = async {
        let read_out = async {
            if let Some(stdout) = stdout {
                stdout.take(MOST).read_to_end(&mut out).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let read_err = async {
            if let Some(stderr) = stderr {
                stderr.take(MOST).read_to_end(&mut err).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let (read, also) = tokio::join!(read_out, read_err);
        read.and(also)?;
        child.wait().await
    };
    let status = time::timeout(LIMIT, all)
        .await
        .map_err(|_| {
            let text =
                format!("git {} took longer than {}", arguments[0], shipway_base::human_duration(LIMIT));
            RunnerError::new(ErrorKind::ActionFetch, text)
        })?
        .map_err(|error| broken(&error))?;
    if out.len() as u64 == MOST {
        return Err(broken(&"it says more than 256 MiB"));
    }
    Ok(Said { ok: status.success(), out, err })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cause_is_what_git_names_first() {
        let check = |text: &str, expect: &str| assert_eq!(cause(text), expect, "{text:?}");
        check(
            "fatal: detected dubious ownership in repository at '/r/.git'\nTo add an exception, call:\n\n\tgit config\n\
             fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n\
             and the repository exists.\n",
            "detected dubious ownership in repository at '/r/.git'; Could not read from remote repository.",
        );
        check("warning: x\nerror: no such ref\nand more\n", "no such ref");
        check("error: RPC failed\nfatal: x\nfatal: early EOF\n", "RPC failed; early EOF");
        check("fatal: x\nfatal: x\n", "x");
        check(
            "error: x died\nremote: fatal: bad tree object 1 \nfatal: bad pack\n",
            "bad tree object 1; bad pack",
        );
        check("one\ntwo\n\n", "two");
        check("", "git says nothing");
    }

    #[test]
    fn no_password_of_an_address_is_told() {
        let check = |text: &str, expect: &str| assert_eq!(without_passwords(text), expect);
        check("unable to access 'https://me:s3c/': x", "unable to access 'https://me:s3c/': x");
        check("access 'https://me:s@cret@host:8/a@b': x://y@z", "access 'https://host:8/a@b': x://z");
        check("no address, me@host", "no address, me@host");
    }

    #[test]
    fn ssh_asks_nobody() {
        assert_eq!(silent_ssh(None).as_deref(), Some("ssh -o BatchMode=yes"));
        assert_eq!(silent_ssh(Some("")).as_deref(), Some("ssh -o BatchMode=yes"));
        assert_eq!(
            silent_ssh(Some("/usr/bin/ssh -i key")).as_deref(),
            Some("/usr/bin/ssh -i key -o BatchMode=yes")
        );
        assert_eq!(silent_ssh(Some("plink -batch")), None);
    }

    #[test]
    fn of_an_environment_the_configuration_is_lent_and_no_repository() {
        let mut git = Git::new(&BTreeMap::new());
        let names = [
            "HOME",
            "XDG_CONFIG_HOME",
            "SSH_AUTH_SOCK",
            "SSH_ASKPASS",
            "GIT_CONFIG_GLOBAL",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_KEY_0",
            "GIT_SSL_CAINFO",
            "GIT_DIR",
            "GIT_INDEX_FILE",
            "GIT_WORK_TREE",
            "GIT_TRACE",
        ];
        git.lend(&names.map(|name| (name.to_owned(), "x".to_owned())).into());
        let env = git.lent.expect("lent").env;
        let lent: Vec<&str> =
            names.into_iter().filter(|name| env.get(*name).is_some_and(|v| v == "x")).collect();
        assert_eq!(
            lent,
            [
                "HOME",
                "XDG_CONFIG_HOME",
                "SSH_AUTH_SOCK",
                "GIT_CONFIG_GLOBAL",
                "GIT_CONFIG_COUNT",
                "GIT_CONFIG_KEY_0",
                "GIT_SSL_CAINFO"
            ]
        );
        assert_eq!(env["GIT_TERMINAL_PROMPT"], "0");
    }

    proptest! {
        #[test]
        fn any_words_of_git_have_a_cause(text in "\\PC{0,80}") {
            prop_assert!(!cause(&text).is_empty());
            let _any = without_passwords(&text);
        }

        #[test]
        fn passwords_go_whatever_they_are(user in "[a-z]{1,5}", password in "[!#-&(-.0-~]{1,12}", host in "[a-z]{1,9}") {
            let told = without_passwords(&format!("cannot reach 'https://{user}:{password}@{host}/p': no"));
            prop_assert_eq!(told, format!("cannot reach 'https://{host}/p': no"));
        }
    }
}
