//! GitHub's own cases about problem matchers.

use super::*;
use crate::{
    conformance::run_file,
    place::PathMap,
    session::{Heard, Session, disarm},
};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn nowhere() -> Places {
    Places::new(Path::new("/nowhere"), "me/it", PathMap::default())
}

#[test]
fn conformance_configurations() {
    run_file("problem-matcher-config.json", |input, expect| {
        let text_of = match input["text"].as_str() {
            Some(text) => text.to_owned(),
            None => input["config"].to_string(),
        };
        Some(match (config::parse(&text_of), expect["valid"] == true) {
            (Ok(found), true) if !found.matchers.is_empty() && found.left_out.is_empty() => Ok(()),
            (Err(wrong), false) if wrong.to_string().contains(text(expect, "reason")) => Ok(()),
            (found, _) => Err(format!("{found:?}")),
        })
    });
}

#[test]
fn conformance_matches_line_by_line() {
    run_file("problem-matcher-lines.json", |input, expect| {
        let config = config::matcher(&input["matcher"]).expect("a matcher");
        let mut running = Running::new(Arc::new(config));
        let found: Vec<Value> = list(&input["lines"])
            .map(|line| running.take(line.as_str().expect("a line")).expect("in time"))
            .map(|found| {
                found.map_or(Value::Null, |found| {
                    let properties = Property::ALL.into_iter();
                    let set = properties.filter_map(|property| Some((property.key(), found.get(property)?)));
                    set.map(|(key, value)| (key.to_owned(), Value::from(value)))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                })
            })
            .collect();
        let found = Value::from(found);
        Some(if found == expect["matches"] { Ok(()) } else { Err(found.to_string()) })
    });
}

