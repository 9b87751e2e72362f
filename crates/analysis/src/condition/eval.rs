//! Evaluating the tree, within a budget of work.

use super::{
    Value,
    ast::{Binary, Expr, Pointer, Unary},
    builtin, number, predicate,
};
use std::collections::BTreeMap;

/// Steps and items one evaluation may cost.
const BUDGET: u64 = 5_000_000;

/// Why evaluation stopped.
pub(super) enum Stop {
    /// `?.` met nil: the whole chain is nil.
    Nil,
    /// Something is wrong, as one sentence.
    Error(String),
}

pub(super) type Evaluated = Result<Value, Stop>;

/// What expressions see.
pub(super) struct Scope {
    variables: Vec<(String, Value)>,
    pointers: Vec<Frame>,
    budget: u64,
}

/// What `#`, `#index` and `#acc` are in one predicate.
pub(super) struct Frame {
    pub(super) item: Value,
    pub(super) index: usize,
    pub(super) accumulator: Option<Value>,
}

/// Evaluates a whole tree.
pub(super) fn run(root: &Expr, variables: &[(&str, Value)]) -> Result<Value, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut scope = Scope { variables, pointers: Vec::new(), budget: BUDGET };
    match scope.eval(root) {
        Ok(value) => Ok(value),
        Err(Stop::Nil) => Ok(Value::Nil),
        Err(Stop::Error(message)) => Err(message),
    }
}

/// Stops with a message.
pub(super) fn wrong<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Error(message.into()))
}

