//! From the tree to a value.

use super::{
    Expr, ExprError, ExprErrorKind, Object, Value,
    ast::{Comparison, Node},
    functions,
};
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

/// What the values built while evaluating one expression by itself may take: 1 MiB, as actions/runner has it.
pub const EXPRESSION_BYTES: usize = 1 << 20;

/// What they may take within a template or condition of a document: 10 MiB.
pub const TEMPLATE_BYTES: usize = 10 << 20;

/// What an expression sees of the world. Names arrive as the table of [`AllowedNames`](super::AllowedNames) spells
/// them, whatever their case in the text.
pub trait Scope {
    /// The value of a context; none counts as null.
    fn context(&self, name: &str) -> Option<Value>;

    /// The result of a function that is not built in: `success`, `failure`, `cancelled`, `always`, `hashFiles`. None
    /// when the scope does not have it; an error says why in a sentence.
    fn function(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>>;
}

/// Evaluates an expression by itself, within [`EXPRESSION_BYTES`].
///
/// # Errors
/// A function that refuses its arguments, or values that outgrow the budget.
pub fn eval(expr: &Expr, scope: &dyn Scope) -> Result<Value, ExprError> {
    eval_within(expr, scope, EXPRESSION_BYTES)
}

/// Evaluates an expression with a budget in bytes for the values that it builds on the way.
///
/// # Errors
/// As [`eval`].
pub fn eval_within(expr: &Expr, scope: &dyn Scope, bytes: usize) -> Result<Value, ExprError> {
    let mut evaluation = Evaluation { scope, contexts: BTreeMap::new(), budget: Budget { left: bytes } };
    evaluation.node(&expr.root).map(|found| found.value)
}

/// Bytes that may still be built.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// Pays for text, which GitHub keeps at two bytes a character.
    pub(super) fn spend_text(&mut self, text: &str) -> Result<(), ExprError> {
        self.spend(text.len().saturating_mul(2))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ExprError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            ExprError::new(ExprErrorKind::Memory, "The maximum allowed memory size was exceeded")
        })?;
        Ok(())
    }
}

struct Evaluation<'a> {
    scope: &'a dyn Scope,
    /// Each context is asked for once, so that an object equals itself (`github.event == github.event`).
    contexts: BTreeMap<&'a str, Value>,
    budget: Budget,
}

/// A value, and whether it is an array made by `*`, on which `.name` asks each item.
struct Found {
    value: Value,
    filtered: bool,
}

impl From<Value> for Found {
    fn from(value: Value) -> Found {
        Found { value, filtered: false }
    }
}

/// What one item of a filtered array costs beside its text, which it shares.
const ITEM_BYTES: usize = size_of::<Value>();

impl<'a> Evaluation<'a> {
    fn node(&mut self, node: &'a Node) -> Result<Found, ExprError> {
        Ok(match node {
            Node::Null => Value::Null.into(),
            Node::Bool(value) => Value::Bool(*value).into(),
            Node::Number(value) => Value::Number(*value).into(),
            Node::String(text) => Value::String(text.clone()).into(),
            Node::Context(name) => {
                let scope = self.scope;
                let value =
                    self.contexts.entry(name).or_insert_with(|| scope.context(name).unwrap_or_default());
                value.clone().into()
            }
            Node::Index(inner, key) => {
                let inner = self.node(inner)?;
                let key = self.node(key)?.value;
                self.index(inner, &key)?
            }
            Node::Wildcard(inner) => {
                let inner = self.node(inner)?;
                self.wildcard(&inner)?
            }
            Node::Call(name, arguments) => self.call(name, arguments)?,
            Node::Not(inner) => Value::Bool(!self.node(inner)?.value.is_truthy()).into(),
            Node::Compare(left, comparison, right) => {
                let (left, right) = (self.node(left)?.value, self.node(right)?.value);
                Value::Bool(compare(&left, *comparison, &right)).into()
            }
            Node::And(operands) => self.chain(operands, false)?,
            Node::Or(operands) => self.chain(operands, true)?,
        })
    }

    /// The first operand that decides, or the last one.
    fn chain(&mut self, operands: &'a [Node], decides: bool) -> Result<Found, ExprError> {
        let mut found = Found::from(Value::Null);
        for operand in operands {
            found = self.node(operand)?;
            if found.value.is_truthy() == decides {
                break;
            }
        }
        Ok(found)
    }

    fn index(&mut self, inner: Found, key: &Value) -> Result<Found, ExprError> {
        match (&inner.value, inner.filtered) {
            (Value::Array(items), true) => {
                self.filtered(items.iter().filter_map(|item| property(item, key)).cloned().collect())
            }
            (value, _) => Ok(property(value, key).cloned().unwrap_or_default().into()),
        }
    }

    fn wildcard(&mut self, inner: &Found) -> Result<Found, ExprError> {
        match (&inner.value, inner.filtered) {
            (Value::Array(items), true) => self.filtered(items.iter().flat_map(children).cloned().collect()),
            (value, _) => self.filtered(children(value).into_iter().cloned().collect()),
        }
    }

    fn filtered(&mut self, items: Vec<Value>) -> Result<Found, ExprError> {
        self.budget.spend(items.len() * ITEM_BYTES)?;
        Ok(Found { value: Value::Array(Arc::new(items)), filtered: true })
    }

