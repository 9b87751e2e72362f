//! Events, what they carry, and which workflows and jobs they start.

use super::{contains, events, expect, of_kind, on_push, repository, run};
use crate::support::Folder;
use shipway_base::Digest;

const SHOW: &str = "    runs-on: x\n    steps:\n      - run: echo \"saw ${{ toJSON(github.event) }}\"\n";

#[test]
fn a_push_says_what_the_repository_knows() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: |\n          echo \"${{ github.event.head_commit.message }} by ${{ \
         github.event.pusher.name }}\"\n          echo \"$GITHUB_REF $GITHUB_REF_NAME ${#GITHUB_SHA}\"\n          echo \
         \"before ${{ github.event.before }}\"\n",
    );
    let folder = repository(&workflow);
    let first = folder.git(&["rev-parse", "HEAD"]);
    folder.commit("second");
    let answer = expect(&folder, &["--verbose"], 0);
    contains(&answer, &["second by T", "refs/heads/main main 40", &format!("before {}", first.trim())]);
    // Not on a branch any more.
    folder.git(&["tag", "v1"]);
    folder.git(&["checkout", "--quiet", "--detach"]);
    contains(&expect(&folder, &["--verbose"], 0), &["refs/heads/main main 40"]);
    // Of several branches there it is the default one.
    for other in ["aa", "zz"] {
        folder.git(&["branch", other]);
    }
    contains(&expect(&folder, &["--verbose"], 0), &["refs/heads/main main 40"]);
}

#[test]
fn a_push_of_a_merge_has_the_commits_that_it_brought() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: echo \"saw ${{ join(github.event.commits.*.message) }} of ${{ \
         github.event.head_commit.tree_id }}\"\n",
    );
    let folder = repository(&workflow);
    let head = |folder: &Folder| folder.git(&["rev-parse", "HEAD^{tree}"]).trim().to_owned();
    folder.git(&["checkout", "--quiet", "-b", "side"]);
    folder.commit("one");
    folder.commit("two");
    contains(&expect(&folder, &["--verbose"], 0), &[&format!("saw two of {}", head(&folder))]);
    folder.git(&["checkout", "--quiet", "main"]);
    folder.git(&["merge", "--quiet", "--no-ff", "--message", "merged", "side"]);
    contains(&expect(&folder, &["--verbose"], 0), &[&format!("saw one,two,merged of {}", head(&folder))]);
}

#[test]
fn inputs_are_typed_and_defaulted() {
    let workflow = format!(
        "on:\n  workflow_dispatch:\n    inputs:\n      colour: {{default: red}}\n      loud: {{type: boolean}}\njobs:\n  \
         a:\n{SHOW}      - if: inputs.loud\n        run: echo \"LOUD ${{{{ inputs.colour }}}}\"\n"
    );
    let answer = run(&workflow, &["workflow_dispatch", "--input", "loud=true", "--verbose"], 0);
    contains(&answer, &["LOUD red", "\"colour\": \"red\"", "\"loud\": \"true\""]);
    let answer = run(&workflow, &["workflow_dispatch", "--input", "luod=true"], 2);
    contains(&answer, &["SW0115", "did you mean \"loud\"?"]);
    let answer = run(&workflow, &["workflow_dispatch", "--input", "loud=perhaps"], 2);
    contains(&answer, &["SW0115", "neither true nor false"]);
}

