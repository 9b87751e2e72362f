//! What seals secrets before they are stored: one key of the installation, kept beside the data or given from outside.
//!
//! A sealed value can be opened only under the scope and the name that it was sealed for, so that a row that somebody moves
//! in the database is damaged and not another secret.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use shipway_base::Secret;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Seals and opens values.
pub(crate) struct Vault(XChaCha20Poly1305);

/// The name of the key's file in the data folder.
const FILE: &str = "secrets.key";

/// The layout of sealed bytes: this, the nonce, the sealed text with its tag.
const LAYOUT: u8 = 1;

const NONCE: usize = 24;

/// Why there is no key, or why a value cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The file cannot be read or made.
    #[error("cannot {what} the key of the secrets, {}: {cause}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It is no key.
    #[error("{0} is not a key: a key is 64 hexadecimal digits")]
    NoKey(String),
    /// Sealed by another key, or changed since.
    #[error("{0} was sealed with another key, or is damaged")]
    Sealed(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Chance(getrandom::Error),
}

impl Vault {
    /// The vault of an installation: with the key that is given, else with the one in the data folder, which is made when
    /// `fresh` says that nothing was sealed yet.
    pub(crate) fn open(data: &Path, given: Option<&Secret>, fresh: bool) -> Result<Vault, VaultError> {
        if let Some(given) = given {
            // The text of a key is not repeated, whatever it is.
            return Vault::of(given.expose())
                .ok_or_else(|| VaultError::NoKey("what SHIPWAY_SECRETS_KEY holds".to_owned()));
        }
        let path = data.join(FILE);
        let failed = |what, cause| VaultError::File { what, path: path.clone(), cause };
        match fs::read_to_string(&path) {
            Ok(text) => Vault::of(&text).ok_or_else(|| VaultError::NoKey(path.display().to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(VaultError::Chance)?;
                let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                write_private(data, &path, &format!("{text}\n")).map_err(|error| failed("make", error))?;
                Ok(Vault(XChaCha20Poly1305::new(&key.into())))
            }
            Err(error) => Err(failed("read", error)),
        }
    }

    fn of(text: &str) -> Option<Vault> {
        let text = text.trim();
        let mut key = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Vault(XChaCha20Poly1305::new(&key.into())))
    }

    /// Seals a text for a name.
    pub(crate) fn seal(&self, name: &str, text: &Secret) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(VaultError::Chance)?;
        let payload = Payload { msg: text.expose().as_bytes(), aad: name.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        // It fails for more than 256 GiB only.
        let sealed = sealed.map_err(|_| VaultError::Sealed(name.to_owned()))?;
        Ok([&[LAYOUT][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed for this name.
    pub(crate) fn open_sealed(&self, name: &str, bytes: &[u8]) -> Result<Secret, VaultError> {
        let damaged = || VaultError::Sealed(name.to_owned());
        let (&[layout], rest) = bytes.split_first_chunk::<1>().ok_or_else(damaged)?;
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE>().filter(|_| layout == LAYOUT).ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        String::from_utf8(text).map(Secret::new).map_err(|_| damaged())
    }
}

/// Writes a file that only its owner may read, whole or not at all, and for good.
fn write_private(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn vault(byte: &str) -> Vault {
        Vault::of(&byte.repeat(32)).expect("a key")
    }

    #[test]
    fn the_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(
            Vault::open(folder.path(), None, false),
            Err(VaultError::File { what: "read", .. })
        ));
        let sealed = Vault::open(folder.path(), None, true)
            .expect("a key")
            .seal("a", &Secret::new("x"))
            .expect("sealed");
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).expect("kept").permissions().mode() & 0o777, 0o600);
        let again = Vault::open(folder.path(), None, true).expect("the same key");
        assert_eq!(again.open_sealed("a", &sealed).expect("open").expose(), "x");
        fs::write(&path, "no key").expect("written");
        let error = Vault::open(folder.path(), None, true).map(drop).expect_err("no key").to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
        let outside = Secret::new(format!(" {}\n", "0f".repeat(32)));
        let outside = Vault::open(folder.path(), Some(&outside), false).expect("a key");
        assert!(outside.open_sealed("a", &sealed).is_err(), "another key");
    }

    #[test]
    fn a_bad_key_is_not_shown() {
        let given = Secret::new("hunter2");
        let error = Vault::open(Path::new("/nowhere"), Some(&given), true).map(drop).expect_err("no key");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_sealed_comes_back_under_its_own_name_only(text in "\\PC{0,40}", name in "[A-Z/]{0,8}", other in "[A-Z/]{0,8}") {
            let vault = vault("a7");
            let sealed = vault.seal(&name, &Secret::new(text.clone())).expect("sealed");
            let opened = vault.open_sealed(&name, &sealed).expect("open");
            prop_assert_eq!(opened.expose(), text.as_str());
            prop_assert_eq!(vault.open_sealed(&other, &sealed).is_ok(), other == name);
            prop_assert!(self::vault("a8").open_sealed(&name, &sealed).is_err());
            prop_assert!(vault.seal(&name, &Secret::new(text)).expect("sealed") != sealed, "a nonce of its own");
        }

        #[test]
        fn damage_is_seen(at in 0_usize..60, bit in 0_u8..8, cut in 0_usize..60) {
            let vault = vault("00");
            let mut sealed = vault.seal("n", &Secret::new("nineteen characters")).expect("sealed");
            let short = sealed[..cut.min(sealed.len() - 1)].to_vec();
            prop_assert!(vault.open_sealed("n", &short).is_err());
            sealed[at] ^= 1 << bit;
            prop_assert!(vault.open_sealed("n", &sealed).is_err());
        }
    }
}
