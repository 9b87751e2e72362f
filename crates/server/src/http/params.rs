//! Query parameters, read strictly: an unknown name or a wrong value is an error that says what would be right.

use super::error::problem;
use serde::de::DeserializeOwned;
use shipway_api::{PageQuery, Problem, codes};
use shipway_base::yaml::closest;
use std::collections::BTreeMap;

/// The parameters of a request. An empty value, as an untouched field of a form sends, counts as absent.
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the query of a URL, of which every name must be `known`.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Params, Box<Problem>> {
        let pairs: Vec<(String, String)> =
            axum::extract::Query::try_from_uri(&uri(query)?).map(|query| query.0).map_err(|error| {
                problem(codes::BAD_REQUEST, format!("the query cannot be read: {}", error.body_text()))
            })?;
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let mut unknown = problem(codes::BAD_REQUEST, format!("there is no parameter {name:?} here"));
                unknown.help = Some(match closest(&name, known.iter().copied()) {
                    Some(near) => format!("Did you mean {near:?}?"),
                    None => format!("Known are: {}.", known.join(", ")),
                });
                return Err(unknown);
            }
            let value = value.trim();
            if !value.is_empty() {
                params.insert(name, value.to_owned());
            }
        }
        Ok(Params(params))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A value that is one word of our API, such as a status.
    pub(super) fn word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Box<Problem>> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        serde_json::from_value(serde_json::Value::String(text.clone())).map(Some).map_err(|error| {
            problem(codes::BAD_REQUEST, {
                // The reader of JSON knows the words; its own "unknown variant" says nothing to a person.
                let error = error.to_string();
                let known = error.split_once("expected ").map_or(error.as_str(), |(_, known)| known);
                format!("{text:?} is not a value of {name}; it takes {known}")
            })
        })
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Box<Problem>> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => {
                let detail = format!("{text:?} is not a value of {name}: write a whole number");
                let bound = if most == u64::MAX {
                    format!(" from {least}")
                } else {
                    format!(" from {least} to {most}")
                };
                Err(problem(codes::BAD_REQUEST, detail + &bound))
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Box<Problem>> {
        match self.0.get(name).map(String::as_str) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(problem(
                codes::BAD_REQUEST,
                format!("{other:?} is not a value of {name}: write true or false"),
            )),
        }
    }

    /// `after` and `limit`.
    pub(super) fn page(&self) -> Result<PageQuery, Box<Problem>> {
        let limit = self.number("limit", 1, u64::from(PageQuery::MAX))?;
        let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(PageQuery::DEFAULT);
        Ok(PageQuery { after: self.text("after"), limit })
    }
}

fn uri(query: Option<&str>) -> Result<axum::http::Uri, Box<Problem>> {
    format!("/?{}", query.unwrap_or_default())
        .parse()
        .map_err(|error| problem(codes::BAD_REQUEST, format!("the query cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shipway_api::Status;

    fn check(query: &str, expect: Result<Option<Status>, &str>) {
        let read = Params::read(Some(query), &["status", "limit", "after"])
            .and_then(|params| params.page().and_then(|_| params.word::<Status>("status")));
        match (read, expect) {
            (Ok(status), Ok(wanted)) => assert_eq!(status, wanted, "{query}"),
            (Err(problem), Err(part)) => {
                assert!(problem.to_string().contains(part), "{query}: {problem}");
            }
            (read, expect) => panic!("{query}: {read:?} where {expect:?} was expected"),
        }
    }

    #[test]
    fn is_strict_about_names_and_values() {
        check("", Ok(None));
        check("status=", Ok(None));
        check("status=in_progress", Ok(Some(Status::InProgress)));
        check("status=done", Err("is not a value of status"));
        check("state=queued", Err("there is no parameter \"state\""));
        check("stauts=queued", Err("Did you mean \"status\""));
        check("limit=0", Err("from 1 to 100"));
        check("limit=many", Err("whole number"));
    }

    proptest! {
        #[test]
        fn never_panics(query in "[a-z=&%0-9+]{0,40}") {
            let _ = Params::read(Some(&query), &["status"]).map(|params| params.page().is_ok());
        }
    }
}
