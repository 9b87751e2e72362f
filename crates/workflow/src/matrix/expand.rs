//! From the text of a matrix to its legs.
//!
//! The order and the rules are GitHub's (actions/runner, "MatrixBuilder"): the cross product of all vectors, the last
//! varying fastest; less what an entry of `exclude` matches in all its leaves; each remaining one grown by every entry
//! of `include` whose keys that are vectors match; then the entries of `include` that matched nothing.

use super::{Leg, Tree};
use crate::{
    document::{Entries, Key},
    expr::{Object, Scope, Value},
};
use shipway_base::{Diagnostic, Source, Span};

/// How many legs a matrix may have.
pub const MOST_LEGS: usize = 256;

/// Up to which number the legs of a matrix that has too many are told.
const COUNTED: usize = 1_000_000;

/// The scope of a tree without expressions, which asks for nothing.
pub(super) struct NoContexts;

impl Scope for NoContexts {
    fn context(&self, _: &str) -> Option<Value> {
        None
    }

    fn function(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

pub(super) struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) span: Span,
}

impl Builder<'_> {
    fn error(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("SW0116", self.source, span, message)
    }

    pub(super) fn evaluate(&self, tree: &Tree, scope: &dyn Scope) -> Result<Value, Diagnostic> {
        match tree {
            Tree::Scalar(value) => Ok(value.value.clone()),
            Tree::Template(template) => template.eval_value(scope),
            Tree::Sequence(items, _) => {
                let mut values = Vec::new();
                for item in items {
                    match (item, self.evaluate(item, scope)?) {
                        // The items of an array that an expression gives take the expression's place.
                        (Tree::Template(_), Value::Array(inserted)) => {
                            values.extend(inserted.iter().cloned())
                        }
                        (_, value) => values.push(value),
                    }
                }
                Ok(values.into())
            }
            Tree::Mapping(pairs, _) => {
                let mut all = Entries::new();
                for (key, value) in pairs {
                    let value = self.evaluate(value, scope)?;
                    match key {
                        Key::Name(name) => all.add(&name.value, value, self.source, name.span)?,
                        Key::Expression(key) => {
                            all.add(&key.eval_string(scope)?, value, self.source, key.span())?;
                        }
                        Key::Insert(span) => self.insert(&mut all, &value, *span)?,
                    }
                }
                Ok(all.into_inner().into_iter().collect::<Object>().into())
            }
        }
    }

    /// Adds the entries of an object that stands in the place of `${{ insert }}`.
    fn insert(&self, all: &mut Entries<Value>, value: &Value, span: Span) -> Result<(), Diagnostic> {
        match value {
            Value::Object(object) => {
                object.iter().try_for_each(|(name, value)| all.add(name, value.clone(), self.source, span))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self
                    .error(span, format!("what is inserted must be an object, but it is {}", kind(value))))
            }
        }
    }

    /// The legs of a matrix that is a value already.
    pub(super) fn of_value(&self, matrix: &Value) -> Result<Vec<Leg>, Diagnostic> {
        let Some(matrix) = matrix.as_object() else {
            return Err(
                self.error(self.span, format!("the matrix must be an object, but it is {}", kind(matrix)))
            );
        };
        self.legs(matrix)
    }

    fn legs(&self, matrix: &Object) -> Result<Vec<Leg>, Diagnostic> {
        let mut vectors: Vec<(&str, &[Value])> = Vec::new();
        for (name, value) in matrix.iter().filter(|(name, _)| !is_filter(name)) {
            let Some(values) = value.as_array() else {
                let message = format!("matrix.{name} must be a sequence, but it is {}", kind(value));
                return Err(self.error(self.span, message));
            };
            if values.is_empty() {
                return Err(self.error(self.span, format!("matrix.{name} has no values")));
            }
            vectors.push((name, values));
        }
        let includes = self.filters(matrix, "include")?;
        let excludes = self.filters(matrix, "exclude")?;
        if vectors.is_empty() && includes.is_empty() {
            return Err(self.error(self.span, "a matrix needs at least one vector, or an entry of include"));
        }
        let is_vector = |key: &str| vectors.iter().any(|(name, _)| name.eq_ignore_ascii_case(key));
        if let Some((key, _)) =
            excludes.iter().flat_map(|exclude| exclude.iter()).find(|(key, _)| !is_vector(key))
        {
            let message = format!("matrix.exclude names {key:?}, which is no key of the matrix");
            return Err(self.error(self.span, message));
        }
        let product = match vectors.is_empty() {
            true => 0,
            false => vectors
                .iter()
                .try_fold(1_usize, |size, (_, values)| size.checked_mul(values.len()))
                .unwrap_or(usize::MAX),
        };
        // A product far beyond the limit is refused before it is built; what `exclude` may take away is allowed for.
        if product > MOST_LEGS * 64 {
            return Err(self.too_many(product));
        }
        let mut matched = vec![false; includes.len()];
        let mut legs = Vec::new();
        for index in 0..product {
            let mut values = Object::new();
            let mut block = product;
            for (name, vector) in &vectors {
                block /= vector.len();
                values.insert(*name, vector[index / block % vector.len()].clone());
            }
            if excludes.iter().any(|exclude| exclude.iter().all(|(key, leaf)| fits(values.get(key), leaf))) {
                continue;
            }
            let suffix = suffix(&values);
            let mut grown = values.clone();
            for (include, matched) in includes.iter().zip(&mut matched) {
                let fits = |(key, leaf): (&str, &Value)| !is_vector(key) || fits(values.get(key), leaf);
                if include.iter().all(fits) {
                    *matched = true;
                    include
                        .iter()
                        .filter(|(key, _)| !is_vector(key))
                        .for_each(|(key, value)| grown.insert(key, value.clone()));
                }
            }
            legs.push(Leg { values: grown, suffix });
        }
        for (include, _) in includes.iter().zip(&matched).filter(|(_, matched)| !**matched) {
            // Keys that are vectors come first, as in the legs of the product.
            let (own, extra): (Vec<_>, Vec<_>) = include.iter().partition(|(key, _)| is_vector(key));
            let values: Object =
                own.into_iter().chain(extra).map(|(key, value)| (key, value.clone())).collect();
            legs.push(Leg { suffix: suffix(&values), values });
        }
        if legs.len() > MOST_LEGS {
            return Err(self.too_many(legs.len()));
        }
        Ok(legs)
    }

    fn filters<'m>(&self, matrix: &'m Object, name: &str) -> Result<Vec<&'m Object>, Diagnostic> {
        let Some(value) = matrix.get(name) else { return Ok(Vec::new()) };
        let Some(entries) = value.as_array() else {
            return Err(
                self.error(self.span, format!("matrix.{name} must be a sequence, but it is {}", kind(value)))
            );
        };
        let mut filters = Vec::new();
        for entry in entries {
            match entry.as_object().filter(|object| !object.is_empty()) {
                Some(object) => filters.push(object),
                None => {
                    let message = format!(
                        "an entry of matrix.{name} must be an object with keys, but it is {}",
                        kind(entry)
                    );
                    return Err(self.error(self.span, message));
                }
            }
        }
        Ok(filters)
    }

    fn too_many(&self, legs: usize) -> Diagnostic {
        // Counting ends somewhere: beyond that nobody wants the number.
        let legs = match legs {
            ..=COUNTED => legs.to_string(),
            _ => format!("more than {COUNTED}"),
        };
        self.error(self.span, format!("this matrix has {legs} legs; at most {MOST_LEGS} are run"))
    }
}

fn is_filter(name: &str) -> bool {
    name.eq_ignore_ascii_case("include") || name.eq_ignore_ascii_case("exclude")
}

/// Whether a value of a leg has all leaves of a filter, by the language's own equality.
fn fits(value: Option<&Value>, filter: &Value) -> bool {
    let null = Value::Null;
    let value = value.unwrap_or(&null);
    match filter {
        Value::Object(object) => object.iter().all(|(key, leaf)| fits(value.get(key), leaf)),
        Value::Array(items) => {
            let values = value.as_array().unwrap_or_default();
            items.iter().enumerate().all(|(i, leaf)| fits(values.get(i), leaf))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.loosely_equals(filter),
    }
}

/// The scalars of a leg in order, nested ones included, empty ones left out.
fn suffix(values: &Object) -> String {
    fn gather(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
            Value::Object(object) => object.iter().for_each(|(_, value)| gather(value, out)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let text = value.to_text();
                if !text.is_empty() {
                    out.push(text.as_ref().to_owned());
                }
            }
        }
    }
    let mut out = Vec::new();
    values.iter().for_each(|(_, value)| gather(value, &mut out));
    out.join(", ")
}

/// A value's kind in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
