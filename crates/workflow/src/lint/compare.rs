//! Comparisons that can never hold, and conditions that are always the same.

use super::{
    File, Kind, Level, Rule,
    finding::Findings,
    shape::Shape,
    view::{JobView, Slot, View, Written},
};
use crate::expr::{Comparison, Expr, Node, Reference, Scope, Value, eval};
use shipway_base::yaml::{self, closest};

pub(super) const IMPOSSIBLE_COMPARISON: Rule = Rule {
    id: "impossible-comparison",
    level: Level::Warning,
    pedantic: false,
    what: "A value is compared with something that it can never be, so one side of the condition never happens.",
    example: "if: github.ref == 'main' # it is refs/heads/main",
    fix: "compare with a value that can occur, or compare another property (`github.ref_name`)",
    zizmor: &[],
};

pub(super) const CONSTANT_CONDITION: Rule = Rule {
    id: "constant-condition",
    level: Level::Warning,
    pedantic: false,
    what: "An `if` that gives the same whatever happens. A note for a literal `false`, which is how steps are switched off.",
    example: "if: contains('main', 'main')",
    fix: "write the condition that was meant, or remove what never runs",
    zizmor: &[],
};

pub(super) const UNSOUND_CONTAINS: Rule = Rule {
    id: "unsound-contains",
    level: Level::Warning,
    pedantic: false,
    what: "`contains` looks for a part of a text, so a list written as text also holds parts of its words.",
    example: "if: contains('refs/heads/main refs/heads/develop', github.ref)",
    fix: "make it a list: `contains(fromJSON('[\"refs/heads/main\", \"refs/heads/develop\"]'), github.ref)`",
    zizmor: &["unsound-contains"],
};

pub(super) const BOT_CONDITION: Rule = Rule {
    id: "bot-condition",
    level: Level::Warning,
    pedantic: false,
    what: "`github.actor` is who caused the last event, not who opened the pull request; an outsider can make it a bot.",
    example: "if: github.actor == 'dependabot[bot]' # on pull_request_target",
    fix: "ask `github.event.pull_request.user.login`",
    zizmor: &["bot-conditions"],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    for site in &view.sites {
        for written in site.expressions() {
            let job = view.job(site);
            written.expr.root.visit(&mut |node| {
                if let Node::Compare(left, comparison, right) = node {
                    compare(view, job, &written, (left, *comparison, right), out);
                } else if let Node::Call(name, arguments) = node
                    && name.eq_ignore_ascii_case("contains")
                {
                    contains(&written, arguments, out);
                }
            });
            if site.slot == Slot::If && site.template.as_single().is_some() {
                constant(&written, out);
            }
        }
    }
}

/// The value of an expression that refers to nothing.
pub(super) fn constant_value(expr: &Expr) -> Option<bool> {
    struct Nothing;
    impl Scope for Nothing {
        fn context(&self, _name: &str) -> Option<Value> {
            None
        }
        fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
            None
        }
    }
    let pure = expr.contexts().is_empty() && !expr.asks_status() && !expr.calls("hashFiles");
    if !pure {
        return None;
    }
    eval(expr, &Nothing).ok().map(|value| value.is_truthy())
}

fn constant(written: &Written<'_>, out: &mut Findings<'_>) {
    let Some(value) = constant_value(written.expr) else { return };
    let literal = matches!(written.expr.root, Node::Bool(_));
    let level = if literal && !value { Level::Note } else { Level::Warning };
    let message = match value {
        true => "this condition is always true",
        false => "this condition is never true, so this never runs",
    };
    out.report(&CONSTANT_CONDITION, written.span(), message).level(level).help(if value {
        "remove it, or write what was meant"
    } else {
        "remove what never runs"
    });
}

fn contains(written: &Written<'_>, arguments: &[Node], out: &mut Findings<'_>) {
    let [Node::String(list), item] = arguments else { return };
    // One word is a comparison of a kind; a list has separators.
    if !list.contains([' ', ',', '|', '\n']) || item.as_reference().is_none() {
        return;
    }
    let words: Vec<String> = list
        .split([' ', ',', '|', '\n'])
        .filter(|word| !word.is_empty())
        .map(|word| format!("{word:?}"))
        .collect();
    out.report(
        &UNSOUND_CONTAINS,
        written.span(),
        "this looks for a part of one long text, not for a word of a list",
    )
    .help(format!("write contains(fromJSON('[{}]'), ..)", words.join(", ")));
}

fn compare(
    view: &View<'_>,
    job: Option<&JobView<'_>>,
    written: &Written<'_>,
    (left, comparison, right): (&Node, Comparison, &Node),
    out: &mut Findings<'_>,
) {
    let (reference, literal) = match (left.as_reference(), right.as_reference()) {
        (Some(reference), None) => (reference, right),
        (None, Some(reference)) => (reference, left),
        (Some(_), Some(_)) | (None, None) => return,
    };
    let always = match comparison {
        Comparison::Equal => "never",
        Comparison::NotEqual => "always",
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            return;
        }
    };
    if let Node::String(text) = literal
        && text.ends_with("[bot]")
        && reference.is(&["github", "actor"])
        && view.started_by(&["pull_request_target", "workflow_run", "issue_comment"])
    {
        out.report(&BOT_CONDITION, written.span(), "github.actor can be made a bot by an outsider here")
            .help("ask github.event.pull_request.user.login");
    }
    let Some((why, help)) = impossible(view, job, &reference, literal) else { return };
    let message = format!("this comparison is {always} true: {why}");
    let found = out.report(&IMPOSSIBLE_COMPARISON, written.span(), message);
    found.help = help;
}

type Why = (String, Option<String>);

