//! Runtime tokens and signed links.
//!
//! Both are signed with one key that lives as long as the process. A runtime token is a JSON Web Token because the
//! toolkit looks into it for the ids of run and job (`scp`), and other clients for the scopes of caches (`ac`). Its algorithm is
//! fixed, so there is nothing to confuse: the header is compared as a text, and the signature is made with HMAC-SHA-256
//! and compared in constant time. That is all that is needed of the format; a library would bring the rest of it.

use crate::{
    error::{Refusal, RefusalKind},
    grant::Grant,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shipway_base::Timestamp;
use std::fmt;

/// `{"alg":"HS256","typ":"JWT"}` as every token of ours begins.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// A clock may be so far behind another, in seconds.
const SKEW: i64 = 60;

/// The longest token that is looked at.
const MOST_TOKEN: usize = 16 << 10;

/// Makes and checks tokens and links.
pub(crate) struct Signer(Hmac<Sha256>);

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) run: String,
    pub(crate) job: String,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkTo {
    /// Sending content.
    Put,
    /// Getting a cache entry or an artifact.
    Get,
}

impl LinkTo {
    fn letter(self) -> &'static str {
        match self {
            LinkTo::Put => "w",
            LinkTo::Get => "r",
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    pub(crate) fn new(key: &[u8; 32]) -> Signer {
        // A key of any length is fine for HMAC; the fallback cannot be reached and signs nothing anybody accepts.
        Signer(Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    fn sign(&self, text: &[&str]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.mac(text).finalize().into_bytes())
    }

    fn is_signed(&self, text: &[&str], signature: &str) -> bool {
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.mac(text).verify_slice(&signature).is_ok()
    }

    fn mac(&self, text: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        text.iter().for_each(|part| mac.update(part.as_bytes()));
        mac
    }

    /// The runtime token of a job.
    pub(crate) fn token(&self, grant: &Grant, issuer: &str, now: Timestamp) -> String {
        let seconds = now.as_millis() / 1_000;
        let lifetime = i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX);
        let owner = grant.repository.split('/').next().unwrap_or_default();
        let claims = json!({
            "iss": issuer, "iat": seconds, "nbf": seconds - SKEW, "exp": seconds.saturating_add(lifetime),
            "scp": format!("Actions.Results:{}:{}", grant.run, grant.job), "ac": grant.caches.claim(),
            "repository": grant.repository, "repository_owner": owner, "repository_id": "1", "run_id": grant.run,
            "permissions": grant.permissions,
        });
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let signature = self.sign(&[HEADER, ".", &payload]);
        format!("{HEADER}.{payload}.{signature}")
    }

    /// Whose token this is. One that was not made by this process or has expired is refused.
    pub(crate) fn check_token(&self, token: &str, now: Timestamp) -> Result<Bearer, Refusal> {
        let refused = |why: &str| Refusal::new(RefusalKind::Unauthenticated, why);
        let foreign = || refused("the token is not one of this server's");
        if token.len() > MOST_TOKEN {
            return Err(foreign());
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(foreign)?;
        let (header, payload) = signed.split_once('.').ok_or_else(foreign)?;
        if header != HEADER || !self.is_signed(&[signed], signature) {
            return Err(foreign());
        }
        let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| foreign())?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|_| foreign())?;
        let seconds = now.as_millis() / 1_000;
        let time = |name: &str| claims[name].as_i64().ok_or_else(foreign);
        if time("exp")? <= seconds || time("nbf")? > seconds {
            return Err(refused("the token has expired"));
        }
        let scopes = claims["scp"].as_str().unwrap_or_default().split(' ');
        let ids = scopes.filter_map(|scope| scope.strip_prefix("Actions.Results:")?.split_once(':')).next();
        let (run, job) = ids.ok_or_else(foreign)?;
        Ok(Bearer { run: run.to_owned(), job: job.to_owned() })
    }

