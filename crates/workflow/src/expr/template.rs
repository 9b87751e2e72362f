//! Text with `${{ }}` parts.

use super::{
    AllowedNames, Expr, ExprError, MAX_CHARACTERS, Scope, TEMPLATE_BYTES, Value, eval_within, fold, lex,
    parse,
    place::{Places, locate},
};
use shipway_base::{Diagnostic, Source, Span};
use std::sync::{Arc, OnceLock};

/// A scalar of a document that may hold expressions, and where it stands.
#[derive(Clone, Debug)]
pub struct Template {
    text: Arc<str>,
    parts: Vec<Part>,
    source: Source,
    span: Span,
    /// Where its characters stand, once that was asked for; kept for long texts, of which it may be asked often.
    places: OnceLock<Box<Places>>,
}

/// Where the characters of longer texts stand is looked up once.
const LONG: usize = 4 << 10;

#[derive(Clone, Debug)]
enum Part {
    Text(Arc<str>),
    /// An expression, and which characters of the scalar it is.
    Expr {
        expr: Expr,
        from: u32,
        length: u32,
    },
}

/// Whether a text holds the beginning of an expression.
pub fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

impl Template {
    /// Reads a scalar that stands at `span` of `source`.
    ///
    /// # Errors
    /// SW0201 to SW0204 for a bad expression, SW0205 for one that is empty or not closed, SW0207 for `insert`, each
    /// at its place in the source.
    pub fn parse(
        text: &str,
        span: Span,
        source: &Source,
        allowed: &AllowedNames<'_>,
    ) -> Result<Template, Diagnostic> {
        let mut template = Template::empty(text, span, source);
        let mut rest = text;
        // The characters before the byte `counted`.
        let (mut count, mut counted) = (0, 0);
        while let Some(at) = rest.find("${{") {
            let before = &rest[..at];
            if !before.is_empty() {
                template.parts.push(Part::Text(Arc::from(before)));
            }
            let body = &rest[at + 3..];
            let begins = text.len() - body.len();
            count += lex::count(&text[counted..begins]);
            counted = begins;
            let open = count;
            let length = closing(body).ok_or_else(|| template.not_closed(open - 3))?;
            let part = template.part(&body[..length], open, allowed)?;
            template.parts.push(part);
            rest = &body[length + 2..];
        }
        if !rest.is_empty() {
            template.parts.push(Part::Text(Arc::from(rest)));
        }
        template.check_length()?;
        Ok(template)
    }

    /// Text with expressions is one expression to GitHub, a call of `format` (actions/runner, "TemplateReader"), and as long
    /// as an expression may be at most.
    fn check_length(&self) -> Result<(), Diagnostic> {
        let part = |(before, part): (usize, &Part)| match part {
            // Quotes and braces are written twice.
            Part::Text(text) => text.chars().count() + text.matches(['\'', '{', '}']).count(),
            // `{0}` and `, ` with the expression.
            Part::Expr { length, .. } => format!("{{{before}}}, ").len() + *length as usize,
        };
        let length = "format('')".len() + self.parts.iter().enumerate().map(part).sum::<usize>();
        if self.parts.len() < 2 || length <= MAX_CHARACTERS {
            return Ok(());
        }
        let message = format!("Exceeded max expression length {MAX_CHARACTERS}");
        let help = "GitHub counts a text with `${{ }}` as one expression: hand the values over in `env`, so that a script \
                    holds no expression, or move it into a file";
        Err(Diagnostic::error("SW0204", &self.source, self.span, message).with_help(help))
    }

