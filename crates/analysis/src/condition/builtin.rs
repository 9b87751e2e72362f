//! Functions of values.

use super::{
    Value,
    eval::{Evaluated, Stop, compare, member, wrong},
};
use std::collections::BTreeMap;

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "asInt",
    "asFloat",
    "isNaN",
    "isInf",
    "isNil",
    "default",
    "len",
    "type",
    "abs",
    "ceil",
    "floor",
    "round",
    "int",
    "float",
    "string",
    "trim",
    "trimPrefix",
    "trimSuffix",
    "upper",
    "lower",
    "split",
    "splitAfter",
    "replace",
    "repeat",
    "join",
    "indexOf",
    "lastIndexOf",
    "hasPrefix",
    "hasSuffix",
    "max",
    "min",
    "mean",
    "median",
    "first",
    "last",
    "get",
    "take",
    "keys",
    "values",
    "toPairs",
    "fromPairs",
    "reverse",
    "sort",
    "uniq",
    "concat",
    "flatten",
];

/// How many arguments a function takes, at least and at most.
pub(super) fn arity(name: &str) -> (usize, usize) {
    match name {
        "default" | "repeat" | "indexOf" | "lastIndexOf" | "hasPrefix" | "hasSuffix" | "get" | "take" => {
            (2, 2)
        }
        "trim" | "trimPrefix" | "trimSuffix" | "join" | "sort" => (1, 2),
        "split" | "splitAfter" => (2, 3),
        "replace" => (3, 4),
        "max" | "min" | "sum" | "mean" | "median" | "concat" => (1, usize::MAX),
        _ => (1, 1),
    }
}

/// Calls a function whose name and number of arguments were checked when the condition was read.
pub(super) fn call(name: &str, args: &[Value]) -> Evaluated {
    let [first, rest @ ..] = args else { return wrong(format!("`{name}` needs an argument")) };
    match name {
        "asInt" | "int" => to_int(first),
        "asFloat" | "float" => to_float(first),
        "isNaN" => Ok(Value::Bool(number(name, first)?.is_nan())),
        "isInf" => Ok(Value::Bool(number(name, first)?.is_infinite())),
        "isNil" => Ok(Value::Bool(*first == Value::Nil)),
        "default" => {
            Ok(if *first == Value::Nil { rest.first().cloned().unwrap_or(Value::Nil) } else { first.clone() })
        }
        "type" => Ok(Value::string(first.kind())),
        "abs" => match first.as_int() {
            Some(number) => {
                number.checked_abs().map(Value::Int).map_or_else(|| wrong("the number is too large"), Ok)
            }
            None => Ok(Value::Float(number(name, first)?.abs())),
        },
        "ceil" => Ok(Value::Float(number(name, first)?.ceil())),
        "floor" => Ok(Value::Float(number(name, first)?.floor())),
        "round" => Ok(Value::Float(number(name, first)?.round())),
        "string" => match first {
            Value::Nil => Ok(Value::string("<nil>")),
            Value::Array(_) | Value::Map(_) => wrong("lists and maps have no text"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
                Ok(Value::string(&first.to_string()))
            }
        },
        "max" | "min" | "sum" | "mean" | "median" => aggregate(name, args),
        "len" => {
            let text = first.as_text().map(|text| text.chars().count());
            let length = text.or(first.as_array().map(<[Value]>::len)).or(first.as_map().map(BTreeMap::len));
            length.map_or_else(
                || wrong(format!("{} has no length", first.kind())),
                |len| Ok(Value::Int(len as i64)),
            )
        }
        "first" => Ok(items(name, first)?.first().cloned().unwrap_or(Value::Nil)),
        "last" => Ok(items(name, first)?.last().cloned().unwrap_or(Value::Nil)),
        "get" => match (first, &rest[0]) {
            (Value::Array(_) | Value::Map(_) | Value::Nil, key) => {
                Ok(member(first, key).unwrap_or(Value::Nil))
            }
            (other, _) => wrong(format!("{} has no items", other.kind())),
        },
        "take" => {
            let count = usize::try_from(whole(name, &rest[0])?).unwrap_or(0);
            Ok(Value::array(items(name, first)?.iter().take(count).cloned().collect()))
        }
        "keys" => Ok(Value::array(pairs(name, first)?.keys().map(|key| Value::string(key)).collect())),
        "values" => Ok(Value::array(pairs(name, first)?.values().cloned().collect())),
        "toPairs" => {
            let pair =
                |(key, value): (&String, &Value)| Value::array(vec![Value::string(key), value.clone()]);
            Ok(Value::array(pairs(name, first)?.iter().map(pair).collect()))
        }
        "fromPairs" => from_pairs(items(name, first)?),
        "reverse" => Ok(Value::array(items(name, first)?.iter().rev().cloned().collect())),
        "sort" => {
            let mut sorted = items(name, first)?.to_vec();
            sort_by(&mut sorted, |value| value, descending(rest.first())?)?;
            Ok(Value::array(sorted))
        }
        "uniq" => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items(name, first)? {
                if !kept.iter().any(|other| other.equals(item)) {
                    kept.push(item.clone());
                }
            }
            Ok(Value::array(kept))
        }
        "concat" => {
            let mut all = Vec::new();
            for list in args {
                all.extend(items(name, list)?.iter().cloned());
            }
            Ok(Value::array(all))
        }
        "flatten" => {
            let mut flat = Vec::new();
            flatten(items(name, first)?, &mut flat);
            Ok(Value::array(flat))
        }
        "join" => {
            let separator = rest.first().map_or(Ok(""), |separator| text(name, separator))?;
            let parts: Result<Vec<&str>, Stop> =
                items(name, first)?.iter().map(|part| text(name, part)).collect();
            Ok(Value::string(&parts?.join(separator)))
        }
        _ => on_text(name, text(name, first)?, rest),
    }
}

