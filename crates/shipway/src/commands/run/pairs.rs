//! What is given by name on the command line: inputs, variables, secrets, environment.

use super::{Options, legs::Choice};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
};
use shipway_base::Secret;
use shipway_runner::Platform;
use shipway_workflow::{
    Secrets, Texts,
    event::{Event, inputs_too_large},
};
use std::{collections::BTreeMap, convert::Infallible};

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    name: String,
    value: String,
}

/// `NAME=VALUE`, or `NAME` alone, whose value is in the environment. The value may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lent {
    name: String,
    value: Option<Secret>,
}

/// All of it, by name; what expressions see in the order in which it is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// `inputs`, as text.
    pub(super) inputs: BTreeMap<String, String>,
    /// `vars`.
    pub(super) vars: Texts,
    /// `secrets`.
    pub(super) secrets: Secrets,
    /// Variables of every step.
    pub(super) env: BTreeMap<String, String>,
    /// The legs of matrices that are to run.
    pub(super) legs: Choice,
}

/// Reads `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(Pair { name: name.trim().to_owned(), value: value.to_owned() })
        }
        Some(_) => Err("the name before = is missing".to_owned()),
        None => Err("write NAME=VALUE".to_owned()),
    }
}

/// Reads `KEY:VALUE`.
pub(super) fn choice(text: &str) -> Result<Pair, String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(Pair { name: name.trim().to_owned(), value: value.trim().to_owned() })
        }
        Some(_) | None => Err("write KEY:VALUE, such as os:ubuntu-latest".to_owned()),
    }
}

/// Reads `LABEL=host` or `LABEL=docker://IMAGE`.
pub(super) fn platform(text: &str) -> Result<(String, Platform), String> {
    match text.split_once('=') {
        Some((label, place)) if !label.trim().is_empty() => {
            Ok((label.trim().to_lowercase(), place.trim().parse()?))
        }
        Some(_) | None => Err("write LABEL=host or LABEL=docker://IMAGE".to_owned()),
    }
}

/// Reads `NAME=VALUE` or `NAME`. Whatever is wrong is found later, so that no message repeats a secret.
pub(super) fn lent(text: &str) -> Result<Lent, Infallible> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(Secret::new(value))),
        None => (text, None),
    };
    Ok(Lent { name: name.trim().to_owned(), value })
}

impl Given {
    /// Gathers what the flags give and what they take from the environment. A name given twice counts as given last.
    pub(super) fn take(environment: &Environment, options: &Options) -> Result<Given, Failure> {
        let mut given = Given::default();
        for pair in &options.inputs {
            given.inputs.insert(pair.name.clone(), pair.value.clone());
        }
        for pair in &options.vars {
            check("--var", &pair.name)?;
            given.vars.insert(pair.name.clone(), pair.value.clone());
        }
        for pair in &options.matrix {
            given.legs.entry(pair.name.clone()).or_default().insert(pair.value.clone());
        }
        for lent in &options.secrets {
            given.secrets.insert(lent.name.clone(), lent.resolve("--secret", environment)?);
        }
        for lent in &options.env {
            given.env.insert(lent.name.clone(), lent.resolve("--env", environment)?.expose().to_owned());
        }
        Ok(given)
    }

    /// The same with the inputs that the body of the event brings; the command line has the last word.
    pub(super) fn with_event(mut self, event: &Event) -> Result<Given, Failure> {
        for (name, value) in super::event::inputs(event)? {
            self.inputs.entry(name).or_insert(value);
        }
        match inputs_too_large(&self.inputs).filter(|_| event.name == "workflow_dispatch") {
            Some(why) => Err(Failure::new(Exit::Usage, why)
                .with_code("SW0115")
                .with_help("give less, such as the path of a file in the repository, or an address")),
            None => Ok(self),
        }
    }
}

impl Pair {
    /// What stands before the first `=`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands after it.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

impl Lent {
    fn resolve(&self, flag: &str, environment: &Environment) -> Result<Secret, Failure> {
        check(flag, &self.name)?;
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        environment.variables.get(&self.name).map(Secret::new).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{flag} {}: there is no such variable in the environment", self.name),
            )
            .with_help(format!("export it before, or write {flag} {}=VALUE", self.name))
        })
    }
}

/// GitHub's rule for the names of secrets and variables, which is also that of a shell's variables.
fn check(flag: &str, name: &str) -> Result<(), Failure> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    // The text may be a secret whose name was forgotten.
    Err(Failure::new(Exit::Usage, format!("the name given to {flag} is not a name"))
        .with_help("names are letters, digits and _, and do not begin with a digit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pairs() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let found = pair(text).ok();
            assert_eq!(
                found.as_ref().map(|pair| (pair.name.as_str(), pair.value.as_str())),
                expect,
                "{text}"
            );
        };
        check("a=b", Some(("a", "b")));
        check("a=b=c", Some(("a", "b=c")));
        check("a=", Some(("a", "")));
        check("=b", None);
        check("a", None);
    }

    #[test]
    fn never_repeats_a_secret() {
        let Ok(found) = lent("TOKEN=hunter2");
        assert!(!format!("{found:?}").contains("hunter2"));
        let failure = check("--secret", "hunter2!").expect_err("no name");
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
    }
}