    /// Reads a scalar that is an expression as a whole, without `${{`.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub(super) fn parse_bare(
        text: &str,
        span: Span,
        source: &Source,
        allowed: &AllowedNames<'_>,
    ) -> Result<Template, Diagnostic> {
        let mut template = Template::empty(text, span, source);
        let part = template.part(text, 0, allowed)?;
        template.parts.push(part);
        Ok(template)
    }

    fn empty(text: &str, span: Span, source: &Source) -> Template {
        let (text, source) = (Arc::from(text), source.clone());
        Template { text, parts: Vec::new(), source, span, places: OnceLock::new() }
    }

    /// The scalar as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The document it stands in.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The text, when it holds no expression.
    pub fn as_literal(&self) -> Option<&str> {
        self.expressions().next().is_none().then_some(&*self.text)
    }

    /// The expression, when there is nothing beside it; its value then keeps its kind.
    pub fn as_single(&self) -> Option<&Expr> {
        match self.parts.as_slice() {
            [Part::Expr { expr, .. }] => Some(expr),
            _ => None,
        }
    }

    /// All its expressions in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr { expr, .. } => Some(expr),
            Part::Text(_) => None,
        })
    }

    /// All its expressions in order, each with the characters of the scalar that it is: its first and their number.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (&Expr, u32, u32)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr { expr, from, length } => Some((expr, *from, *length)),
            Part::Text(_) => None,
        })
    }

    /// Where `length` characters from the character `from` on stand in the source.
    pub(crate) fn locate(&self, from: u32, length: u32) -> Span {
        if self.text.len() < LONG {
            return locate(&self.text, self.span, &self.source, from, length);
        }
        let places = self.places.get_or_init(|| Box::new(Places::new(&self.text, self.span, &self.source)));
        places.locate(from, length)
    }

    /// The text with every expression replaced by its value.
    ///
    /// # Errors
    /// SW0204 or SW0206 when an expression cannot be evaluated, or when it is the whole and gives an array or object.
    pub fn eval_string(&self, scope: &dyn Scope) -> Result<Arc<str>, Diagnostic> {
        self.text_of(&self.eval_value(scope)?)
    }

    /// The texts that it stands for as an item of a sequence: those of the array that a lone expression gives, which take
    /// its place as on GitHub (actions/runner, "TemplateUnraveler"), otherwise its own.
    ///
    /// # Errors
    /// As [`Template::eval_string`], and SW0206 for an array that holds arrays or objects.
    pub fn eval_items(&self, scope: &dyn Scope) -> Result<Vec<Arc<str>>, Diagnostic> {
        let value = self.eval_value(scope)?;
        if let Value::Array(items) = &value {
            return items.iter().map(|item| self.text_of(item)).collect();
        }
        Ok(vec![self.text_of(&value)?])
    }

    fn text_of(&self, value: &Value) -> Result<Arc<str>, Diagnostic> {
        if value.is_primitive() {
            return Ok(value.to_text());
        }
        let kind = if matches!(value, Value::Array(_)) { "an array" } else { "an object" };
        let message = format!("this expression gives {kind} where text is needed");
        Err(Diagnostic::error("SW0206", &self.source, self.span, message)
            .with_help("pick one of its values, or write it out with toJSON(..)"))
    }

    /// The value: of the expression's own kind when it is the whole, text otherwise.
    ///
    /// # Errors
    /// SW0204 or SW0206 when an expression cannot be evaluated.
    pub fn eval_value(&self, scope: &dyn Scope) -> Result<Value, Diagnostic> {
        if let [Part::Expr { expr, from, length }] = self.parts.as_slice() {
            return self.eval_part(expr, *from, *length, scope);
        }
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expr { expr, from, length } => {
                    out.push_str(&self.eval_part(expr, *from, *length, scope)?.to_text());
                }
            }
            if out.len() > TEMPLATE_BYTES {
                let message = "this text grows beyond 10 MiB once its expressions are filled in";
                return Err(Diagnostic::error("SW0204", &self.source, self.span, message));
            }
        }
        Ok(out.into())
    }

    fn eval_part(&self, expr: &Expr, from: u32, length: u32, scope: &dyn Scope) -> Result<Value, Diagnostic> {
        eval_within(expr, scope, TEMPLATE_BYTES).map_err(|error| self.diagnostic(&error, from, length))
    }

    /// One expression, whose text begins at a character of the scalar.
    fn part(&self, body: &str, from: u32, allowed: &AllowedNames<'_>) -> Result<Part, Diagnostic> {
        let trimmed = body.trim();
        let from = from + lex::count(&body[..body.len() - body.trim_start().len()]);
        let length = lex::count(trimmed);
        if trimmed.is_empty() {
            let at = locate(&self.text, self.span, &self.source, from, 1);
            return Err(Diagnostic::error("SW0205", &self.source, at, "An expression was expected")
                .with_help("write one between `${{` and `}}`, or remove both"));
        }
        if fold::eq(trimmed, "insert") && allowed.context("insert").is_none() {
            let at = locate(&self.text, self.span, &self.source, from, length);
            return Err(Diagnostic::error("SW0207", &self.source, at, "`insert` is not supported here")
                .with_help("write the keys out, one by one"));
        }
        let expr = parse(trimmed, allowed).map_err(|error| self.diagnostic(&error, from, length))?;
        Ok(Part::Expr { expr, from, length })
    }

    fn not_closed(&self, from: u32) -> Diagnostic {
        let at = locate(&self.text, self.span, &self.source, from, 3);
        let message = "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} \
                       sequence was not found";
        Diagnostic::error("SW0205", &self.source, at, message)
            .with_help("a `}}` within single quotes is text and closes nothing")
    }

    /// What is wrong with the expression of `length` characters from `from` on.
    fn diagnostic(&self, error: &ExprError, from: u32, length: u32) -> Diagnostic {
        let (from, length) = match error.position {
            Some(position) => (from + position - 1, error.length),
            None => (from, length),
        };
        let at = locate(&self.text, self.span, &self.source, from, length);
        let found = Diagnostic::error(error.code(), &self.source, at, error.message.clone());
        match &error.help {
            Some(help) => found.with_help(help),
            None => found,
        }
    }
}

