//! The cases of GitHub's own runner that belong to what is here, from `SHIPWAY_CONFORMANCE`.

use crate::{
    command::Command,
    filecommand,
    lines::Piece,
    mask::{Masker, PieceMasker},
    matcher::{Matchers, Places, Watch},
    place::PathMap,
    reach::Reach,
    scope::StepScope,
    session::{Action, Heard, Session},
};
use serde_json::Value;
use shipway_base::{Source, Span};
use shipway_workflow::{
    expr::{Condition, Object, STEP_IF},
    run::Conclusion,
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Runs a file of cases and prints how many pass; `None` from `run` means that the case is about something that
/// this version refuses, and is counted apart.
pub(crate) fn run_file(name: &str, run: impl Fn(&Value, &Value) -> Option<Result<(), String>>) {
    let Some(path) = folder().map(|dir| dir.join("actions-runner").join(name)) else { return };
    let text = fs::read_to_string(&path).expect("the file of cases");
    let file: Value = serde_json::from_str(&text).expect("cases in JSON");
    let cases = file["cases"].as_array().expect("cases");
    let (mut passed, mut left_out, mut failed) = (0, 0, Vec::new());
    for case in cases {
        match run(&case["input"], &case["expect"]) {
            Some(Ok(())) => passed += 1,
            Some(Err(found)) => failed.push(format!("{}: {found}", case["name"])),
            None => left_out += 1,
        }
    }
    let name = name.trim_end_matches(".json");
    let apart = match left_out {
        0 => String::new(),
        _ => format!(" (left out: {left_out}, about what is refused here)"),
    };
    say(&format!("conformance: the runner's {name}: {passed}/{}{apart}", cases.len()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Written past the test harness, which would keep the words of a passing test to itself.
pub(crate) fn say(line: &str) {
    // The harness may stand in the middle of a line of dots.
    writeln!(std::io::stdout(), "\n{line}").expect("standard output is open");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the cases is told to tests through the environment"
)]
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("SHIPWAY_CONFORMANCE").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let further = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance");
    let found = given.into_iter().chain([beside, further]).find(|dir| dir.is_dir());
    if found.is_none() {
        println!("CONFORMANCE NOT RUN: set SHIPWAY_CONFORMANCE to the folder of the cases");
    }
    found
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expect: T) -> Result<(), String> {
    if found == expect { Ok(()) } else { Err(format!("{found:?} instead of {expect:?}")) }
}

#[test]
fn command_parse() {
    run_file("command-parse.json", |input, expect| {
        let line = text(input, "line");
        let parsed = match text(input, "syntax") {
            "hash" => Command::parse_hash(line),
            _ => Command::parse_colon(line),
        };
        let found = parsed.map_or(Value::Null, |command| {
            let properties: serde_json::Map<String, Value> =
                command.properties.into_iter().map(|(key, value)| (key, value.into())).collect();
            serde_json::json!({"command": command.name, "properties": properties, "data": command.data})
        });
        Some(same(found, expect["parsed"].clone()))
    });
}

#[test]
fn command_session() {
    run_file("command-session.json", |input, expect| {
        let dir = tempfile::tempdir().expect("a folder");
        let here = |path: &str| dir.path().join(path.trim_start_matches('/'));
        let pairs = input["path_map"].as_array().into_iter().flatten();
        let pairs = pairs.map(|pair| (here(text(pair, "host")), text(pair, "container").into()));
        let places = Places::new(Path::new("/nowhere"), "me/it", PathMap::new(pairs));
        for (path, content) in input["files"].as_object().into_iter().flatten() {
            fs::create_dir_all(here(path).parent().expect("a parent")).expect("a folder");
            fs::write(here(path), content.to_string()).expect("a file");
        }
        let mut watch = Watch::new(&Matchers::default(), places);
        let mut added = Vec::new();
        let any_token =
            ["1", "true"].contains(&text(&input["step_env"], "ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS"));
        let mut session = Session::new(text(&input["variables"], "ACTIONS_STEP_DEBUG") == "true", any_token);
        let mut masker = Masker::new();
        let echo_before = session.echo();
        let (mut taken, mut echo, mut refused) = (Vec::new(), Vec::new(), false);
        for line in input["lines"].as_array().into_iter().flatten() {
            taken.push(match session.hear(line.as_str().unwrap_or_default()) {
                Heard::Plain => false,
                Heard::Command { action, .. } => {
                    match action {
                        Action::Mask(value) => masker.add(&value),
                        Action::Refuse(_) => refused = true,
                        Action::AddMatcher(file) => match watch.add_file(&file) {
                            Ok((owners, left_out)) => {
                                added.extend(owners);
                                refused |= !left_out.is_empty();
                            }
                            Err(_) => refused = true,
                        },
                        Action::Nothing
                        | Action::SetOutput { .. }
                        | Action::SaveState { .. }
                        | Action::SetEnv { .. }
                        | Action::AddPath(_)
                        | Action::Annotate(_)
                        | Action::Group(_)
                        | Action::EndGroup
                        | Action::Debug(_)
                        | Action::RemoveMatcher { .. } => {}
                    }
                    true
                }
            });
            echo.push(session.echo());
        }
        let fails = expect["error"] == true || expect["command_result"] == "failure";
        let checks = [
            expect.get("taken").map(|expect| same(&serde_json::json!(taken), expect)),
            expect.get("echo_after").map(|expect| same(&serde_json::json!(echo), expect)),
            expect.get("echo_before").map(|expect| same(&serde_json::json!(echo_before), expect)),
            expect.get("matchers_added").map(|expect| same(&serde_json::json!(added), expect)),
            fails.then(|| same(refused, true)),
        ];
        let masked = expect["masked"].as_array().into_iter().flatten();
        let masked = masked.map(|pair| same(masker.mask(text(pair, "text")).as_str(), text(pair, "masked")));
        Some(checks.into_iter().flatten().chain(masked).collect())
    });
}

#[test]
fn annotation_properties() {
    run_file("annotation-properties.json", |input, expect| {
        let Heard::Command { action: Action::Annotate(found), .. } =
            Session::new(false, false).hear(text(input, "line"))
        else {
            return Some(Err("no annotation".to_owned()));
        };
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let properties: serde_json::Map<String, Value> = [
            ("file", found.file.clone()),
            ("line", number(found.line)),
            ("endLine", number(found.end_line)),
            ("col", number(found.column)),
            ("endColumn", number(found.end_column)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?))))
        .collect();
        let properties = same(Value::from(properties), expect["properties"].clone());
        Some(properties.and(same(found.message.as_str(), text(expect, "message"))))
    });
}

