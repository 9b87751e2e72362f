//! `toJSON`: two spaces a level, numbers as the language writes them.

use super::{Value, number};

/// Writes a value as JSON text. `NaN` and the infinities are written by name, as GitHub does, though JSON lacks them.
pub(super) fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => out.push_str(&number::to_text(*value)),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => write_items('[', items.iter(), depth, ']', out, |item, out| {
            write(item, depth + 1, out);
        }),
        Value::Object(object) => write_items('{', object.iter(), depth, '}', out, |(key, value), out| {
            write_text(key, out);
            out.push_str(": ");
            write(value, depth + 1, out);
        }),
    }
}

fn write_items<T>(
    open: char,
    items: impl ExactSizeIterator<Item = T>,
    depth: usize,
    close: char,
    out: &mut String,
    write_item: impl Fn(T, &mut String),
) {
    out.push(open);
    let empty = items.len() == 0;
    for (i, item) in items.enumerate() {
        out.push_str(if i > 0 { ",\n" } else { "\n" });
        out.extend(std::iter::repeat_n("  ", depth + 1));
        write_item(item, out);
    }
    if !empty {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
    out.push(close);
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_serde_reads_back() {
        let json =
            serde_json::json!({"a": [1, 2.5, {"b\n\"": "\u{1}\u{2028}é\\"}], "c": {}, "d": [], "e": null});
        let mut out = String::new();
        write(&Value::from_json(&json), 0, &mut out);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&out).ok(), Some(json));
        assert!(out.starts_with("{\n  \"a\": [\n    1,\n    2.5,\n    {\n      \"b\\n"), "{out}");
    }
}