/// The byte at which `}}` stands outside of quotes.
fn closing(body: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in body.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '}' if !quoted && body[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Object};
    use super::*;
    use shipway_base::Pos;

    struct World;

    impl Scope for World {
        fn context(&self, name: &str) -> Option<Value> {
            let env: Object =
                [("N", Value::from(1.5)), ("LIST", vec![Value::from("a")].into())].into_iter().collect();
            (name == "env").then(|| env.into())
        }

        fn function(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
            None
        }
    }

    fn template(text: &str) -> Result<Template, Diagnostic> {
        // As if the scalar stood alone in its file, behind two spaces.
        let source = Source::new("t.yml", format!("  {text}"));
        let end = Pos::new(9_999, 1);
        const NAMES: AllowedNames<'static> = AllowedNames::new(&["env"], &[Function::new("success", 0, 0)]);
        Template::parse(text, Span::new(Pos::new(1, 3), end), &source, &NAMES)
    }

    fn check(text: &str, expect: &str) {
        let found = template(text).and_then(|template| template.eval_string(&World));
        assert_eq!(found.map_or_else(|error| error.to_string(), |text| text.to_string()), expect, "{text}");
    }

    #[test]
    fn fills_expressions_in() {
        check("plain }} text", "plain }} text");
        check("${{ env.N }}", "1.5");
        check("a${{env.N}}b${{ env.none }}c${{ env.LIST }}", "a1.5bcArray");
        check("${{ '}}' }} ${{ 'it''s }}' }}", "}} it's }}");
        check("${{ '${{' }}", "${{");
    }

    #[test]
    fn text_with_expressions_is_as_long_as_one_may_be() {
        // `format('` and `{0}'` and `, env.N)` around the text.
        let most = MAX_CHARACTERS - "format('{0}', env.N)".len();
        let told = |text: String| template(&text).map(|_| ()).map_err(|found| (found.code, found.span.start));
        let refused = Err(("SW0204", Pos::new(1, 3)));
        assert_eq!(told(format!("{}${{{{ env.N }}}}", "é".repeat(most))), Ok(()));
        assert_eq!(told(format!("{}${{{{ env.N }}}}", "é".repeat(most + 1))), refused);
        assert_eq!(told(format!("{}'${{{{ env.N }}}}", "é".repeat(most - 1))), refused);
        // Without an expression there is no limit, and one alone has its own.
        assert_eq!(told("x".repeat(MAX_CHARACTERS * 2)), Ok(()));
        assert!(template(&"${{ env.N }}".repeat(100_000)).is_err());
    }

    #[test]
    fn keeps_the_kind_of_a_lone_expression() {
        let value = |text| template(text).and_then(|template| template.eval_value(&World));
        assert_eq!(value("${{ env.N }}"), Ok(Value::Number(1.5)));
        assert_eq!(value("${{ env.N }} "), Ok(Value::from("1.5 ")));
        assert_eq!(value("1.5"), Ok(Value::from("1.5")));
    }

    #[test]
    fn points_at_what_is_wrong() {
        let place = "t.yml:1:";
        check(
            "a ${{ env.N",
            &format!(
                "{place}5: error[SW0205]: The expression is not closed. An unescaped ${{{{ sequence was found, but the closing }}}} sequence was not found (a `}}}}` within single quotes is text and closes nothing)"
            ),
        );
        check(
            "a ${{ }}",
            &format!(
                "{place}9: error[SW0205]: An expression was expected (write one between `${{{{` and `}}}}`, or remove both)"
            ),
        );
        check(
            "a ${{ env.N }} ${{ nev.N }}",
            &format!("{place}22: error[SW0202]: Unrecognized named-value: 'nev' (did you mean `env`?)"),
        );
        check("a ${{ env.N }}\n${{ env.N = 1 }}", "t.yml:2:11: error[SW0201]: Unexpected symbol: '='");
        check(
            "${{ insert }}",
            &format!(
                "{place}7: error[SW0207]: `insert` is not supported here (write the keys out, one by one)"
            ),
        );
        check(
            "x${{ fromJSON('') }}",
            &format!("{place}8: error[SW0206]: fromJSON was given an empty text, which is not JSON"),
        );
        check(
            "${{ env.LIST }}",
            &format!(
                "{place}3: error[SW0206]: this expression gives an array where text is needed (pick one of its values, or write it out with toJSON(..))"
            ),
        );
    }

    #[test]
    fn tells_what_it_holds() {
        let found = template("a ${{ env.N }}${{ success() }}");
        let Ok(found) = found else { panic!("{found:?}") };
        assert_eq!(found.expressions().map(Expr::to_string).collect::<Vec<_>>(), ["env.N", "success()"]);
        assert!(found.as_literal().is_none() && found.as_single().is_none());
        assert_eq!(template("x").ok().as_ref().and_then(Template::as_literal), Some("x"));
        assert_eq!(template("").ok().as_ref().and_then(Template::as_literal), Some(""));
    }
}
