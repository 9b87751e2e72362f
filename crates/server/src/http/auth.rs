//! Who may ask: one-time sign-in links, browser sessions, the operator's token, tokens of runs.
//!
//! Sessions and tokens carry their own proof (an HMAC under the server's key), so nothing about them is stored and
//! they survive a restart. What lives in memory is what must be used up: sign-in links and sessions signed out.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shipway_api::{RunId, SignInLink};
use shipway_base::{Digest, Secret, Timestamp};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The operator, with the token of the command line.
    Token,
    /// The operator, in a browser that was signed in.
    Session(Secret),
    /// A step of a run, with the token of that run.
    Run(RunId),
}

/// Issues and checks what proves who asks.
pub struct Auth {
    key: Secret,
    links: Mutex<BTreeMap<Digest, Timestamp>>,
    signed_out: Mutex<BTreeMap<Digest, Timestamp>>,
}

/// The system gave no random bytes.
#[derive(Debug)]
pub struct EntropyError(getrandom::Error);

/// The name of the session's cookie.
pub const COOKIE: &str = "shipway_session";

/// How long a sign-in link works.
const LINK_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a browser stays signed in.
pub(super) const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The most sign-in links that wait to be used; older ones are dropped first.
const MOST_LINKS: usize = 64;

impl Auth {
    /// Stands on a key of at least 32 random bytes that the caller keeps secret, and keeps over restarts.
    pub fn new(key: Secret) -> Auth {
        Auth { key, links: Mutex::default(), signed_out: Mutex::default() }
    }

    /// The operator's token, always the same for the same key.
    pub fn operator_token(&self) -> Secret {
        Secret::new(format!("swo_{}", self.sign("operator", "")))
    }

    /// A token for the steps of one run: it reads, and deploys artifacts of that run, until `expires`.
    pub fn run_token(&self, run: RunId, expires: Timestamp) -> Secret {
        let claim = format!("{run}.{}", expires.as_millis());
        Secret::new(format!("swr_{claim}.{}", self.sign("run", &claim)))
    }

    /// A link that signs one browser in, once.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn sign_in_link(&self, now: Timestamp) -> Result<SignInLink, EntropyError> {
        let token = random()?;
        let expires_at = now + LINK_LIFE;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, expires| *expires > now);
        while links.len() >= MOST_LINKS {
            let oldest = links.iter().min_by_key(|(_, expires)| **expires).map(|(token, _)| *token);
            if let Some(oldest) = oldest {
                links.remove(&oldest);
            }
        }
        links.insert(Digest::of(token.as_bytes()), expires_at);
        Ok(SignInLink { path: format!("/sign-in?token={token}"), expires_at })
    }

    /// Uses a sign-in link up; the value of a new session's cookie, or `None` when the link is used, old or wrong.
    ///
    /// # Errors
    /// When the system gives no random bytes; the link is then still good.
    pub fn sign_in(&self, token: &str, now: Timestamp) -> Result<Option<Secret>, EntropyError> {
        let nonce = random()?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let known = links.remove(&Digest::of(token.as_bytes())).is_some_and(|expires| expires > now);
        Ok(known.then(|| {
            let claim = format!("{nonce}.{}", (now + SESSION_LIFE).as_millis());
            Secret::new(format!("{claim}.{}", self.sign("session", &claim)))
        }))
    }

    /// Ends a session before its time. A restart forgets this; the cookie is removed from the browser as well.
    pub fn sign_out(&self, session: &Secret, now: Timestamp) {
        let mut gone = self.signed_out.lock().unwrap_or_else(PoisonError::into_inner);
        gone.retain(|_, expires| *expires > now);
        gone.insert(Digest::of(session.expose().as_bytes()), now + SESSION_LIFE);
    }

    /// Who a session's cookie stands for.
    pub fn session(&self, cookie: &str, now: Timestamp) -> Option<Principal> {
        self.claim("session", cookie, now)?;
        let gone = self.signed_out.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = gone.contains_key(&Digest::of(cookie.as_bytes()));
        (!ended).then(|| Principal::Session(Secret::new(cookie)))
    }

    /// Who a bearer token stands for.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Option<Principal> {
        if let Some(claim) = token.strip_prefix("swr_") {
            return self.claim("run", claim, now)?.parse().ok().map(Principal::Run);
        }
        let mac = token.strip_prefix("swo_")?;
        self.verify("operator", "", mac).then_some(Principal::Token)
    }

    /// Checks `<subject>.<expiry>.<mac>` and returns the subject.
    fn claim<'t>(&self, purpose: &str, text: &'t str, now: Timestamp) -> Option<&'t str> {
        let (claim, mac) = text.rsplit_once('.')?;
        let (subject, expires) = claim.rsplit_once('.')?;
        let good = self.verify(purpose, claim, mac);
        let fresh = expires.parse().is_ok_and(|millis| Timestamp::from_millis(millis) > now);
        (good && fresh).then_some(subject)
    }

    fn sign(&self, purpose: &str, claim: &str) -> String {
        Digest::from_bytes(self.mac(purpose, claim).finalize().into_bytes().into()).hex()
    }

    fn verify(&self, purpose: &str, claim: &str, hex: &str) -> bool {
        let Ok(digest) = format!("sha256:{hex}").parse::<Digest>() else { return false };
        self.mac(purpose, claim).verify_slice(digest.as_bytes()).is_ok()
    }

    fn mac(&self, purpose: &str, claim: &str) -> Hmac<Sha256> {
        // HMAC pads a key with zeros to the block of its hash; the digest of ours is 32 of these 64 bytes.
        let mut block = [0_u8; 64];
        block[..32].copy_from_slice(Digest::of(self.key.expose().as_bytes()).as_bytes());
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(purpose.as_bytes());
        mac.update(b"\n");
        mac.update(claim.as_bytes());
        mac
    }
}

