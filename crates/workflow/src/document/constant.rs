//! `${{ 'text' }}` alone is that text and no expression, also for keys that take none (actions/runner, "TemplateReader").

use crate::expr::{self, MAX_CHARACTERS};
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node, Scalar, ScalarKind, Value},
};

/// The text that a scalar stands for, when it is one quoted text.
pub(super) fn text(scalar: &str) -> Option<String> {
    let inner = scalar.strip_prefix("${{")?.strip_suffix("}}")?.trim();
    let quoted = inner.strip_prefix('\'')?.strip_suffix('\'')?;
    let alone =
        inner.chars().count() <= MAX_CHARACTERS && !quoted.split("''").any(|part| part.contains('\''));
    alone.then(|| quoted.replace("''", "'"))
}

/// A tree with texts in the place of such scalars; none when there are none. A text that holds `${{` stays as it is, since it
/// would be taken for an expression.
pub(super) fn resolved(tree: &Node) -> Option<Node> {
    any(tree).then(|| resolve(tree))
}

fn plain(scalar: &str) -> Option<String> {
    text(scalar).filter(|text| !expr::has_expression(text))
}

/// Trees have a bounded depth, so recursion is bounded too.
fn any(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => plain(&scalar.text).is_some(),
        Value::Sequence(items) => items.iter().any(any),
        Value::Mapping(mapping) => {
            mapping.iter().any(|(key, value)| plain(&key.value).is_some() || any(value))
        }
    }
}

fn resolve(node: &Node) -> Node {
    let value = match &node.value {
        Value::Scalar(scalar) => match plain(&scalar.text) {
            Some(text) => Value::Scalar(Scalar { text, kind: ScalarKind::String, plain: false }),
            None => Value::Scalar(scalar.clone()),
        },
        Value::Sequence(items) => Value::Sequence(items.iter().map(resolve).collect()),
        Value::Mapping(mapping) => {
            let pairs = mapping.iter().map(|(key, value)| {
                let name = plain(&key.value).unwrap_or_else(|| key.value.clone());
                (Spanned::new(name, key.span), resolve(value))
            });
            Value::Mapping(pairs.collect::<Mapping>())
        }
    };
    Node { value, span: node.span }
}

#[cfg(test)]
mod tests {
    use super::super::Workflow;
    use shipway_base::Source;

    fn read(text: &str) -> Result<Workflow, String> {
        let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
        workflow.ok_or_else(|| found.to_string())
    }

    #[test]
    fn a_quoted_text_is_a_literal() {
        let check = |scalar: &str, expect: Option<&str>| {
            assert_eq!(super::text(scalar).as_deref(), expect, "{scalar}");
        };
        check("${{ 'a' }}", Some("a"));
        check("${{'it''s }}'}}", Some("it's }}"));
        check("${{ '' }}", Some(""));
        check("${{ '${{ x }}' }}", Some("${{ x }}"));
        for other in ["${{ 'a'''b' }}", "${{ 'a' || 'b' }}", "x${{ 'a' }}", "${{ ('a') }}", "${{ ' }}", "'a'"]
        {
            check(other, None);
        }
    }

    #[test]
    fn keys_that_take_no_expression_take_a_literal() {
        let text = "on: ${{ 'push' }}
jobs:
  ${{ 'a' }}:
    ${{ 'runs-on' }}: x
    name: ${{ 'A' }} b
    env: {K: \"${{ '${{ text }}' }}\"}
    steps:
    - uses: ${{ 'actions/checkout@v4' }}
      id: ${{ 'me' }}
    - run: make
      if: ${{ 'false' }}
";
        let workflow = read(text).unwrap_or_else(|found| panic!("{found}"));
        let steps = &workflow.jobs["a"].steps().expect("it has steps").steps;
        assert_eq!(steps[0].id.as_ref().map(|id| id.value.as_str()), Some("me"));
        // What a condition quotes is the condition.
        assert_eq!(
            steps[1].condition.written().map(|written| written.text().to_owned()).as_deref(),
            Some("false")
        );
    }

    #[test]
    fn a_literal_is_asked_for_what_literals_are() {
        let told = |key: &str| {
            let text = format!("on: push\njobs: {{a: {{runs-on: x, {key}, steps: [{{run: make}}]}}}}\n");
            read(&text).err().unwrap_or_default().trim().to_owned()
        };
        assert_eq!(
            told("timeout-minutes: \"${{ '5' }}\""),
            "w.yml:2:41: error[SW0103]: timeout-minutes must be a number or an expression, but this is a string"
        );
        assert!(told("if: \"${{ 'nonsense' }}\"").contains("error[SW0202]"));
        assert!(told("\"${{ 'Name' }}\": b, name: c").contains("error[SW0107]"));
    }
}