/// Why a value can never be what it is compared with.
fn impossible(
    view: &View<'_>,
    job: Option<&JobView<'_>>,
    reference: &Reference,
    literal: &Node,
) -> Option<Why> {
    if let Some(found) = inputs(view, reference, literal) {
        return Some(found);
    }
    let Node::String(text) = literal else { return None };
    let name = reference.text();
    let one_of = |words: &[&str]| -> Option<Why> {
        if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return None;
        }
        let help = closest(text, words.iter().copied()).map(|close| format!("did you mean '{close}'?"));
        Some((format!("{name} is one of {}", words.join(", ")), help))
    };
    let results = &["success", "failure", "cancelled", "skipped"];
    if reference.is(&["github", "event_name"]) {
        return event_name(view, text);
    }
    if reference.is(&["github", "ref"]) {
        let whole = text.starts_with("refs/") || text.is_empty();
        return (!whole).then(|| {
            let help = format!("write 'refs/heads/{text}', or compare github.ref_name");
            (format!("{name} is a full ref, such as refs/heads/main"), Some(help))
        });
    }
    for short in ["ref_name", "head_ref", "base_ref"] {
        if reference.is(&["github", short]) && text.starts_with("refs/") {
            let plain = text.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
            return Some((format!("{name} is a short name"), Some(format!("write '{plain}'"))));
        }
    }
    if reference.is(&["github", "ref_type"]) {
        return one_of(&["branch", "tag"]);
    }
    if reference.is(&["runner", "os"]) {
        return one_of(&["Linux", "Windows", "macOS"]);
    }
    if reference.is(&["runner", "arch"]) {
        return one_of(&["X86", "X64", "ARM", "ARM64"]);
    }
    if reference.is(&["runner", "environment"]) {
        return one_of(&["github-hosted", "self-hosted"]);
    }
    if reference.is(&["job", "status"]) {
        return one_of(&["success", "failure", "cancelled"]);
    }
    if reference.is(&["needs", "*", "result"])
        || reference.is(&["steps", "*", "outcome"])
        || reference.is(&["steps", "*", "conclusion"])
    {
        return if reference.name(0).is_some() { one_of(results) } else { None };
    }
    if reference.is(&["matrix", "*"]) {
        return matrix(job?, reference, text);
    }
    None
}

/// Inputs have types in the `inputs` context, and are texts in `github.event.inputs`.
fn inputs(view: &View<'_>, reference: &Reference, literal: &Node) -> Option<Why> {
    let text = reference.starts_with(&["github", "event", "inputs", "*"]);
    let typed = reference.is(&["inputs", "*"]);
    let name = reference.name(if text { 2 } else { 0 }).filter(|_| text || typed)?;
    if view.kind == Kind::Action {
        return None;
    }
    let mut kinds = Vec::new();
    for (_, map) in
        view.triggers.iter().filter(|(event, _)| matches!(event.value, "workflow_dispatch" | "workflow_call"))
    {
        let inputs = map.and_then(|map| map.get("inputs")).and_then(yaml::Node::as_mapping);
        let input = inputs.and_then(|map| map.iter().find(|(key, _)| key.value.eq_ignore_ascii_case(name)));
        if let Some((_, input)) = input {
            let kind = input.as_mapping().and_then(|map| map.get("type")).and_then(yaml::Node::as_text);
            kinds.push(kind.unwrap_or("string"));
        }
    }
    let [first, rest @ ..] = kinds.as_slice() else { return None };
    if *first != "boolean" || rest.iter().any(|kind| *kind != "boolean") {
        return None;
    }
    if let Node::String(word) = literal
        && typed
        && matches!(&**word, "true" | "false")
    {
        return Some((
            format!("inputs.{name} is a boolean, and a text is no boolean"),
            Some(format!("write inputs.{name} alone, or compare it with {word} without quotes")),
        ));
    }
    if let Node::Bool(value) = literal
        && text
    {
        return Some((
            format!("github.event.inputs.{name} is a text, and a text is no boolean"),
            Some(format!("compare inputs.{name} with {value}, or this with '{value}'")),
        ));
    }
    None
}

fn event_name(view: &View<'_>, text: &str) -> Option<Why> {
    // A called workflow sees the event of its caller, and an action that of its workflow.
    if view.kind == Kind::Action || view.started_by(&["workflow_call"]) || view.triggers.is_empty() {
        return None;
    }
    let events: Vec<&str> = view.triggers.iter().map(|(event, _)| event.value).collect();
    if events.iter().any(|event| event.eq_ignore_ascii_case(text)) {
        return None;
    }
    let help = match closest(text, events.iter().copied()) {
        Some(close) => format!("did you mean '{close}'?"),
        None => format!("add {text} under `on`, or remove this"),
    };
    Some((format!("this workflow is started by {} only", events.join(", ")), Some(help)))
}

fn matrix(job: &JobView<'_>, reference: &Reference, text: &str) -> Option<Why> {
    let Shape::Keys(keys) = &job.matrix else { return None };
    let name = reference.name(0)?;
    let values = keys.get(&name.to_lowercase())?.values.as_ref()?;
    // A leg that `include` did not give the key has nothing there.
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let same = |value: &str| {
        value.eq_ignore_ascii_case(text) || number(value).is_some_and(|value| Some(value) == number(text))
    };
    if text.is_empty() || values.iter().any(|value| same(value)) {
        return None;
    }
    let help = match closest(text, values.iter().copied()) {
        Some(close) => format!("did you mean '{close}'?"),
        None => "add it to the matrix, or remove this".to_owned(),
    };
    let shown: Vec<&str> = values.iter().copied().take(12).collect();
    Some((format!("matrix.{name} is one of {}", shown.join(", ")), Some(help)))
}
