//! Properties of the expression language: nothing panics, printing and parsing are inverse, the evaluator agrees with a
//! model that is too small to be wrong, and errors point at the mistake in every style of YAML.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use shipway_base::{Pos, Source, Span, yaml};
use shipway_workflow::expr::{
    AllowedNames, Function, STEP, Scope, Template, Value, eval, evaluate_json, parse,
};

const NAMES: AllowedNames<'static> =
    AllowedNames::new(&["list", "object", "nothing"], &[Function::new("hashFiles", 0, 255)]);

/// What the contexts hold, for the evaluator and for the model.
fn world(name: &str) -> Json {
    match name {
        "list" => json!([0, "1", true, null, {"a": 7, "b": "x"}, {"a": "A"}, [3, 4]]),
        "object" => json!({"a": 1, "b": "text", "c": [1, 2], "d": {"a": null, "b": 5}}),
        _ => Json::Null,
    }
}

struct World;

impl Scope for World {
    fn context(&self, name: &str) -> Option<Value> {
        Some(Value::from_json(&world(name)))
    }

    fn function(&self, _: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        Some(Ok((arguments.len() as f64).into()))
    }
}

/// An expression as the model sees it.
#[derive(Clone, Debug)]
enum Model {
    Literal(Json),
    Context(&'static str),
    Property(Box<Model>, &'static str),
    At(Box<Model>, Box<Model>),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
    Compare(Box<Model>, &'static str, Box<Model>),
    Case(Box<Model>, Box<Model>, Box<Model>),
    Join(Box<Model>),
}

impl Model {
    /// The text, with parentheses around everything.
    fn text(&self) -> String {
        match self {
            Model::Literal(Json::String(text)) => format!("'{}'", text.replace('\'', "''")),
            Model::Literal(json) => json.to_string(),
            Model::Context(name) => (*name).to_owned(),
            Model::Property(inner, name) => format!("({}).{name}", inner.text()),
            Model::At(inner, key) => format!("({})[{}]", inner.text(), key.text()),
            Model::Not(inner) => format!("!({})", inner.text()),
            Model::And(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Model::Or(a, b) => format!("({}) || ({})", a.text(), b.text()),
            Model::Compare(a, by, b) => format!("({}) {by} ({})", a.text(), b.text()),
            Model::Case(when, then, otherwise) => {
                format!("case(!!({}), {}, {})", when.text(), then.text(), otherwise.text())
            }
            Model::Join(inner) => format!("join({}, '-')", inner.text()),
        }
    }

    fn value(&self) -> Json {
        match self {
            Model::Literal(json) => json.clone(),
            Model::Context(name) => world(name),
            Model::Property(inner, name) => property(&inner.value(), &json!(name)),
            Model::At(inner, key) => property(&inner.value(), &key.value()),
            Model::Not(inner) => json!(!truthy(&inner.value())),
            Model::And(a, b) => {
                if truthy(&a.value()) {
                    b.value()
                } else {
                    a.value()
                }
            }
            Model::Or(a, b) => {
                if truthy(&a.value()) {
                    a.value()
                } else {
                    b.value()
                }
            }
            Model::Compare(a, by, b) => json!(compare(&a.value(), by, &b.value())),
            Model::Case(when, then, otherwise) => {
                if truthy(&when.value()) {
                    then.value()
                } else {
                    otherwise.value()
                }
            }
            Model::Join(inner) => match inner.value() {
                Json::Array(items) => json!(items.iter().map(written).collect::<Vec<_>>().join("-")),
                Json::Object(_) => json!(""),
                primitive @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
                    json!(written(&primitive))
                }
            },
        }
    }
}

fn truthy(json: &Json) -> bool {
    !matches!(json, Json::Null | Json::Bool(false)) && *json != json!("") && json.as_f64() != Some(0.0)
}

fn number(json: &Json) -> f64 {
    match json {
        Json::Null => 0.0,
        Json::Bool(value) => f64::from(u8::from(*value)),
        Json::Number(value) => value.as_f64().unwrap_or(f64::NAN),
        Json::String(text) if text.trim().is_empty() => 0.0,
        Json::String(text) => text.trim().parse().unwrap_or(f64::NAN),
        Json::Array(_) | Json::Object(_) => f64::NAN,
    }
}

fn written(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(_) => "Array".to_owned(),
        Json::Object(_) => "Object".to_owned(),
        Json::Bool(_) | Json::Number(_) => json.to_string(),
    }
}

fn property(json: &Json, key: &Json) -> Json {
    if key.is_array() || key.is_object() {
        return Json::Null;
    }
    let at = number(key);
    let named = json.as_object().and_then(|object| {
        object.iter().find(|(name, _)| name.eq_ignore_ascii_case(&written(key))).map(|(_, value)| value)
    });
    let numbered = || json.as_array().filter(|_| at >= 0.0).and_then(|items| items.get(at as usize));
    named.or_else(numbered).cloned().unwrap_or_default()
}

fn compare(a: &Json, by: &str, b: &Json) -> bool {
    let texts = a.as_str().zip(b.as_str()).map(|(a, b)| (a.to_uppercase(), b.to_uppercase()));
    let nothing = a.is_null() && b.is_null();
    let (equal, less, greater) = match texts {
        // Arrays and objects are equal to themselves only; all those of the world differ in what they hold.
        _ if a.is_array() || a.is_object() => (a == b, false, false),
        Some((a, b)) => (a == b, a < b, a > b),
        None => {
            (number(a) == number(b), !nothing && number(a) < number(b), !nothing && number(a) > number(b))
        }
    };
    match by {
        "==" => equal,
        "!=" => !equal,
        "<" => less,
        "<=" => less || equal,
        ">" => greater,
        _ => greater || equal,
    }
}

fn models() -> impl Strategy<Value = Model> {
    let literal = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..4).prop_map(Json::from),
        prop::sample::select(vec!["", "a", "B", "b", "1", " 2 ", "x'y", "true"]).prop_map(Json::from),
    ];
    let leaf = prop_oneof![
        3 => literal.prop_map(Model::Literal),
        2 => prop::sample::select(vec!["list", "object", "nothing"]).prop_map(Model::Context),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        prop_oneof![
            (boxed(), prop::sample::select(vec!["a", "B", "c", "d", "zz"]))
                .prop_map(|(a, b)| Model::Property(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Model::At(a, b)),
            boxed().prop_map(Model::Not),
            (boxed(), boxed()).prop_map(|(a, b)| Model::And(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Model::Or(a, b)),
            (boxed(), operator, boxed()).prop_map(|(a, by, b)| Model::Compare(a, by, b)),
            (boxed(), boxed(), boxed()).prop_map(|(a, b, c)| Model::Case(a, b, c)),
            boxed().prop_map(Model::Join),
        ]
    })
}

/// Pieces of the language in any order, most of it nonsense.
fn noise() -> impl Strategy<Value = String> {
    let pieces = vec![
        "github", ".", "*", "[", "]", "(", ")", ",", "'", "''", "!", "==", "<", ">=", "&&", "||", "=", "1",
        "-1", "0x", "1e9", ".5", "é", "😊", " ", "\n", "null", "NaN", "format", "'{0}'", "fromJSON", "case",
        "${{", "}}", "success",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_panics(text in prop_oneof![noise(), any::<String>()]) {
        let contexts = json!({"github": {"a": [1, {"b": "c"}]}});
        let contexts = contexts.as_object().cloned().unwrap_or_default();
        if let Err(found) = evaluate_json(&text, &contexts) {
            prop_assert!(!found.message.is_empty());
        }
    }

    #[test]
    fn the_evaluator_agrees_with_the_model(model in models()) {
        let text = model.text();
        let found = parse(&text, &NAMES).and_then(|expr| eval(&expr, &World)).map(|value| value.to_json());
        prop_assert_eq!(found, Ok(model.value()), "{}", text);
    }

    #[test]
    fn printing_and_parsing_are_inverse(model in models()) {
        let Ok(expr) = parse(&model.text(), &NAMES) else { return Ok(()) };
        let printed = expr.to_string();
        prop_assert_eq!(parse(&printed, &NAMES), Ok(expr), "{}", printed);
    }

    #[test]
    fn whatever_parses_also_prints(text in noise()) {
        if let Ok(expr) = parse(&text, &STEP) {
            let printed = expr.to_string();
            let again = parse(&printed, &STEP).map(|expr| expr.to_string());
            prop_assert_eq!(again, Ok(printed));
        }
    }

    #[test]
    fn errors_point_at_the_mistake_in_every_style(
        words in prop::collection::vec(prop::sample::select(vec!["one", "zwei", "drüben", "it's", "\"so\""]), 0..6),
        style in 0_usize..6,
        indent in 2_usize..6,
    ) {
        let breaks = ["\n", "\n\n"][words.len() % 2];
        let pad = " ".repeat(indent);
        let lines = |between: &str| format!("x {}{between}${{{{ github.@bad }}}} end", words.join(between));
        let folded = lines(&format!("{breaks}{pad}"));
        let document = match style {
            0 => format!("key: {}\n", lines(" ")),
            1 => format!("key: {folded}\n"),
            2 => format!("key: '{}'\n", folded.replace('\'', "''")),
            3 => format!("key: \"{}\"\n", folded.replace('"', "\\\"")),
            4 => format!("key: |-  # why\n{pad}{folded}\n"),
            _ => format!("key: >\n{pad}{folded}\n\n"),
        };
        let source = Source::new("t.yml", document);
        let tree = yaml::parse(&source, yaml::Limits::default());
        let Ok(Some(tree)) = tree else { panic!("{tree:?}\n{}", source.text) };
        let node = tree.as_mapping().and_then(|mapping| mapping.get("key")).expect("the key is there");
        let text = node.as_text().expect("it is text");
        let found = Template::parse(text, node.span, &source, &STEP).expect_err("it is wrong");
        prop_assert_eq!(&source.text[source.byte_range(found.span)], "@bad", "{}", source.text);
    }

    #[test]
    fn places_never_leave_the_text(text in noise(), around: String, a in 1_u32..4, b in 1_u32..40) {
        let source = Source::new("t.yml", format!("{around}{text}"));
        let span = Span::new(Pos::new(a, b), Pos::new(a + 3, b));
        if let Err(found) = Template::parse(&text, span, &source, &STEP) {
            prop_assert!(source.text.get(source.byte_range(found.span)).is_some());
        }
    }
}
