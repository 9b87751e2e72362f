//! Identity tokens: signed statements of which job this is, that others can check without asking.

mod claims;
mod key;

pub(crate) use claims::claims;
pub(crate) use key::SigningKey;

use serde_json::{Value, json};

/// The discovery document of an issuer whose keys are at `<issuer>/.well-known/jwks`.
pub fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": claims::NAMES,
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    })
}
