//! A version of a service: what runs, and how.

use crate::document::{Documents, Service, pick};
use shipway_base::{Diagnostics, Digest, Id, Source};
use std::sync::Arc;

/// A version of a service: an artifact and the document it is run by. Never changes once made.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Unique over all time.
    pub id: Id<Release>,
    /// The version as people call it.
    pub version: String,
    /// The artifact.
    pub digest: Digest,
    /// How it is run and shipped.
    pub spec: Arc<Spec>,
}

/// A service with the templates it refers to, and the text they were read from; stores keep the text.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The documents as written.
    pub source: Source,
    /// The service.
    pub service: Service,
}

impl Release {
    /// Whether both run the same artifact by the same documents.
    pub fn is_same(&self, other: &Release) -> bool {
        self.digest == other.digest && self.spec == other.spec
    }

    /// Whether a person means it by `name`: its version, its digest, or at least eight first digits of that.
    pub fn is_called(&self, name: &str) -> bool {
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        self.version == name || (digits.len() >= 8 && self.digest.hex().starts_with(&digits.to_lowercase()))
    }
}

impl Spec {
    /// Reads the service of that name from a delivery file. Warnings are left to [`Documents::parse`].
    ///
    /// # Errors
    /// All findings of the file when one of them is an error, or that there is no such service.
    pub fn parse(source: &Source, service: &str) -> Result<Spec, Diagnostics> {
        let (documents, mut found) = Documents::parse(source);
        if found.has_errors() {
            return Err(found);
        }
        match pick(documents, service, source) {
            Ok(service) => Ok(Spec { source: source.clone(), service }),
            Err(error) => {
                found.push(error);
                Err(found)
            }
        }
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Spec) -> bool {
        self.source == other.source && self.service.name.value == other.service.name.value
    }
}