/// A text that nobody guesses or makes twice.
pub(super) fn random() -> Result<String, EntropyError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(EntropyError)?;
    Ok(Digest::from_bytes(bytes).hex())
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gave no random bytes")
    }
}

impl std::error::Error for EntropyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn auth() -> Auth {
        Auth::new(Secret::new("0123456789abcdef0123456789abcdef"))
    }

    fn token_of(link: &SignInLink) -> String {
        link.path.strip_prefix("/sign-in?token=").expect("the path of a link").to_owned()
    }

    #[test]
    fn a_link_signs_in_once() {
        let auth = auth();
        let token = token_of(&auth.sign_in_link(NOW).expect("entropy"));
        let session = auth.sign_in(&token, NOW).expect("entropy").expect("a session");
        assert_eq!(auth.session(session.expose(), NOW), Some(Principal::Session(session.clone())));
        assert_eq!(auth.sign_in(&token, NOW).expect("entropy"), None);
        auth.sign_out(&session, NOW);
        assert_eq!(auth.session(session.expose(), NOW), None);
    }

    #[test]
    fn links_and_sessions_end() {
        let auth = auth();
        let late = token_of(&auth.sign_in_link(NOW).expect("entropy"));
        assert_eq!(auth.sign_in(&late, NOW + LINK_LIFE).expect("entropy"), None);
        let token = token_of(&auth.sign_in_link(NOW).expect("entropy"));
        let session = auth.sign_in(&token, NOW).expect("entropy").expect("a session");
        assert!(auth.session(session.expose(), NOW + SESSION_LIFE).is_none());
        let run = RunId::new(7).expect("positive");
        let token = auth.run_token(run, NOW + Duration::from_secs(60));
        assert_eq!(auth.bearer(token.expose(), NOW), Some(Principal::Run(run)));
        assert_eq!(auth.bearer(token.expose(), NOW + Duration::from_secs(60)), None);
    }

    #[test]
    fn waiting_links_are_bounded() {
        let auth = auth();
        let first = token_of(&auth.sign_in_link(NOW).expect("entropy"));
        for n in 1..=MOST_LINKS {
            auth.sign_in_link(NOW + Duration::from_millis(n as u64)).expect("entropy");
        }
        assert_eq!(auth.sign_in(&first, NOW).expect("entropy"), None);
    }

    #[test]
    fn one_kind_never_passes_for_another() {
        let auth = auth();
        let run = auth.run_token(RunId::new(7).expect("positive"), NOW + SESSION_LIFE);
        assert!(auth.session(run.expose().trim_start_matches("swr_"), NOW).is_none());
        assert_eq!(auth.bearer(auth.operator_token().expose(), NOW), Some(Principal::Token));
        let other = Auth::new(Secret::new("another key"));
        assert_eq!(other.bearer(auth.operator_token().expose(), NOW), None);
        assert_eq!(other.bearer(run.expose(), NOW), None);
    }

    proptest! {
        #[test]
        fn what_was_altered_is_refused(at in 0_usize..200, with in "[0-9a-f.x_]") {
            let auth = auth();
            let token = auth.run_token(RunId::new(42).expect("positive"), NOW + SESSION_LIFE);
            let mut altered: Vec<char> = token.expose().chars().collect();
            let at = at % altered.len();
            altered[at] = with.chars().next().expect("one character");
            let altered: String = altered.into_iter().collect();
            prop_assume!(altered != token.expose());
            prop_assert_eq!(auth.bearer(&altered, NOW), None);
        }
    }
}
