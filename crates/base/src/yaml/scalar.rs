//! The YAML 1.2 core schema (section 10.3 of the specification).

/// The type of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// `~`, `null` or nothing at all.
    Null,
    /// `true` or `false` in their three spellings.
    Bool(bool),
    /// A decimal, octal (`0o`), hexadecimal (`0x`) or floating point number.
    Number(f64),
    /// Anything else, and everything in quotes.
    String,
}

/// The type of a plain scalar with this text.
pub(super) fn resolve_plain(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "true" | "True" | "TRUE" => ScalarKind::Bool(true),
        "false" | "False" | "FALSE" => ScalarKind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => ScalarKind::Number(f64::NAN),
        _ => match number(text) {
            Some(value) => ScalarKind::Number(value),
            None => ScalarKind::String,
        },
    }
}

/// The type of a scalar with a tag; none for tags beyond the core schema and for texts that do not fit theirs.
pub(super) fn resolve_tagged(handle: &str, suffix: &str, text: &str) -> Option<ScalarKind> {
    // A lone `!` means text.
    if suffix.is_empty() || suffix == "!" {
        return Some(ScalarKind::String);
    }
    let core = handle == "tag:yaml.org,2002:" || handle == "!!";
    match (suffix.strip_prefix("tag:yaml.org,2002:").or(core.then_some(suffix))?, resolve_plain(text)) {
        ("str", _) => Some(ScalarKind::String),
        ("null", kind @ ScalarKind::Null)
        | ("bool", kind @ ScalarKind::Bool(_))
        | ("float", kind @ ScalarKind::Number(_)) => Some(kind),
        ("int", kind @ ScalarKind::Number(value)) if value.fract() == 0.0 => Some(kind),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).map(|n| n as f64);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')).map(|n| n as f64);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    // Rust reads more than the schema allows (`inf`, `nan`, `infinity`), so the alphabet and the shape come first.
    let mut characters = unsigned.chars();
    let first = characters.next()?;
    let shaped =
        first.is_ascii_digit() || first == '.' && characters.next().is_some_and(|c| c.is_ascii_digit());
    let alphabet = unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    (shaped && alphabet).then(|| text.parse().ok()).flatten()
}
