//! `if:` of jobs and steps.

use super::{AllowedNames, Expr, Scope, Template, has_expression};
use shipway_base::{Diagnostic, Source, Span};

/// A condition; one that does not ask for the status means `success() && (..)`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// None when nothing was written.
    written: Option<Template>,
    asks_status: bool,
}

impl Condition {
    /// The condition where no `if` is written: `success()`.
    pub fn success() -> Condition {
        Condition { written: None, asks_status: false }
    }

    /// Reads the scalar of an `if`, with or without `${{ }}`.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse(
        text: &str,
        span: Span,
        source: &Source,
        allowed: &AllowedNames<'_>,
    ) -> Result<Condition, Diagnostic> {
        if text.trim().is_empty() {
            return Ok(Condition::success());
        }
        let written = match has_expression(text) {
            true => Template::parse(text, span, source, allowed)?,
            false => Template::parse_bare(text, span, source, allowed)?,
        };
        let asks_status = written.expressions().any(Expr::asks_status);
        Ok(Condition { written: Some(written), asks_status })
    }

    /// What was written, if anything.
    pub fn written(&self) -> Option<&Template> {
        self.written.as_ref()
    }

    /// Whether it asks for the status itself, so that no `success()` is added.
    pub fn asks_status(&self) -> bool {
        self.asks_status
    }

    /// A warning about a condition that is always true: text beside `${{ }}` makes the whole a text, and a text that
    /// is not empty counts as true. GitHub runs such conditions, so they are not refused.
    pub fn warning(&self) -> Option<Diagnostic> {
        let template = self.written.as_ref()?;
        if template.as_single().is_some() {
            return None;
        }
        let message = "this condition is always true, because there is text beside `${{ }}`";
        Some(
            Diagnostic::warning("SW0209", template.source(), template.span(), message).with_help(
                "write the whole condition as one expression; a line break after `}}` is text too",
            ),
        )
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Template::eval_value`].
    pub fn eval(&self, scope: &dyn Scope) -> Result<bool, Diagnostic> {
        if !self.asks_status && !self.succeeded(scope)? {
            return Ok(false);
        }
        self.written.as_ref().map_or(Ok(true), |template| Ok(template.eval_value(scope)?.is_truthy()))
    }

    fn succeeded(&self, scope: &dyn Scope) -> Result<bool, Diagnostic> {
        // A scope without statuses (a lone expression) has nothing that could have failed.
        let result = scope.function("success", &[]).unwrap_or(Ok(true.into()));
        match (result, &self.written) {
            (Ok(value), _) => Ok(value.is_truthy()),
            (Err(message), Some(template)) => {
                Err(Diagnostic::error("SW0206", template.source(), template.span(), message))
            }
            (Err(message), None) => {
                Err(Diagnostic::error("SW0206", &Source::new("if", "success()"), Span::START, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{STEP_IF, Value, status_function};
    use super::*;

    /// How things stand, and `env.X`.
    struct World(Option<&'static str>);

    impl Scope for World {
        fn context(&self, name: &str) -> Option<Value> {
            let env = serde_json::json!({"X": "1"});
            (name == "env").then(|| Value::from_json(&env))
        }

        fn function(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
            status_function(name, self.0).map(|value| Ok(value.into()))
        }
    }

    fn condition(text: &str) -> Condition {
        match Condition::parse(text, Span::START, &Source::new("t.yml", text), &STEP_IF) {
            Ok(condition) => condition,
            Err(error) => panic!("{error}"),
        }
    }

    /// What it says before anything failed, after a failure, and when cancelled.
    fn check(text: &str, expect: [bool; 3]) {
        let condition = condition(text);
        let found = [Some("success"), Some("failure"), Some("cancelled")]
            .map(|status| condition.eval(&World(status)));
        assert_eq!(found, expect.map(Ok), "{text}");
    }

    #[test]
    fn adds_success_where_no_status_is_asked_for() {
        check("", [true, false, false]);
        check("env.X == 1", [true, false, false]);
        check("${{ env.X == 2 }}", [false, false, false]);
        check("always()", [true, true, true]);
        check("FAILURE() && env.X", [false, true, false]);
        check("${{ !cancelled() }}", [true, true, false]);
        check("contains('failure()', 'f')", [true, false, false]);
    }

    #[test]
    fn text_beside_an_expression_is_always_true_and_told() {
        check("${{ env.X == 2 }} && env.X", [true, false, false]);
        check("${{ failure() && false }}\n", [true, true, true]);
        let warning = condition("${{ env.X }} ").warning().map(|found| found.code);
        assert_eq!(warning, Some("SW0209"));
        assert!(condition("${{ env.X }}").warning().is_none() && condition("env.X").warning().is_none());
        assert!(Condition::success().warning().is_none());
    }
}