impl Scope {
    pub(super) fn eval(&mut self, expr: &Expr) -> Evaluated {
        self.spend(1)?;
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) if name == "$env" => {
                Ok(Value::map(self.variables.iter().cloned().collect::<BTreeMap<_, _>>()))
            }
            Expr::Name(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => Ok(value.clone()),
                None => wrong(format!("unknown name `{name}`")),
            },
            Expr::Pointer(pointer) => self.pointer(*pointer),
            Expr::Array(items) => Ok(Value::array(self.eval_all(items)?)),
            Expr::Map(pairs) => self.map(pairs),
            Expr::Member { base, key, optional } => {
                let base = self.eval(base)?;
                if *optional && base == Value::Nil {
                    return Err(Stop::Nil);
                }
                let key = self.eval(key)?;
                member(&base, &key)
            }
            Expr::Slice { base, from, to } => {
                let base = self.eval(base)?;
                let mut bound = |end: &Option<Box<Expr>>| end.as_ref().map(|end| self.eval(end)).transpose();
                let (from, to) = (bound(from)?, bound(to)?);
                slice(&base, from, to)
            }
            Expr::Chain(inner) => match self.eval(inner) {
                Err(Stop::Nil) => Ok(Value::Nil),
                other => other,
            },
            Expr::Unary(operator, operand) => {
                let operand = self.eval(operand)?;
                match operator {
                    Unary::Not => Ok(Value::Bool(!truth(&operand)?)),
                    Unary::Minus => number::negate(&operand),
                    Unary::Plus => operand.as_number().map(|_| operand.clone()).map_or_else(
                        || wrong(format!("`+` needs a number, but this is {}", operand.kind())),
                        Ok,
                    ),
                }
            }
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Conditional(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let holds = self.eval(condition)?;
                if truth(&holds)? { self.eval(then) } else { self.eval(otherwise) }
            }
            Expr::Call { name, args } => {
                let args = self.eval_all(args)?;
                builtin::call(name, &args)
            }
            Expr::Over { name, list, predicate, rest } => {
                let list = self.eval(list)?;
                let rest = self.eval_all(rest)?;
                predicate::call(self, name, &list, predicate.as_deref(), &rest)
            }
            Expr::Let { name, value, body } => {
                let value = self.eval(value)?;
                self.variables.push((name.clone(), value));
                let result = self.eval(body);
                self.variables.pop();
                result
            }
            Expr::Sequence(items) => {
                let mut last = Value::Nil;
                for item in items {
                    last = self.eval(item)?;
                }
                Ok(last)
            }
        }
    }

    /// Evaluates a predicate for one item.
    pub(super) fn within(&mut self, frame: Frame, predicate: &Expr) -> Evaluated {
        self.pointers.push(frame);
        let value = self.eval(predicate);
        self.pointers.pop();
        value
    }

    /// Pays for work; a condition that would run away stops instead.
    pub(super) fn spend(&mut self, cost: u64) -> Result<(), Stop> {
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => wrong("the condition takes too much work"),
        }
    }

    fn eval_all(&mut self, items: &[Expr]) -> Result<Vec<Value>, Stop> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    fn pointer(&self, pointer: Pointer) -> Evaluated {
        let Some(frame) = self.pointers.last() else { return wrong("`#` stands outside of a predicate") };
        match pointer {
            Pointer::Item => Ok(frame.item.clone()),
            Pointer::Index => Ok(Value::Int(frame.index as i64)),
            Pointer::Accumulator => match &frame.accumulator {
                Some(value) => Ok(value.clone()),
                None => wrong("`#acc` has a meaning only in reduce"),
            },
        }
    }

    fn map(&mut self, pairs: &[(Expr, Expr)]) -> Evaluated {
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            let key = self.eval(key)?;
            let Some(name) = key.as_text() else {
                return wrong(format!("keys are texts, but this one is {}", key.kind()));
            };
            let value = self.eval(value)?;
            // Of a repeated key the first counts, as in expr.
            map.entry(name.to_owned()).or_insert(value);
        }
        Ok(Value::map(map))
    }

    fn binary(&mut self, operator: Binary, left: &Expr, right: &Expr) -> Evaluated {
        let left = self.eval(left)?;
        if operator == Binary::Coalesce && left != Value::Nil {
            return Ok(left);
        }
        if (operator == Binary::And && !truth(&left)?) || (operator == Binary::Or && truth(&left)?) {
            return Ok(Value::Bool(operator == Binary::Or));
        }
        let right = self.eval(right)?;
        match operator {
            Binary::And | Binary::Or => truth(&right).map(Value::Bool),
            Binary::Coalesce => Ok(right),
            Binary::Equal => equal(&left, &right).map(Value::Bool),
            Binary::NotEqual => equal(&left, &right).map(|same| Value::Bool(!same)),
            Binary::Less => compare(&left, &right).map(|order| Value::Bool(order.is_some_and(|o| o.is_lt()))),
            Binary::LessOrEqual => {
                compare(&left, &right).map(|order| Value::Bool(order.is_some_and(|o| o.is_le())))
            }
            Binary::Greater => {
                compare(&left, &right).map(|order| Value::Bool(order.is_some_and(|o| o.is_gt())))
            }
            Binary::GreaterOrEqual => {
                compare(&left, &right).map(|order| Value::Bool(order.is_some_and(|o| o.is_ge())))
            }
            Binary::In => contains(&right, &left),
            Binary::Contains => texts(&left, &right, |a, b| a.contains(b)),
            Binary::StartsWith => texts(&left, &right, |a, b| a.starts_with(b)),
            Binary::EndsWith => texts(&left, &right, |a, b| a.ends_with(b)),
            Binary::Range => self.range(&left, &right),
            Binary::Arithmetic(operator) => number::arithmetic(operator, &left, &right),
        }
    }

    fn range(&mut self, from: &Value, to: &Value) -> Evaluated {
        let (Value::Int(from), Value::Int(to)) = (from, to) else {
            return wrong("a range needs two whole numbers");
        };
        self.spend(to.saturating_sub(*from).max(0).unsigned_abs())?;
        Ok(Value::array((*from..=*to).map(Value::Int).collect()))
    }
}

/// A truth value.
pub(super) fn truth(value: &Value) -> Result<bool, Stop> {
    if let Value::Bool(value) = value {
        return Ok(*value);
    }
    wrong(format!("a truth value must stand here, but this is {}", value.kind()))
}

