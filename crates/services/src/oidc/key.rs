//! The key of an installation: made once, kept in a file that only its owner may read.

use crate::error::{ServiceError, ServiceErrorKind};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rsa::{
    PrivateKey, pkcs1v15,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _},
    signature::{SignatureEncoding as _, Signer as _},
    traits::PublicKeyParts as _,
};
use serde_json::{Value, json};
use sha2::Sha256;
use shipway_base::Digest;
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};
use tempfile::NamedTempFile;

/// The size of the modulus, in bits; as GitHub's.
const BITS: usize = 2_048;

/// Signs identity tokens with RS256.
pub(crate) struct SigningKey {
    key: pkcs1v15::SigningKey<Sha256>,
    id: String,
    modulus: String,
    exponent: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key in the file, which is made when it is not there. This takes a second or so the first time.
    pub(crate) fn load(path: &Path) -> Result<SigningKey, ServiceError> {
        let file = |source| {
            ServiceError::new(
                "cannot read or make the key of identity tokens",
                ServiceErrorKind::File { path: path.to_owned(), source },
            )
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Self::generate(path)?;
                keep(path, &made).map_err(file)?;
                // Another process may have been faster; what lies there counts.
                fs::read(path).map_err(file)?
            }
            Err(error) => return Err(file(error)),
        };
        let key = PrivateKey::from_pkcs8_der(&bytes).map_err(|error| broken(path, &error))?;
        let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let modulus = encoded(&key.n_bytes());
        let exponent = encoded(&key.e_bytes());
        // The thumbprint of RFC 7638: the required members in the order of the alphabet.
        let canonical = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let id = encoded(Digest::of(canonical.as_bytes()).as_bytes());
        Ok(SigningKey { key: pkcs1v15::SigningKey::new(key), id, modulus, exponent })
    }

    fn generate(path: &Path) -> Result<Vec<u8>, ServiceError> {
        let chance = |error| {
            ServiceError::new("cannot make the key of identity tokens", ServiceErrorKind::Chance(error))
        };
        // Asked once beforehand, so that a system without chance is an error and no panic.
        getrandom::fill(&mut [0; 32]).map_err(chance)?;
        let mut chance = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let key = PrivateKey::new(&mut chance, BITS).map_err(|error| broken(path, &error))?;
        let der = key.to_pkcs8_der().map_err(|error| broken(path, &error))?;
        Ok(der.as_bytes().to_vec())
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id });
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = self.key.try_sign(signed.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }

    /// The public half, as a set of keys.
    pub(crate) fn public(&self) -> Value {
        json!({ "keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": self.modulus, "e": self.exponent,
        }] })
    }
}

/// Writes the key beside its place, under a name of its own, and puts it there only when nothing is: a file of that name is always
/// whole, and the first one stays.
fn keep(path: &Path, key: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::with_prefix_in(".oidc-", folder)?;
    file.write_all(key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => Err(refused.error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn broken(path: &Path, error: &impl ToString) -> ServiceError {
    let kind = ServiceErrorKind::Key { path: path.to_owned(), why: error.to_string() };
    ServiceError::new("cannot use the key of identity tokens", kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::{pkcs1v15::VerifyingKey, signature::Verifier as _};
    use std::os::unix::fs::PermissionsExt as _;

    /// Several start at once, in one process and with different keys in hand: all come to use the same.
    #[test]
    fn the_first_of_many_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("keys/oidc.der");
        let start = std::sync::Barrier::new(8);
        let seen: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let one = |number: u8| {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    keep(path, &[number; 64]).expect("kept");
                    fs::read(path).expect("there once it is kept")
                })
            };
            let all: Vec<_> = (0..8).map(one).collect();
            all.into_iter().map(|one| one.join().expect("ended")).collect()
        });
        assert!(seen.iter().all(|key| *key == seen[0] && key.len() == 64), "{seen:?}");
        assert_eq!(fs::read_dir(dir.path().join("keys")).expect("folder").count(), 1);
    }

    #[test]
    fn a_key_is_made_once_and_its_tokens_can_be_checked() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("keys/oidc.der");
        let key = SigningKey::load(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("kept").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("keys")).expect("folder").count(), 1);
        let again = SigningKey::load(&path).expect("read");
        assert_eq!(key.public(), again.public());
        let token = key.sign(&json!({ "sub": "me" })).expect("signed");
        let (signed, signature) = token.rsplit_once('.').expect("a token");
        let private = PrivateKey::from_pkcs8_der(&fs::read(&path).expect("the key")).expect("a key");
        let verifying = VerifyingKey::<Sha256>::new(private.to_public_key());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
        let signature = pkcs1v15::Signature::try_from(signature.as_slice()).expect("a signature");
        verifying.verify(signed.as_bytes(), &signature).expect("verified");
        fs::write(&path, "damaged").expect("written");
        assert!(
            SigningKey::load(&path).expect_err("damaged").to_string().contains("no key that can be used")
        );
    }
}
