//! Functions over lists with a predicate: `all(result, {# > 1})`.

use super::{
    Value,
    ast::Expr,
    builtin::{self, descending, items, sort_by},
    eval::{Evaluated, Frame, Scope, truth, wrong},
    number,
};
use std::collections::BTreeMap;

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "all",
    "any",
    "none",
    "one",
    "filter",
    "map",
    "count",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "groupBy",
    "sortBy",
    "reduce",
    "sum",
];

/// How many arguments may follow the predicate.
pub(super) fn extra(name: &str) -> usize {
    usize::from(name == "sortBy" || name == "reduce")
}

/// Calls a function; without a predicate (only `count` and `sum`) it is about the items themselves.
pub(super) fn call(
    scope: &mut Scope,
    name: &str,
    list: &Value,
    predicate: Option<&Expr>,
    rest: &[Value],
) -> Evaluated {
    if name == "sum" {
        return match predicate {
            Some(predicate) => sum(scope, list, predicate),
            None => builtin::call(name, std::slice::from_ref(list)),
        };
    }
    let list = items(name, list)?;
    scope.spend(list.len() as u64)?;
    if name == "reduce" {
        return reduce(scope, list, predicate, rest.first());
    }
    let mut of = |index: usize| {
        let item = list[index].clone();
        match predicate {
            Some(predicate) => scope.within(Frame { item, index, accumulator: None }, predicate),
            None => Ok(item),
        }
    };
    let indices = 0..list.len();
    match name {
        "all" | "any" | "none" => {
            // "all" stops at the first that is not, the others at the first that is.
            let stop = name != "all";
            for index in indices {
                if truth(&of(index)?)? == stop {
                    return Ok(Value::Bool(name == "any"));
                }
            }
            Ok(Value::Bool(name != "any"))
        }
        "one" | "count" => {
            let mut count = 0;
            for index in indices {
                count += i64::from(truth(&of(index)?)?);
            }
            Ok(if name == "one" { Value::Bool(count == 1) } else { Value::Int(count) })
        }
        "map" => Ok(Value::array(indices.map(of).collect::<Result<_, _>>()?)),
        "filter" => {
            let mut kept = Vec::new();
            for index in indices {
                if truth(&of(index)?)? {
                    kept.push(list[index].clone());
                }
            }
            Ok(Value::array(kept))
        }
        "find" | "findIndex" => search(list, name == "findIndex", indices, of),
        "findLast" | "findLastIndex" => search(list, name == "findLastIndex", indices.rev(), of),
        "groupBy" => {
            let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for index in indices {
                let key = of(index)?;
                let Some(name) = key.as_text() else {
                    return wrong(format!("groups are named by texts, but this name is {}", key.kind()));
                };
                groups.entry(name.to_owned()).or_default().push(list[index].clone());
            }
            Ok(Value::map(groups.into_iter().map(|(key, items)| (key, Value::array(items))).collect()))
        }
        "sortBy" => {
            let mut keyed: Vec<(Value, Value)> = Vec::new();
            for index in indices {
                keyed.push((of(index)?, list[index].clone()));
            }
            sort_by(&mut keyed, |(key, _)| key, descending(rest.first())?)?;
            Ok(Value::array(keyed.into_iter().map(|(_, item)| item).collect()))
        }
        _ => wrong(format!("there is no function `{name}`")),
    }
}

fn search(
    list: &[Value],
    index_wanted: bool,
    indices: impl Iterator<Item = usize>,
    mut of: impl FnMut(usize) -> Evaluated,
) -> Evaluated {
    for index in indices {
        if truth(&of(index)?)? {
            return Ok(if index_wanted { Value::Int(index as i64) } else { list[index].clone() });
        }
    }
    Ok(Value::Nil)
}

fn reduce(scope: &mut Scope, list: &[Value], predicate: Option<&Expr>, start: Option<&Value>) -> Evaluated {
    let Some(predicate) = predicate else { return wrong("`reduce` needs a predicate") };
    let (mut accumulator, skip) = match (start, list.first()) {
        (Some(start), _) => (start.clone(), 0),
        (None, Some(first)) => (first.clone(), 1),
        (None, None) => return wrong("`reduce` of an empty list needs a start value"),
    };
    for (index, item) in list.iter().enumerate().skip(skip) {
        let frame = Frame { item: item.clone(), index, accumulator: Some(accumulator) };
        accumulator = scope.within(frame, predicate)?;
    }
    Ok(accumulator)
}

/// The sum of what a predicate gives for each item; an empty list sums to zero.
fn sum(scope: &mut Scope, list: &Value, predicate: &Expr) -> Evaluated {
    let mut total = Value::Int(0);
    for (index, item) in items("sum", list)?.iter().enumerate() {
        let frame = Frame { item: item.clone(), index, accumulator: None };
        let value = scope.within(frame, predicate)?;
        total = number::arithmetic(super::ast::Arithmetic::Add, &total, &value)?;
    }
    Ok(total)
}