/// Whether two values are the same. Two scalars of different kinds can never be, so comparing them is an error.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Stop> {
    let scalar = |value: &Value| match value {
        Value::Bool(_) => Some(0),
        Value::Int(_) | Value::Float(_) => Some(1),
        Value::String(_) => Some(2),
        Value::Nil | Value::Array(_) | Value::Map(_) => None,
    };
    match (scalar(left), scalar(right)) {
        (Some(a), Some(b)) if a != b => {
            wrong(format!("a value of kind {} can never equal one of kind {}", left.kind(), right.kind()))
        }
        _ => Ok(left.equals(right)),
    }
}

/// The order of two numbers or two texts; `None` for numbers that have none (NaN).
pub(super) fn compare(left: &Value, right: &Value) -> Result<Option<std::cmp::Ordering>, Stop> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
        (a, b) => match (a.as_number(), b.as_number()) {
            (Some(a), Some(b)) => Ok(a.partial_cmp(&b)),
            (_, _) => wrong(format!("{} and {} have no order", a.kind(), b.kind())),
        },
    }
}

fn contains(list: &Value, item: &Value) -> Evaluated {
    match (list, item) {
        (Value::Array(items), item) => Ok(Value::Bool(items.iter().any(|other| other.equals(item)))),
        (Value::Map(pairs), Value::String(key)) => Ok(Value::Bool(pairs.contains_key(key.as_ref()))),
        (Value::Nil, _) => Ok(Value::Bool(false)),
        (other, _) => wrong(format!("`in` needs a list or a map, but this is {}", other.kind())),
    }
}

fn texts(left: &Value, right: &Value, holds: impl Fn(&str, &str) -> bool) -> Evaluated {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(Value::Bool(holds(left, right))),
        (Value::Nil, _) | (_, Value::Nil) => Ok(Value::Bool(false)),
        (left, right) => {
            wrong(format!("two texts must stand here, but these are {} and {}", left.kind(), right.kind()))
        }
    }
}

/// A member of a map or an item of a list; negative indices count from the end.
pub(super) fn member(base: &Value, key: &Value) -> Evaluated {
    match (base, key) {
        (Value::Map(pairs), Value::String(key)) => Ok(pairs.get(key.as_ref()).cloned().unwrap_or(Value::Nil)),
        (Value::Array(items), Value::Int(index)) => {
            match position(*index, items.len()).and_then(|at| items.get(at)) {
                Some(item) => Ok(item.clone()),
                None => wrong(format!("the list has {} items, and this asks for item {index}", items.len())),
            }
        }
        (Value::String(text), Value::Int(index)) => {
            let chars: Vec<char> = text.chars().collect();
            match position(*index, chars.len()).and_then(|at| chars.get(at)) {
                Some(c) => Ok(Value::string(&c.to_string())),
                None => wrong(format!("the text has {} characters, and this asks for {index}", chars.len())),
            }
        }
        (Value::Nil, _) => wrong(format!("nil has no member `{key}`; `?.` gives nil instead")),
        (base, key) => wrong(format!("{} has no member `{key}`", base.kind())),
    }
}

fn position(index: i64, len: usize) -> Option<usize> {
    usize::try_from(if index < 0 { index + len as i64 } else { index }).ok()
}

fn slice(base: &Value, from: Option<Value>, to: Option<Value>) -> Evaluated {
    let end = |bound: Option<Value>, len: usize, default: usize| match bound {
        None => Ok(default),
        Some(Value::Int(index)) => Ok(position(index, len).unwrap_or(0).min(len)),
        Some(Value::Float(index)) if index.fract() == 0.0 => {
            Ok(position(index as i64, len).unwrap_or(0).min(len))
        }
        Some(other) => wrong(format!("a slice needs whole numbers, but this is {}", other.kind())),
    };
    if let Some(items) = base.as_array() {
        let (from, to) = (end(from, items.len(), 0)?, end(to, items.len(), items.len())?);
        return Ok(Value::array(items.get(from..to).unwrap_or_default().to_vec()));
    }
    let Some(text) = base.as_text() else { return wrong(format!("{} cannot be sliced", base.kind())) };
    let chars: Vec<char> = text.chars().collect();
    let (from, to) = (end(from, chars.len(), 0)?, end(to, chars.len(), chars.len())?);
    Ok(Value::string(&chars.get(from..to).unwrap_or_default().iter().collect::<String>()))
}