    /// The part of a link after `?`.
    pub(crate) fn link(&self, to: LinkTo, path: &str, expires: Timestamp) -> String {
        let (letter, expires) = (to.letter(), (expires.as_millis() / 1_000).to_string());
        let signature = self.sign(&["link\n", letter, "\n", path, "\n", &expires]);
        format!("sp={letter}&se={expires}&sig={signature}")
    }

    /// Checks the parameters of a link.
    pub(crate) fn check_link(
        &self,
        to: LinkTo,
        path: &str,
        expires: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !self.is_signed(&["link\n", to.letter(), "\n", path, "\n", expires], signature) {
            return Err(Refusal::denied("the link is not signed by this server for this"));
        }
        match expires.parse::<i64>() {
            Ok(expires) if expires > now.as_millis() / 1_000 => Ok(()),
            Ok(_) | Err(_) => Err(Refusal::denied("the link has expired")),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{artifacts::tests::Nowhere, scope::CacheAccess};
    use proptest::prelude::*;
    use std::{collections::BTreeMap, sync::Arc, time::Duration};

    pub(crate) fn grant() -> Grant {
        Grant {
            run: "12".to_owned(),
            job: "34".to_owned(),
            repository: "acme/web".to_owned(),
            namespace: "acme/web".to_owned(),
            caches: CacheAccess::default(),
            permissions: BTreeMap::from([("contents".to_owned(), "read".to_owned())]),
            identity: None,
            artifacts: Arc::new(Nowhere),
            lifetime: Duration::from_secs(60),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_token_is_good_for_its_time_and_place() {
        let signer = Signer::new(&[7; 32]);
        let token = signer.token(&grant(), "http://here", at(1_000));
        let bearer = Bearer { run: "12".to_owned(), job: "34".to_owned() };
        assert_eq!(signer.check_token(&token, at(1_000)), Ok(bearer.clone()));
        assert_eq!(signer.check_token(&token, at(1_059)), Ok(bearer));
        assert!(signer.check_token(&token, at(1_060)).is_err());
        assert!(signer.check_token(&token, at(0)).is_err());
        assert!(Signer::new(&[8; 32]).check_token(&token, at(1_000)).is_err());
    }

    #[test]
    fn what_is_not_signed_is_not_read() {
        let signer = Signer::new(&[7; 32]);
        let token = signer.token(&grant(), "http://here", at(1_000));
        let parts: Vec<&str> = token.split('.').collect();
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for bad in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}x"),
            String::new(),
            ".".repeat(20_000),
        ] {
            let refused = signer.check_token(&bad, at(1_000)).expect_err("refused");
            assert_eq!(refused.kind, RefusalKind::Unauthenticated);
            assert!(bad.is_empty() || !refused.message.contains(&bad));
        }
    }

    #[test]
    fn a_link_is_for_one_thing() {
        let signer = Signer::new(&[7; 32]);
        let link = signer.link(LinkTo::Put, "cache/5", at(100));
        let signature = link.rsplit_once("sig=").expect("signed").1;
        assert!(signer.check_link(LinkTo::Put, "cache/5", "100", signature, at(99)).is_ok());
        assert!(signer.check_link(LinkTo::Put, "cache/5", "100", signature, at(100)).is_err());
        assert!(signer.check_link(LinkTo::Put, "cache/5", "101", signature, at(99)).is_err());
        assert!(signer.check_link(LinkTo::Put, "cache/6", "100", signature, at(99)).is_err());
        assert!(signer.check_link(LinkTo::Get, "cache/5", "100", signature, at(99)).is_err());
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(place in 0_usize..400, byte in proptest::char::range('!', '~')) {
            let signer = Signer::new(&[7; 32]);
            let token = signer.token(&grant(), "http://here", at(1_000));
            let place = place % token.len();
            let mut changed: Vec<char> = token.chars().collect();
            changed[place] = byte;
            let changed: String = changed.into_iter().collect();
            if changed != token {
                prop_assert!(signer.check_token(&changed, at(1_000)).is_err());
            }
        }

        #[test]
        fn any_text_is_answered(text in ".{0,200}") {
            prop_assert!(Signer::new(&[7; 32]).check_token(&text, at(0)).is_err());
        }
    }
}