#[test]
fn inputs_come_with_the_body_of_the_event_too() {
    let workflow = format!(
        "on:\n  workflow_dispatch:\n    inputs:\n      colour: {{default: red}}\n      loud: {{type: boolean, default: true}}\n      \
         count: {{type: number}}\njobs:\n  a:\n{SHOW}      - run: echo \"${{{{ inputs.colour }}}} ${{{{ inputs.loud }}}} ${{{{ \
         inputs.count }}}}\"\n"
    );
    let folder = repository(&workflow);
    let check = |body: &str, more: &[&str], code, expected: &[&str]| {
        folder.write("event.json", body);
        let arguments = [&["workflow_dispatch", "--event-file", "event.json", "--verbose"], more].concat();
        contains(&expect(&folder, &arguments, code), expected);
    };
    let body = r#"{"inputs": {"colour": "blue", "loud": "false", "count": 3}}"#;
    check(body, &[], 0, &["blue false 3", "\"colour\": \"blue\""]);
    check(body, &["--input", "colour=green"], 0, &["green false 3"]);
    check(&format!("\u{feff}{body}"), &[], 0, &["blue false 3"]);
    check(r#"{"inputs": {"loud": null}}"#, &[], 0, &["red true"]);
    check(r#"{"inputs": {"colour": "blue", "luod": true}}"#, &[], 2, &["SW0115", "luod"]);
    let long = |length: usize| format!(r#"{{"inputs": {{"colour": "{}"}}}}"#, "x".repeat(length));
    check(&long(70_000), &[], 2, &["SW0115", "the inputs are too large", "at most 65535"]);
    check(&long(60_000), &["--dry-run"], 0, &["steps on x"]);
    check(r#"{"inputs": 5}"#, &[], 2, &["its inputs are no object"]);
    check(r#"{"inputs": {"colour": ["blue"]}}"#, &[], 2, &["the input colour is neither a text"]);
}

#[test]
fn the_body_of_the_event_can_be_given() {
    let workflow = "on: {pull_request: {types: [labeled]}}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo \"${{ \
                    github.event.label.name }} $GITHUB_REF $GITHUB_BASE_REF\"\n";
    let folder = repository(workflow);
    folder.write(
        "event.json",
        "{\"action\": \"labeled\", \"label\": {\"name\": \"bug\"}, \"pull_request\": {\"number\": 12, \"base\": {\"ref\": \
         \"dev\"}}}",
    );
    let answer = expect(&folder, &["pull_request", "--event-file", "event.json", "--verbose"], 0);
    contains(&answer, &["bug refs/pull/12/merge dev"]);
    folder.write("event.json", "{\"action\": \"opened\"}");
    let answer = expect(&folder, &["pull_request", "--event-file", "event.json"], 3);
    contains(&answer, &["its types do not include opened"]);
}

#[test]
fn a_large_body_reaches_a_job_whole() {
    let folder = repository(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: echo \"${{ github.event.objects[29999].name }}\"; sha256sum \
         < \"$GITHUB_EVENT_PATH\"\n",
    ));
    let objects = (0..30_000).map(|id| format!(r#"{{"id":{id},"name":"object {id}","on":true,"to":null}}"#));
    let objects = objects.collect::<Vec<_>>().join(",");
    let long = "ä\\n\\\"".repeat(1 << 19);
    let body = format!(r#"{{"objects":[{objects}],"long":"{long}","score":1.5}}"#);
    folder.write("event.json", &body);
    let answer = expect(&folder, &["--event-file", "event.json", "--verbose"], 0);
    contains(&answer, &["object 29999", &Digest::of(body.as_bytes()).hex()]);
}

#[test]
fn a_named_workflow_runs_whatever_its_filters_say() {
    let workflow = "on: {push: {branches: [release]}}\njobs: {a: {runs-on: x, steps: [{run: echo ran}]}}\n";
    let folder = repository(workflow);
    for name in ["ci.yml", ".github/workflows/ci.yml"] {
        contains(&expect(&folder, &["-W", name, "--verbose"], 0), &["ran"]);
    }
    // From a folder of the repository too.
    folder.write("sub/x", "");
    let output = crate::support::command(crate::support::binary(), &folder.path().join("sub"))
        .args(["run", "-W", "../.github/workflows/ci.yml"])
        .output()
        .expect("shipway");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_job_brings_what_it_needs_and_nothing_else() {
    let job = |needs: &str| format!("    runs-on: x\n{needs}    steps: [{{run: 'true'}}]\n");
    let workflow = on_push(&format!(
        "  a:\n{}  b:\n{}  c:\n{}  d:\n{}",
        job(""),
        job("    needs: [A]\n"),
        job("    needs: b\n"),
        job("")
    ));
    let answer = run(&workflow, &["-j", "C", "--json"], 0);
    let jobs = super::events(&answer);
    let names: Vec<&str> = super::conclusions(&jobs).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn several_workflows_run_beside_each_other() {
    let workflow = |name: &str, lines: &str| {
        format!("name: {name}\non: push\n{lines}jobs:\n  a:\n    runs-on: x\n    steps: [{{run: 'true'}}]\n")
    };
    let folder = Folder::repository(&[
        (".github/workflows/one.yml", &workflow("one", "concurrency: same\n")),
        (".github/workflows/two.yml", &workflow("two", "concurrency: same\n")),
        (".github/workflows/three.yml", &workflow("three", "")),
        (".github/workflows/other.yml", "on: schedule\njobs: {a: {runs-on: x, steps: [{run: 'false'}]}}\n"),
    ]);
    folder.write(
        ".github/workflows/other.yml",
        "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: 'false'}]}}\n",
    );
    let answer = expect(&folder, &[], 0);
    contains(&answer, &["one / a |", "two / a |", "three / a |", "ok      one: 1 job", "ok      two: 1 job"]);
    assert!(!answer.stdout.contains("other"), "{}", answer.all());
    let answer = expect(&folder, &["--json"], 0);
    assert_eq!(of_kind(&events(&answer), "run_finished").len(), 3);
}

#[test]
fn a_job_that_lost_its_place_is_told_by_its_name() {
    // The first holds the group until the third has entered it, which takes the second's place.
    let workflow = on_push(
        "  n:\n    runs-on: x\n    concurrency: g\n    strategy: {matrix: {n: [1, 2, 3]}}\n    steps: [{run: sleep 1}]\n",
    );
    let other = "name: other\non: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", &format!("name: many\n{workflow}")),
        (".github/workflows/other.yml", other),
    ]);
    let why = "a newer one entered the concurrency group \"g\": n (3) of many #1";
    let answer = expect(&folder, &["--jobs", "4"], 1);
    contains(&answer, &[&format!("many / n (2) |     notice: {why}")]);
    let last = answer.stdout.lines().find(|line| line.starts_with("stopped n (2)"));
    assert!(last.is_some_and(|line| line.ends_with(why)), "{}", answer.all());
    let answer = expect(&folder, &["--jobs", "4", "--json"], 1);
    let ends = events(&answer);
    let jobs = of_kind(&ends, "run_finished").into_iter().filter_map(|end| end["jobs"].as_array()).flatten();
    let reasons: Vec<&str> = jobs.filter_map(|job| job["reason"].as_str()).collect();
    assert_eq!(reasons, [why], "{}", answer.all());
}

#[test]
fn a_dry_run_shows_the_graph_and_runs_nothing() {
    let workflow = on_push(
        "  a:\n    runs-on: x\n    outputs: {list: '${{ steps.s.outputs.list }}'}\n    steps: [{id: s, run: touch \
         /nowhere/at/all}]\n  b:\n    needs: a\n    if: github.ref == 'refs/heads/main'\n    runs-on: [self-hosted, \
         linux]\n    strategy: {matrix: {os: [one, two]}}\n    steps: [{run: 'true'}]\n  c:\n    needs: a\n    runs-on: \
         x\n    strategy: {matrix: {os: '${{ fromJSON(needs.a.outputs.list) }}'}}\n    steps: [{run: 'true'}]\n",
    );
    let answer = run(&workflow, &["--dry-run"], 0);
    contains(
        &answer,
        &[
            "  a: 1 step on x",
            "  b, needs a, if github.ref == 'refs/heads/main': 1 step on self-hosted, linux",
            "    b (one)",
            "    b (two)",
            "its matrix is known when the jobs it needs have ended",
        ],
    );
}

#[test]
fn legs_of_a_matrix_can_be_chosen() {
    let workflow = on_push(
        "  a:\n    runs-on: '${{ matrix.os }}'\n    strategy: {matrix: {os: [ubuntu-latest, windows-latest], n: [1, 2, \
         3]}}\n    steps: [{run: 'true'}]\n  b:\n    needs: a\n    runs-on: x\n    steps: [{run: 'true'}]\n",
    );
    let answer =
        run(&workflow, &["--matrix", "os:ubuntu-latest", "--matrix", "N:1", "--matrix", "N:3", "--json"], 0);
    let found = events(&answer);
    let names: Vec<&str> = super::conclusions(&found).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a (ubuntu-latest, 1)", "a (ubuntu-latest, 3)", "b"]);
    assert!(answer.stderr.is_empty(), "{}", answer.all());
    contains(
        &run(&workflow, &["--dry-run"], 0),
        &["warning[SW1016]: windows-latest", "ci.yml:4:14", "--matrix"],
    );
    contains(
        &run(&workflow, &["--matrix", "oss:ubuntu-latest"], 2),
        &["no matrix here has the key", "keys: n, os"],
    );
    contains(&run(&workflow, &["--matrix", "os:mac"], 1), &["SW0116", "none of the legs"]);
    contains(&run(&workflow, &["--matrix", "os"], 2), &["KEY:VALUE"]);
}

#[test]
fn the_default_branch_is_the_one_of_the_origin() {
    let show = "${{ github.event.repository.default_branch }}";
    let workflow =
        on_push(&format!("  a:\n    runs-on: x\n    steps:\n      - run: echo \"default {show}\"\n"));
    let origin = repository(&workflow);
    contains(&expect(&origin, &["--verbose"], 0), &["default main"]);
    origin.git(&["branch", "-m", "main", "trunk"]);
    contains(&expect(&origin, &["--verbose"], 0), &["default trunk"]);
    let clone = Folder::new();
    clone.git(&["clone", "--quiet", &origin.path().display().to_string(), "."]);
    clone.git(&["checkout", "--quiet", "-b", "main"]);
    contains(&expect(&clone, &["--verbose"], 0), &["default trunk"]);
}

#[test]
fn a_schedule_is_the_first_of_the_workflow() {
    let workflow = "on: {schedule: [{cron: '5 4 * * 1'}, {cron: '0 3 * * *'}]}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - \
                    run: echo \"came by ${{ github.event.schedule }}\"\n";
    let folder = repository(workflow);
    contains(&expect(&folder, &["schedule", "--verbose"], 0), &["came by 5 4 * * 1"]);
    folder.write("event.json", r#"{"schedule": "0 3 * * *"}"#);
    let answer = expect(&folder, &["schedule", "--event-file", "event.json", "--verbose"], 0);
    contains(&answer, &["came by 0 3 * * *"]);
}

#[test]
fn a_release_and_a_pushed_tag_are_about_their_tag() {
    let workflow = "on: [push, release]\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo \"at $GITHUB_REF\"\n";
    let folder = repository(workflow);
    folder.write("event.json", r#"{"action": "published", "release": {"tag_name": "v1.2"}}"#);
    let answer = expect(&folder, &["release", "--event-file", "event.json", "--verbose"], 0);
    contains(&answer, &["at refs/tags/v1.2", "release, v1.2"]);
    folder.write("event.json", r#"{"ref": "refs/tags/v2"}"#);
    let answer = expect(&folder, &["push", "--event-file", "event.json", "--verbose"], 0);
    contains(&answer, &["at refs/tags/v2", "push, v2"]);
}

#[test]
fn whose_event_it_is_stands_in_its_body() {
    let workflow = "on: [push, create, delete, pull_request_review]\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo \
                    \"$GITHUB_REPOSITORY of $GITHUB_REPOSITORY_OWNER by $GITHUB_ACTOR/$GITHUB_TRIGGERING_ACTOR \
                    $GITHUB_REPOSITORY_ID $GITHUB_REPOSITORY_OWNER_ID $GITHUB_ACTOR_ID ${{ github.event.sender.login }} \
                    $GITHUB_REF\"\n";
    let folder = repository(workflow);
    let check = |event: &str, body: &str, code, expected: &[&str]| {
        folder.write("event.json", body);
        contains(&expect(&folder, &[event, "--event-file", "event.json", "--verbose"], code), expected);
    };
    let body = r#"{"ref": "refs/heads/dev", "repository": {"id": 7, "full_name": "acme/shop", "owner": {"login": "acme", "id": 8}},
        "sender": {"login": "mona", "id": 9}}"#;
    check("push", body, 0, &["acme/shop of acme by mona/mona 7 8 9 mona refs/heads/dev"]);
    // What it does not say is that of the repository here.
    check("push", "{}", 0, &[" of local by T/T 1 1 1  refs/heads/main"]);
    for name in [r#""a b/c""#, r#""shop""#, "7", r#""a/b/c""#, "null"] {
        let body = format!(r#"{{"repository": {{"full_name": {name}}}}}"#);
        check("push", &body, 2, &["repository.full_name is", "which is not owner/name"]);
    }
    check("create", r#"{"ref": "v1", "ref_type": "tag"}"#, 0, &["refs/tags/v1", "create, v1"]);
    check("create", r#"{"ref": "a/b", "ref_type": "branch"}"#, 0, &["refs/heads/a/b", "create, a/b"]);
    check("delete", r#"{"ref": "a/b", "ref_type": "branch"}"#, 0, &["refs/heads/main", "delete, main"]);
    let gone = r#"{"ref": "a", "ref_type": "branch", "repository": {"full_name": "a/b", "default_branch": "trunk"}}"#;
    check("delete", gone, 0, &["refs/heads/trunk"]);
    check("pull_request_review", r#"{"pull_request": {"number": 4}}"#, 0, &["refs/pull/4/merge"]);
}

#[test]
fn a_title_that_cannot_be_made_starts_nothing() {
    let workflow = "on: push\nrun-name: ${{ fromJSON('{') }}\njobs:\n  a:\n    runs-on: x\n    steps: [{run: echo began}]\n";
    let answer = expect(&repository(workflow), &[], 2);
    contains(&answer, &["ci.yml:2:", "nothing was run"]);
    assert!(!answer.all().contains("began"), "{}", answer.all());
}

#[test]
fn the_name_of_a_workflow_does_not_steer_the_terminal() {
    let workflow = "name: \"evil\\e[31mname\\r\\nx\"\non: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: 'true'}]\n";
    let answer = expect(&repository(workflow), &[], 0);
    assert!(!answer.all().contains(['\u{1b}', '\r']), "{:?}", answer.all());
}

#[test]
fn a_pull_request_that_is_made_up_says_what_is_known() {
    let workflow = "on: {pull_request: {types: [TYPES]}}\njobs:\n  a:\n    if: github.event.action == 'WANTED'\n    runs-on: x\n    \
                    steps:\n      - run: echo \"base ${{ github.event.pull_request.base.sha }} ${{ github.event.pull_request.base.ref \
                    }} ${{ github.event.pull_request.html_url != '' }}\"\n";
    for (types, wanted) in
        [("opened", "opened"), ("labeled, edited", "labeled"), ("synchronize, opened", "opened")]
    {
        let folder = repository(&workflow.replace("TYPES", types).replace("WANTED", wanted));
        let base = folder.git(&["rev-parse", "main"]);
        folder.git(&["checkout", "--quiet", "-b", "feat"]);
        folder.write("new", "file");
        folder.git(&["add", "--all"]);
        folder.git(&["commit", "--quiet", "-m", "more"]);
        let answer = expect(&folder, &["pull_request", "--verbose"], 0);
        contains(&answer, &[&format!("base {} main true", base.trim())]);
    }
}
