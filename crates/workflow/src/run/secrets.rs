//! Which secrets a job may see. The machine never knows a secret: it says which, and the runner finds their values.

use crate::{
    Secrets,
    expr::{Object, Scope, Template, Value},
};
use shipway_base::{Diagnostic, Secret};
use std::sync::Arc;

/// GitHub's own token, which every job has whatever its caller passes.
const TOKEN: &str = "GITHUB_TOKEN";

/// The secrets of a job.
#[derive(Clone, Debug)]
pub enum SecretScope {
    /// All that the run has.
    All,
    /// Those that a call gives.
    Given(Arc<GivenSecrets>),
}

/// What `secrets` of a call says, and all it needs to be evaluated.
#[derive(Clone, Debug)]
pub struct GivenSecrets {
    pub(super) entries: Vec<(String, Template)>,
    /// Every context of the call but `secrets`.
    pub(super) contexts: Object,
    /// What the caller may see.
    pub(super) outer: SecretScope,
}

impl SecretScope {
    /// The secrets by name, from those of the run. A name whose value comes out empty is left out, as if the caller did
    /// not have it either.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx).
    pub fn of(&self, run: &Secrets) -> Result<Secrets, Diagnostic> {
        let given = match self {
            SecretScope::All => return Ok(run.clone()),
            SecretScope::Given(given) => given,
        };
        let outer = given.outer.of(run)?;
        let secrets: Object = outer.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
        let scope = CallScope { contexts: &given.contexts, secrets: secrets.into() };
        let token = run.iter().filter(|(name, _)| name.eq_ignore_ascii_case(TOKEN));
        let mut seen: Secrets = token.map(|(name, secret)| (name.clone(), secret.clone())).collect();
        for (name, template) in &given.entries {
            let value = template.eval_string(&scope)?;
            if !value.is_empty() {
                seen.insert(name.clone(), Secret::new(value.as_ref()));
            }
        }
        Ok(seen)
    }
}

struct CallScope<'a> {
    contexts: &'a Object,
    secrets: Value,
}

impl Scope for CallScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        if name == "secrets" { Some(self.secrets.clone()) } else { self.contexts.get(name).cloned() }
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