/// The order in which `sort` and `sortBy` put values: numbers or texts, not both.
pub(super) fn sort_by<T>(items: &mut [T], key: impl Fn(&T) -> &Value, descending: bool) -> Result<(), Stop> {
    let mut failed = None;
    items.sort_by(|a, b| {
        let (a, b) = if descending { (b, a) } else { (a, b) };
        match compare(key(a), key(b)) {
            Ok(order) => order.unwrap_or(std::cmp::Ordering::Equal),
            Err(stop) => {
                failed = Some(stop);
                std::cmp::Ordering::Equal
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Reads the order argument of `sort` and `sortBy`.
pub(super) fn descending(order: Option<&Value>) -> Result<bool, Stop> {
    match order {
        None => Ok(false),
        Some(Value::String(text)) if text.as_ref() == "asc" => Ok(false),
        Some(Value::String(text)) if text.as_ref() == "desc" => Ok(true),
        Some(_) => wrong("the order is \"asc\" or \"desc\""),
    }
}

/// The items of a list.
pub(super) fn items<'a>(name: &str, value: &'a Value) -> Result<&'a [Value], Stop> {
    value.as_array().map_or_else(|| needs(name, "a list", value), Ok)
}

fn on_text(name: &str, subject: &str, rest: &[Value]) -> Evaluated {
    let part = |index: usize| rest.get(index).map_or(Ok(""), |part| text(name, part));
    let limit = |index: usize| rest.get(index).map(|limit| whole(name, limit)).transpose();
    let at = |found: Option<usize>| Value::Int(found.map_or(-1, |at| at as i64));
    Ok(match name {
        "trim" => match rest.first() {
            None => Value::string(subject.trim()),
            Some(set) => {
                let set = text(name, set)?;
                Value::string(subject.trim_matches(|c| set.contains(c)))
            }
        },
        "trimPrefix" => Value::string(subject.strip_prefix(part(0)?).unwrap_or(subject)),
        "trimSuffix" => Value::string(subject.strip_suffix(part(0)?).unwrap_or(subject)),
        "upper" => Value::string(&subject.to_uppercase()),
        "lower" => Value::string(&subject.to_lowercase()),
        "hasPrefix" => Value::Bool(subject.starts_with(part(0)?)),
        "hasSuffix" => Value::Bool(subject.ends_with(part(0)?)),
        "indexOf" => at(subject.find(part(0)?)),
        "lastIndexOf" => at(subject.rfind(part(0)?)),
        "split" | "splitAfter" => {
            let separator = part(0)?;
            let most = limit(1)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
            let parts: Vec<Value> = match (name, separator) {
                (_, "") => subject.chars().map(|c| Value::string(&c.to_string())).collect(),
                ("split", _) => subject.splitn(most, separator).map(Value::string).collect(),
                _ => split_after(subject, separator, most),
            };
            Value::array(parts)
        }
        "replace" => {
            let (from, to) = (part(0)?, part(1)?);
            Value::string(&match limit(2)?.and_then(|limit| usize::try_from(limit).ok()) {
                Some(limit) => subject.replacen(from, to, limit),
                None => subject.replace(from, to),
            })
        }
        "repeat" => {
            let count = usize::try_from(whole(name, &rest[0])?).unwrap_or(0);
            if subject.len().saturating_mul(count) > 1_000_000 {
                return wrong("the repeated text would be too long");
            }
            Value::string(&subject.repeat(count))
        }
        _ => return wrong(format!("there is no function `{name}`")),
    })
}

fn split_after(subject: &str, separator: &str, most: usize) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = subject;
    while parts.len() + 1 < most
        && let Some(at) = rest.find(separator)
    {
        let (part, behind) = rest.split_at(at + separator.len());
        parts.push(Value::string(part));
        rest = behind;
    }
    parts.push(Value::string(rest));
    parts
}

/// Lists among the arguments count with all their items.
fn aggregate(name: &str, args: &[Value]) -> Evaluated {
    let mut all = Vec::new();
    flatten(args, &mut all);
    let mut numbers = Vec::with_capacity(all.len());
    for value in &all {
        numbers.push(number(name, value)?);
    }
    let whole = all.iter().all(|value| matches!(value, Value::Int(_)));
    match name {
        "max" | "min" => {
            let mut best: Option<&Value> = None;
            for value in &all {
                let wanted =
                    if name == "max" { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less };
                let better = match best {
                    Some(best) => compare(value, best)? == Some(wanted),
                    None => true,
                };
                best = if better { Some(value) } else { best };
            }
            Ok(best.cloned().unwrap_or(Value::Nil))
        }
        "sum" if whole => {
            let sum = all.iter().filter_map(Value::as_int).try_fold(0_i64, i64::checked_add);
            sum.map(Value::Int).map_or_else(|| wrong("the number is too large"), Ok)
        }
        "sum" => Ok(Value::Float(numbers.iter().sum())),
        "mean" if numbers.is_empty() => Ok(Value::Float(0.0)),
        "mean" => Ok(Value::Float(numbers.iter().sum::<f64>() / numbers.len() as f64)),
        _ => {
            numbers.sort_by(f64::total_cmp);
            let middle = numbers.len() / 2;
            Ok(Value::Float(match (numbers.len(), numbers.len() % 2) {
                (0, _) => 0.0,
                (_, 1) => numbers[middle],
                (_, _) => f64::midpoint(numbers[middle - 1], numbers[middle]),
            }))
        }
    }
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item.as_array() {
            Some(inner) => flatten(inner, flat),
            None => flat.push(item.clone()),
        }
    }
}

fn from_pairs(list: &[Value]) -> Evaluated {
    let mut map = BTreeMap::new();
    for pair in list {
        match items("fromPairs", pair)? {
            [Value::String(key), value] => map.insert(key.to_string(), value.clone()),
            _ => return wrong("`fromPairs` needs a list of pairs, each of a text and a value"),
        };
    }
    Ok(Value::map(map))
}

fn to_int(value: &Value) -> Evaluated {
    if let Some(text) = value.as_text() {
        return text
            .parse()
            .map_or_else(|_| wrong(format!("`{text}` is not a whole number")), |n| Ok(Value::Int(n)));
    }
    if let Some(number) = value.as_int() {
        return Ok(Value::Int(number));
    }
    match value.as_number().filter(|number| number.is_finite() && number.abs() < 9.2e18) {
        Some(number) => Ok(Value::Int(number as i64)),
        None => wrong(format!("{value} cannot be made a whole number")),
    }
}

fn to_float(value: &Value) -> Evaluated {
    match value.as_text() {
        Some(text) => {
            text.parse().map_or_else(|_| wrong(format!("`{text}` is not a number")), |n| Ok(Value::Float(n)))
        }
        None => number("asFloat", value).map(Value::Float),
    }
}

fn number(name: &str, value: &Value) -> Result<f64, Stop> {
    value.as_number().map_or_else(|| needs(name, "a number", value), Ok)
}

fn whole(name: &str, value: &Value) -> Result<i64, Stop> {
    value.as_int().map_or_else(|| needs(name, "a whole number", value), Ok)
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, Stop> {
    value.as_text().map_or_else(|| needs(name, "a text", value), Ok)
}

fn pairs<'a>(name: &str, value: &'a Value) -> Result<&'a BTreeMap<String, Value>, Stop> {
    value.as_map().map_or_else(|| needs(name, "a map", value), Ok)
}

fn needs<T>(name: &str, wanted: &str, value: &Value) -> Result<T, Stop> {
    wrong(format!("`{name}` needs {wanted}, but this is {}", value.kind()))
}