    fn call(&mut self, name: &str, arguments: &'a [Node]) -> Result<Found, ExprError> {
        if name == "case" {
            return self.case(arguments);
        }
        let arguments: Vec<Value> =
            arguments.iter().map(|node| Ok(self.node(node)?.value)).collect::<Result<_, ExprError>>()?;
        if let Some(result) = functions::call(name, &arguments, &mut self.budget) {
            return result.map(Found::from);
        }
        let refused = |message: String| ExprError::new(ExprErrorKind::Evaluation, message);
        match self.scope.function(name, &arguments) {
            Some(result) => Ok(result.map_err(refused)?.into()),
            None => Err(refused(format!("{name}() has no meaning here"))),
        }
    }

    /// `case(when, then, when, then, .., otherwise)`; only the chosen branch is evaluated.
    fn case(&mut self, arguments: &'a [Node]) -> Result<Found, ExprError> {
        let mut rest = arguments;
        while let [when, then, others @ ..] = rest {
            match self.node(when)?.value {
                Value::Bool(true) => return self.node(then),
                Value::Bool(false) => rest = others,
                Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    let message = "case predicate must evaluate to a boolean value";
                    return Err(ExprError::new(ExprErrorKind::Evaluation, message));
                }
            }
        }
        match rest {
            [otherwise, ..] => self.node(otherwise),
            [] => Ok(Value::Null.into()),
        }
    }
}

fn property<'a>(value: &'a Value, key: &Value) -> Option<&'a Value> {
    match value {
        Value::Object(object) if key.is_primitive() => Object::get(object, &key.to_text()),
        Value::Array(items) => {
            let index = key.to_number().floor();
            // `NaN` is in no range, and beyond the length nothing is there.
            (0.0..items.len() as f64).contains(&index).then(|| &items[index as usize])
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(object) => object.iter().map(|(_, value)| value).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn compare(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let equal = || left.loosely_equals(right);
    let is = |ordering| left.loosely_compares(right) == Some(ordering);
    match comparison {
        Comparison::Equal => equal(),
        Comparison::NotEqual => !equal(),
        Comparison::Less => is(Ordering::Less),
        Comparison::LessOrEqual => is(Ordering::Less) || equal(),
        Comparison::Greater => is(Ordering::Greater),
        Comparison::GreaterOrEqual => is(Ordering::Greater) || equal(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AllowedNames, Function, parse};
    use super::*;
    use std::cell::Cell;

    /// Counts how often it is asked; `hashFiles` gives its arguments back, or complains about none.
    #[derive(Default)]
    struct World {
        asked: Cell<u32>,
    }

    impl Scope for World {
        fn context(&self, name: &str) -> Option<Value> {
            self.asked.set(self.asked.get() + 1);
            let json = serde_json::json!({"list": [{"a": 1, "b": [1]}, {"a": 2}, 3], "Text": "x"});
            (name == "github").then(|| Value::from_json(&json))
        }

        fn function(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
            (name == "hashFiles").then(|| match arguments {
                [] => Err("hashFiles found nothing to do".to_owned()),
                some => Ok(Value::from(some.to_vec())),
            })
        }
    }

    const NAMES: AllowedNames<'static> = AllowedNames::new(
        &["github", "matrix"],
        &[Function::new("hashFiles", 0, 255), Function::new("success", 0, 0)],
    );

    fn result(text: &str) -> Result<String, ExprError> {
        let expr = parse(text, &NAMES)?;
        Ok(eval(&expr, &World::default())?.to_json().to_string())
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(result(text).unwrap_or_else(|error| error.to_string()), expect, "{text}");
    }

    #[test]
    fn asks_the_scope() {
        check("HASHFILES('a', 1)", "[\"a\",1]");
        check("hashfiles()", "hashFiles found nothing to do");
        check("success()", "success() has no meaning here");
        check("matrix.os", "null");
        check("github.TEXT", "\"x\"");
    }

    #[test]
    fn an_object_equals_itself() {
        check("github.list == github['LIST']", "true");
        check("github.list == fromJSON(toJSON(github.list))", "false");
        let world = World::default();
        let expr = parse("github.Text && github.Text && github.Text", &NAMES);
        assert!(expr.and_then(|expr| eval(&expr, &world)).is_ok());
        assert_eq!(world.asked.get(), 1);
    }

    #[test]
    fn a_star_asks_every_item() {
        check("github.list.*.a", "[1,2]");
        check("(github.list.*).a", "[1,2]");
        check("(false || github.list.*).a", "[1,2]");
        check("fromJSON(toJSON(github.list.*)).a", "null");
        check("github.list.*.b[0]", "[1]");
        check("github.list.*.*", "[1,[1],2]");
    }

    #[test]
    fn evaluates_only_what_it_needs() {
        check("true || hashFiles()", "true");
        check("'' && hashFiles()", "\"\"");
        check("case(false, hashFiles(), true, 'b', hashFiles())", "\"b\"");
    }

    #[test]
    fn refuses_what_grows_without_bound() {
        let doubled =
            (0..30).fold("'xxxxxxxxxxxxxxxx'".to_owned(), |text, _| format!("format('{{0}}{{0}}', {text})"));
        check(&doubled, "The maximum allowed memory size was exceeded");
    }

    #[test]
    fn says_what_is_wrong_with_json() {
        check("join(fromJSON('[''3.9'', ''3.10'',] // of Python'), ' ')", "\"3.9 3.10\"");
        check("fromJSON('')", "fromJSON was given an empty text, which is not JSON");
        check(
            "fromJSON('{')",
            "fromJSON was given a text that is not JSON: the text ends within an object at line 1 column 2",
        );
        check(
            &format!("fromJSON('{}')", "[".repeat(9_000)),
            "fromJSON was given a text that is not JSON: more than 64 lists and objects within one another at line 1 column 65",
        );
    }
}
