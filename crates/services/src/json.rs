//! Fields of requests, in either spelling that the JSON form of protocol buffers allows: `restore_keys` or `restoreKeys`.

use crate::error::Refusal;
use serde_json::Value;

/// A request.
pub(crate) struct Message<'a>(pub(crate) &'a Value);

impl<'a> Message<'a> {
    fn field(&self, name: &str) -> Option<&'a Value> {
        let found = self.0.get(name).or_else(|| self.0.get(camel(name)));
        found.filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        self.optional(name)?.ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
    }

    /// A text, which wrappers (`{"value": ".."}`) may hold.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let text = value.as_str().or_else(|| value.get("value").and_then(Value::as_str));
        text.map(Some).ok_or_else(|| Refusal::invalid(format!("{name} must be a text")))
    }

    /// Texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let wrong = || Refusal::invalid(format!("{name} must be a list of texts"));
        let Some(value) = self.field(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(wrong)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    /// A 64-bit number, which may be written as a text.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let value = if value.is_object() { value.get("value").unwrap_or(value) } else { value };
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number
            .map(Some)
            .ok_or_else(|| Refusal::invalid(format!("{name} must be a number that is not negative")))
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_and_wrappers_are_read() {
        let value = json!({ "restoreKeys": ["a"], "size_bytes": "12", "mimeType": { "value": "x" }, "n": 3, "z": null });
        let message = Message(&value);
        assert_eq!(message.texts("restore_keys"), Ok(vec!["a".to_owned()]));
        assert_eq!(message.number("size_bytes"), Ok(Some(12)));
        assert_eq!(message.optional("mime_type"), Ok(Some("x")));
        assert_eq!(message.number("n"), Ok(Some(3)));
        assert_eq!(message.optional("z"), Ok(None));
        assert!(message.text("key").is_err());
        assert!(message.text("n").is_err());
        assert!(message.number("restore_keys").is_err());
        assert!(Message(&json!([1])).text("key").is_err());
    }
}
