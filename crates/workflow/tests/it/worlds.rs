//! Events and contexts for tests.

use serde_json::json;
use shipway_workflow::event::Event;

pub(crate) fn push(reference: &str, changed: Option<&[&str]>) -> Event {
    Event {
        name: "push".to_owned(),
        payload: json!({"ref": reference}),
        reference: reference.to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        changed: changed.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect()),
    }
}
