//! Mappings with expressions for keys, and `${{ insert }}`.

use super::fields::wrong_kind;
use crate::expr::{self, AllowedNames, Scope, Template, Value};
use shipway_base::{Diagnostic, Source, Span, Spanned};
use std::{collections::BTreeSet, sync::Arc};

/// The key of an entry.
#[derive(Clone, Debug)]
pub enum Key {
    /// A name, as it is written.
    Name(Spanned<String>),
    /// An expression that gives the name.
    Expression(Template),
    /// `${{ insert }}`: the value is an expression, whose own entries stand here.
    Insert(Span),
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub(crate) fn parse(
        key: &Spanned<String>,
        source: &Source,
        names: &AllowedNames<'_>,
    ) -> Result<Key, Diagnostic> {
        if !expr::has_expression(&key.value) {
            return Ok(Key::Name(key.clone()));
        }
        let inner = key.value.trim().strip_prefix("${{").and_then(|text| text.strip_suffix("}}"));
        if inner.is_some_and(|inner| inner.trim() == "insert") {
            return Ok(Key::Insert(key.span));
        }
        Template::parse(&key.value, key.span, source, names).map(Key::Expression)
    }

    /// The name, when it is known before anything is evaluated.
    pub fn name(&self) -> Option<&str> {
        match self {
            Key::Name(name) => Some(&name.value),
            Key::Expression(_) | Key::Insert(_) => None,
        }
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Key::Name(name) => name.span,
            Key::Expression(template) => template.span(),
            Key::Insert(span) => *span,
        }
    }

    /// The key as it is written.
    pub fn written(&self) -> &str {
        match self {
            Key::Name(name) => &name.value,
            Key::Expression(template) => template.text(),
            Key::Insert(_) => "${{ insert }}",
        }
    }
}

/// Adds the entries that one written entry comes to, in order.
pub(crate) struct Entries<V> {
    seen: BTreeSet<String>,
    all: Vec<(String, V)>,
}

impl<V> Entries<V> {
    pub(crate) fn new() -> Entries<V> {
        Entries { seen: BTreeSet::new(), all: Vec::new() }
    }

    /// Adds one entry; names are compared without case, and none may come twice or be empty.
    ///
    /// # Errors
    /// SW0107 and SW0117.
    pub(crate) fn add(
        &mut self,
        name: &str,
        value: V,
        source: &Source,
        span: Span,
    ) -> Result<(), Diagnostic> {
        if name.is_empty() {
            let message = "this key comes out empty; a key needs a name";
            return Err(Diagnostic::error("SW0117", source, span, message));
        }
        if !self.seen.insert(name.to_lowercase()) {
            let message = format!("{name:?} is already defined in this mapping");
            return Err(Diagnostic::error("SW0107", source, span, message)
                .with_help("keys are compared without case; choose another"));
        }
        self.all.push((name.to_owned(), value));
        Ok(())
    }

    pub(crate) fn into_inner(self) -> Vec<(String, V)> {
        self.all
    }
}

/// The entries of a mapping of texts, once all keys and values are known.
pub(super) fn eval(
    entries: &[(Key, Template)],
    scope: &dyn Scope,
) -> Result<Vec<(String, Arc<str>)>, Diagnostic> {
    let mut all = Entries::new();
    for (key, template) in entries {
        let source = template.source();
        match key {
            Key::Name(name) => all.add(&name.value, template.eval_string(scope)?, source, name.span)?,
            Key::Expression(key) => {
                let name = key.eval_string(scope)?;
                all.add(&name, template.eval_string(scope)?, source, key.span())?;
            }
            Key::Insert(span) => {
                for (name, text) in texts(template, &template.eval_value(scope)?)? {
                    all.add(&name, text, source, *span)?;
                }
            }
        }
    }
    Ok(all.into_inner())
}

/// The names and texts of an object that an expression gives.
pub(super) fn texts(template: &Template, value: &Value) -> Result<Vec<(String, Arc<str>)>, Diagnostic> {
    let Some(object) = value.as_object() else { return Err(wrong_kind(template, "an object", value)) };
    let mut out = Vec::new();
    for (name, value) in object.iter() {
        if !value.is_primitive() {
            return Err(wrong_kind(template, &format!("text for {name:?}"), value));
        }
        out.push((name.to_owned(), value.to_text()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::Workflow;
    use super::*;
    use serde_json::json;

    struct World;

    impl Scope for World {
        fn context(&self, name: &str) -> Option<Value> {
            let vars =
                json!({"NAME": "API_KEY", "MORE": {"B": 2, "C": "c"}, "NESTED": {"B": []}, "LIST": [1]});
            (name == "vars").then(|| Value::from_json(&vars))
        }

        fn function(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
            None
        }
    }

    fn check(entries: &[&str], expect: &str) {
        let lines: String = entries.iter().map(|entry| format!("  {entry}\n")).collect();
        let text = format!("on: push\njobs: {{a: {{runs-on: x, steps: [{{run: make}}]}}}}\nenv:\n{lines}");
        let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
        let found = match workflow {
            Some(workflow) => workflow.env.eval(&World).map_or_else(
                |error| error.to_string(),
                |all| all.iter().map(|(name, text)| format!("{name}={text} ")).collect(),
            ),
            None => found.to_string(),
        };
        assert_eq!(found.trim(), expect, "{entries:?}");
    }

    #[test]
    fn keys_may_be_expressions_and_mappings_inserted() {
        check(&["A: 1", "${{ vars.NAME }}: '${{ vars.NAME }}!'"], "A=1 API_KEY=API_KEY!");
        check(&["X_${{ vars.NAME }}_Y: 1"], "X_API_KEY_Y=1");
        check(&["A: 1", "${{ insert }}: ${{ vars.MORE }}", "D: 4"], "A=1 B=2 C=c D=4");
    }

    #[test]
    fn what_cannot_be_a_key_is_told_at_its_place() {
        check(
            &["API_KEY: 1", "${{ vars.NAME }}: 2"],
            "w.yml:5:3: error[SW0107]: \"API_KEY\" is already defined in this mapping (keys are compared without case; choose another)",
        );
        check(
            &["${{ insert }}: ${{ vars.MORE }}", "b: 2"],
            "w.yml:5:3: error[SW0107]: \"b\" is already defined in this mapping (keys are compared without case; choose another)",
        );
        check(
            &["${{ vars.NONE }}: 2"],
            "w.yml:4:3: error[SW0117]: this key comes out empty; a key needs a name",
        );
        check(
            &["${{ insert }}: ${{ vars.LIST }}"],
            "w.yml:4:18: error[SW0117]: this expression must give an object, but it gives a value of the kind array",
        );
        check(
            &["${{insert}}: ${{ vars.NONE }}"],
            "w.yml:4:16: error[SW0117]: this expression must give an object, but it gives a value of the kind null",
        );
        check(
            &["${{ insert }}: {A: 1}"],
            "w.yml:4:18: error[SW0103]: the value of ${{ insert }} must be an expression, but this is a mapping",
        );
        check(
            &["${{ nope.x }}: 1"],
            "w.yml:4:7: error[SW0202]: Unrecognized named-value: 'nope' (here one may use: github, inputs, vars, secrets)",
        );
    }
}