#[test]
fn masking() {
    run_file("masking.json", |input, expect| {
        let mut masker = Masker::new();
        for secret in input["secrets"].as_array().into_iter().flatten() {
            masker.add(secret.as_str().unwrap_or_default());
        }
        for (_, address) in input["env"].as_object().into_iter().flatten() {
            masker.add_proxy_password(address.as_str().unwrap_or_default());
        }
        let whole = masker.mask(text(input, "line"));
        // The same in two writes, wherever the cut falls.
        let bytes = text(input, "line").as_bytes();
        let cut_anywhere = (0..bytes.len()).map(|cut| {
            let mut pieces = PieceMasker::new();
            let first = pieces.push(Piece { bytes: bytes[..cut].to_vec(), ends: false }, &masker);
            let second = pieces.push(Piece { bytes: bytes[cut..].to_vec(), ends: true }, &masker);
            let shown: String = first.into_iter().chain(second).collect();
            // A mask may be cut in two where two secrets touch.
            same(shown.replace("******", "***"), whole.clone())
        });
        Some(same(whole.as_str(), text(expect, "masked")).and(cut_anywhere.collect()))
    });
}

fn command_file(name: &str) {
    run_file(name, |input, expect| {
        let content = match (input.get("file"), input["utf8_bom"] == true) {
            (Some(_), _) => String::new(),
            (None, true) => format!("\u{feff}{}", text(input, "content")),
            (None, false) => text(input, "content").to_owned(),
        };
        let (found, ended) = filecommand::pairs(content.as_bytes());
        match (ended, expect.get("error_contains")) {
            (Err(error), Some(part)) => {
                let part = part.as_str().unwrap_or_default();
                return Some(if error.to_string().contains(part) { Ok(()) } else { Err(error.to_string()) });
            }
            (Err(error), None) => return Some(Err(error.to_string())),
            (Ok(()), _) => {}
        }
        let (refused, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(|(key, _)| {
            text(input, "variable") == "GITHUB_ENV" && filecommand::is_refused_env(key)
        });
        let kept: serde_json::Map<String, Value> = kept.into_iter().map(|(k, v)| (k, v.into())).collect();
        let issues = same(&Value::from(refused.len()), &expect["issues"]);
        Some(same(&Value::from(kept), &expect["values"]).and(issues))
    });
}

#[test]
fn file_command_env() {
    command_file("file-command-env.json");
}

#[test]
fn file_command_output() {
    command_file("file-command-output.json");
}

#[test]
fn file_command_state() {
    command_file("file-command-state.json");
}

#[test]
fn step_summary() {
    run_file("step-summary.json", |input, expect| {
        let bytes = match (&input["zero_bytes"], &input["file"]) {
            (Value::Number(length), _) => vec![0; length.as_u64().unwrap_or_default() as usize],
            (_, Value::String(_)) => Vec::new(),
            _ => text(input, "content").as_bytes().to_vec(),
        };
        let found = filecommand::summary(&bytes);
        let uploaded = same(matches!(found, Ok(Some(_))), expect["uploaded"] == true);
        let issues = same(Value::from(i32::from(found.is_err())), expect["issues"].clone());
        // Our masks are texts, not patterns: the case's patterns match these very texts.
        let mut masker = Masker::new();
        masker.add("Password=ThisIsMySecretPassword!");
        masker.add("ghs_verysecuretoken");
        let shown = masker.mask(found.ok().flatten().unwrap_or_default().as_str());
        let lacks = expect["uploaded_lacks"].as_array().into_iter().flatten();
        let lacks = lacks.map(|secret| same(shown.contains(secret.as_str().unwrap_or_default()), false));
        Some([uploaded, issues].into_iter().chain(lacks).collect())
    });
}

#[test]
fn status_functions() {
    run_file("status-functions.json", |input, expect| {
        let status = |name: &str| match input[name].as_str().unwrap_or("success") {
            "failure" => Conclusion::Failure,
            "cancelled" => Conclusion::Cancelled,
            _ => Conclusion::Success,
        };
        let job_status = status("job_status");
        let status = if text(input, "step_of") == "job" { job_status } else { status("action_status") };
        let scope = StepScope {
            contexts: Object::new(),
            halt: None,
            env: Default::default(),
            status,
            job_status,
            workspace: None,
            home: PathBuf::new(),
            reach: Reach::default(),
        };
        let source = Source::new("case", text(input, "condition"));
        let condition = Condition::parse(&source.text, Span::START, &source, &STEP_IF);
        let found = condition.and_then(|condition| condition.eval(&scope)).map_err(|found| found.to_string());
        Some(found.and_then(|found| same(Value::from(found), expect["value"].clone())))
    });
}
