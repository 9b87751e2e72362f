//! The token that a checkout leaves in git's configuration, as the official action does, so that git reaches the forge with it in later
//! steps. It goes with the workspace, which no other job has.

use super::{
    Inputs,
    checkout::{append, quoted},
};
use crate::{context::NO_TOKEN, error::RunnerError, job::Job, mask::base64, steps::Current};
use shipway_workflow::expr::Value;
use std::{fs, path::Path};

impl Job<'_> {
    /// Leaves the token of this checkout at the place where it has put the repository, unless `persist-credentials` says no; takes away
    /// that of an earlier one.
    pub(super) async fn persist_token(
        &mut self,
        inputs: &Inputs,
        at: &Path,
        current: &Current,
    ) -> Result<(), RunnerError> {
        let server =
            self.request.github.get("server_url").and_then(Value::as_str).filter(|url| !url.is_empty());
        let server = format!("{}/", origin_of(server.unwrap_or("https://github.com")));
        let key = format!("http.{server}.extraheader");
        let config = at.join(".git/config");
        // A fresh repository has none, which its file says without a process, or a call into a container.
        let may_have = fs::read(&config)
            .map_or(true, |text| text.to_ascii_lowercase().windows(11).any(|part| part == b"extraheader"));
        if may_have && self.ask_git(current, at, &["config", "--local", "--get-all", &key]).await.is_ok() {
            self.git(current, at, &["config", "--local", "--unset-all", &key]).await?;
        }
        let persists = inputs.flag("persist-credentials", true)?;
        let own = self.request.github.get("token").and_then(Value::as_str).filter(|_| !inputs.has("token"));
        let token = inputs.text("token").or(own).filter(|token| !token.is_empty() && *token != NO_TOKEN);
        let Some(token) = token.filter(|_| persists) else { return Ok(()) };
        let basic = base64(format!("x-access-token:{token}").as_bytes());
        self.log.masker.add(&basic);
        let header = quoted(&format!("AUTHORIZATION: basic {basic}"));
        // Not by git, whose arguments everybody on the machine can read.
        let lines = format!("[http {}]\n\textraheader = {header}\n", quoted(&server));
        append(&config, &lines)
    }
}

/// The scheme, the host and the port of an address.
fn origin_of(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    address[host..].find('/').map_or(address, |end| &address[..host + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_host_is_left_out() {
        for (address, expect) in [
            ("https://github.com", "https://github.com"),
            ("https://git.example:8443/", "https://git.example:8443"),
            ("http://h/forge/x", "http://h"),
            ("", ""),
        ] {
            assert_eq!(origin_of(address), expect);
        }
    }
}