#[test]
fn conformance_finds_files_in_the_repository() {
    run_file("problem-matcher-files.json", |input, expect| {
        let dir = TempDir::new().expect("a folder");
        let workspace = text(input, "workspace");
        let here = |path: &str| path.replacen(workspace, &dir.path().join("w").to_string_lossy(), 1);
        for one in list(&input["git_repositories"]) {
            let git = Path::new(&here(text(one, "path"))).join(".git");
            fs::create_dir_all(&git).expect("a folder");
            fs::write(git.join("config"), format!("[remote \"origin\"]\n\turl = {}\n", text(one, "origin")))
                .expect("a file");
        }
        for path in list(&input["existing_files"]) {
            let path = here(path.as_str().expect("a path"));
            fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        let pairs = list(&input["path_map"])
            .map(|pair| (here(text(pair, "host")).into(), text(pair, "container").into()));
        let map = PathMap::new(pairs);
        let mut places = Places::new(Path::new(&here(workspace)), text(input, "repository"), map);
        if let Some(steps) = input["max_parent_steps"].as_u64() {
            places.parents = usize::try_from(steps).expect("a small number");
        }
        let mut watch = Watch::new(&Matchers::default(), places);
        watch.add(config::matcher(&input["matcher"]).expect("a matcher")).expect("room");
        let found: Vec<Value> = list(&input["lines"])
            .map(|line| {
                let line = line.as_str().expect("a line");
                let line = if line.starts_with(workspace) { here(line) } else { line.to_owned() };
                let annotation = watch.take(&line).problem.expect("a problem");
                json!({"message": annotation.message, "file": annotation.file})
            })
            .collect();
        let found = Value::from(found);
        Some(if found == expect["issues"] { Ok(()) } else { Err(found.to_string()) })
    });
}

#[test]
fn conformance_a_whole_stream() {
    run_file("output-stream.json", |input, expect| {
        let shared = Matchers::default();
        let mut watch = Watch::new(&shared, nowhere());
        let matchers: Vec<&Value> = list(&input["matchers"]).collect();
        for one in matchers.iter().rev() {
            watch.add(config::matcher(one).expect("a matcher")).expect("room");
        }
        let (mut issues, mut output, mut debug, mut commands) = (vec![], vec![], vec![], vec![]);
        let mut session = Session::new(false, false);
        for event in list(&input["events"]) {
            if event["add"].is_object() {
                watch.add(config::matcher(&event["add"]).expect("a matcher")).expect("room");
            } else if let Some(owner) = event["remove"].as_str() {
                watch.remove(owner);
            } else {
                let line = text(event, "line");
                // There is no way to register commands here: one that the case registers stands for a known one.
                let known = list(&input["registered_commands"]).fold(line.to_owned(), |line, name| {
                    line.replace(&format!("##[{}]", name.as_str().unwrap_or_default()), "##[debug]")
                });
                // `##[group]` is taken as a command and shown by the runner as the very same line.
                if session.hear(&known) != Heard::Plain && !line.starts_with("##[group]") {
                    commands.push(Value::from(line));
                    continue;
                }
                let found = watch.take(line);
                debug.extend(found.debug.into_iter().map(Value::from));
                match found.problem {
                    None => output.push(Value::from(disarm(line.to_owned()))),
                    Some(annotation) => {
                        let mut issue =
                            json!({"type": annotation.level.word(), "message": annotation.message});
                        let number = |value: Option<u32>| value.map(|number| number.to_string());
                        for (key, value) in [
                            ("code", annotation.code),
                            ("line", number(annotation.line)),
                            ("col", number(annotation.column)),
                        ] {
                            if let Some(value) = value {
                                issue[key] = value.into();
                            }
                        }
                        issue["logged_as"] = annotation.caught.into();
                        issues.push(issue);
                    }
                }
            }
        }
        let found = json!({"issues": issues, "output": output, "debug": debug, "taken_as_command": commands});
        let same = ["issues", "output", "debug", "taken_as_command"]
            .into_iter()
            .all(|key| expect.get(key).is_none_or(|expect| *expect == found[key]));
        Some(if same { Ok(()) } else { Err(found.to_string()) })
    });
}

#[test]
fn real_colours_are_no_obstacle() {
    let mut watch = Watch::new(&Matchers::default(), nowhere());
    let tsc = json!({"owner": "t", "pattern": [{"regexp": "^(.+): error (.+)$", "code": 1, "message": 2}]});
    watch.add(config::matcher(&tsc).expect("a matcher")).expect("room");
    let found = watch.take("\x1b[1;31ma.ts\x1b[m\x1b[K: error no");
    let annotation = found.problem.expect("a problem");
    assert_eq!((annotation.message.as_str(), annotation.caught.as_deref()), ("no", Some("a.ts: error no")));
}

#[test]
fn a_matcher_that_is_too_slow_three_times_is_removed() {
    let mut watch = Watch::new(&Matchers::default(), nowhere());
    let evil = json!({"owner": "evil", "pattern": [{"regexp": "^(?:(a|a)(?=a))+\\1[a]$", "message": 1}]});
    watch.add(config::matcher(&evil).expect("a matcher")).expect("room");
    let line = format!("{}!a", "a".repeat(2_000));
    let warnings: usize = (0..5).map(|_| watch.take(&line).warnings.len()).sum();
    assert_eq!(warnings, 1);
    assert!(watch.running.is_empty());
}

#[test]
fn matchers_of_one_file_are_tried_as_on_github() {
    let dir = TempDir::new().expect("a folder");
    let one = |owner: &str, code: &str| json!({"owner": owner, "pattern": [{"regexp": format!("^bad (.+?)({code})"), "message": 1, "code": 2}]});
    let file = json!({"problemMatcher": [one("a", "1"), one("b", "12"), one("c", "123")]});
    fs::write(dir.path().join("m.json"), file.to_string()).expect("a file");
    let shared = Matchers::default();
    let places = || Places::new(dir.path(), "me/it", PathMap::default());
    let code = |watch: &mut Watch| watch.take("bad x123").problem.and_then(|problem| problem.code);
    let mut first = Watch::new(&shared, places());
    first.add(config::matcher(&one("old", "x")).expect("a matcher")).expect("room");
    first.add_file("m.json").expect("matchers");
    // The step that adds them takes the last one first, the steps behind it the first; both before older ones.
    assert_eq!(code(&mut first).as_deref(), Some("123"));
    assert_eq!(code(&mut Watch::new(&shared, places())).as_deref(), Some("1"));
}

#[test]
fn a_matcher_that_cannot_be_used_here_is_told_and_the_others_are_used() {
    let dir = TempDir::new().expect("a folder");
    let one =
        |owner: &str, regexp: &str| json!({"owner": owner, "pattern": [{"regexp": regexp, "message": 0}]});
    let file = json!({"problemMatcher": [one("a", "(?<x-y>a)"), one("b", "^bad")]});
    fs::write(dir.path().join("m.json"), file.to_string()).expect("a file");
    let mut watch = Watch::new(&Matchers::default(), Places::new(dir.path(), "me/it", PathMap::default()));
    watch.add(config::matcher(&one("A", "worse")).expect("a matcher")).expect("room");
    let (owners, left_out) = watch.add_file("m.json").expect("matchers");
    assert_eq!(owners, ["b"]);
    assert_eq!(left_out.len(), 1);
    assert!(
        left_out[0].starts_with("the problem matcher 'a' in m.json is left out: the pattern"),
        "{left_out:?}"
    );
    assert!(watch.take("bad").problem.is_some());
    // It would have taken the place of the older one, which means something else.
    assert!(watch.take("worse").problem.is_none());
}

#[test]
fn steps_share_what_they_add() {
    let dir = TempDir::new().expect("a folder");
    fs::write(
        dir.path().join("m.json"),
        r#"{"problemMatcher": [{"owner": "m", "pattern": [{"regexp": "^bad (.+)", "message": 1}]}]}"#,
    )
    .expect("a file");
    let shared = Matchers::default();
    let mut first = Watch::new(&shared, Places::new(dir.path(), "me/it", PathMap::default()));
    assert_eq!(first.add_file("m.json"), Ok((vec!["m".to_owned()], Vec::new())));
    assert!(first.take("bad thing").problem.is_some());
    let mut second = Watch::new(&shared, Places::new(dir.path(), "me/it", PathMap::default()));
    assert!(second.take("bad thing").problem.is_some());
    assert_eq!(second.remove_named(Some("M"), ""), Ok(vec!["M".to_owned()]));
    assert!(second.take("bad thing").problem.is_none());
    assert!(Watch::new(&shared, nowhere()).take("bad thing").problem.is_none());
    for (file, why) in
        [("", "needs the path"), ("none.json", "cannot be read"), ("/dev/null", "it is not a file")]
    {
        let error = second.add_file(file).expect_err(file);
        assert!(error.contains(why), "{error}");
    }
}
