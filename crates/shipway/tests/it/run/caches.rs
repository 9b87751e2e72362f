//! The built-in `actions/cache`, by itself and beside the packages that the real one is made of.

use super::{contains, events, log, of_kind, repository};
use crate::support::{Answer, Folder, project};
use serde_json::Value;

fn run(folder: &Folder, arguments: &[&str], code: i32) -> (Answer, Vec<Value>) {
    let answer = folder.shipway(&[&["run", "--json", "--cache-dir", "kept"], arguments].concat());
    assert_eq!(answer.code, code, "{}", answer.all());
    let events = events(&answer);
    (answer, events)
}

#[track_caller]
fn has(events: &[Value], line: &str) {
    assert!(log(events).contains(&line), "no line {line:?} in {:#?}", log(events));
}

const WORKFLOW: &str = r#"on: push
jobs:
  whole:
    runs-on: x
    steps:
      - id: it
        uses: actions/cache@v4
        with: {path: "deps\n~/more\n/tmp/not/there/*", key: "k-${{ vars.KEY }}", restore-keys: "k-\nother"}
      - run: |
          echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat deps/file ~/more/file 2>/dev/null | tr '\n' ' ')$(readlink deps/link)"
          stat -c 'mode %a' deps/run || true
      - if: steps.it.outputs.cache-hit != 'true'
        run: |
          mkdir -p deps/empty ~/more && echo "${{ vars.KEY }}" | tee deps/file > ~/more/file && ln -sfn file deps/link
          printf '#!/bin/sh\n' > deps/run && chmod 750 deps/run
      - if: vars.FAIL
        run: exit 1
  parts:
    runs-on: x
    steps:
      - {id: look, uses: actions/cache/restore@v4, with: {path: parts, key: "p-${{ vars.KEY }}", lookup-only: true}}
      - {id: in, uses: actions/cache/restore@v4, with: {path: parts, key: "p-${{ vars.KEY }}", restore-keys: p-}}
      - run: |
          echo "looked '${{ steps.look.outputs.cache-hit }}', key ${{ steps.in.outputs.cache-primary-key }}, matched '${{ steps.in.outputs.cache-matched-key }}', have $(cat parts 2>/dev/null)"
          echo "${{ vars.KEY }}" > parts
      - {if: steps.in.outputs.cache-hit != 'true', uses: actions/cache/save@v4, with: {path: parts, key: "p-${{ vars.KEY }}"}}
      - {uses: actions/cache/save@v4, with: {path: nowhere, key: none}}
      - {id: strict, uses: actions/cache/restore@v4, with: {path: parts, key: never, fail-on-cache-miss: true}, continue-on-error: true}
      - {id: comma, uses: actions/cache/restore@v4, with: {path: parts, key: 'a,b'}, continue-on-error: true}
      - run: echo "strict ${{ steps.strict.outcome }}, comma ${{ steps.comma.outcome }}"
"#;

#[test]
fn what_one_run_saves_the_next_restores() {
    let folder = repository(WORKFLOW);
    let (failed, _) = run(&folder, &["--var", "KEY=1", "--var", "FAIL=yes", "-j", "whole"], 1);
    contains(&failed, &["Cache not found for input keys: k-1, k-, other"]);
    let (first, events) = run(&folder, &["--var", "KEY=1"], 0);
    // A job that fails saves nothing.
    has(&events, "hit '', have ");
    has(&events, "looked '', key p-1, matched '', have ");
    has(&events, "strict failure, comma failure");
    contains(
        &first,
        &["Cache saved with key: k-1", "the cache none is not saved: none of its paths is there"],
    );
    let (second, events) = run(&folder, &["--var", "KEY=1"], 0);
    has(&events, "hit 'true', have 1 1 file");
    has(&events, "mode 750");
    has(&events, "looked 'true', key p-1, matched 'p-1', have 1");
    contains(&second, &["Cache hit occurred on the primary key k-1, not saving cache."]);
    let (_, events) = run(&folder, &["--var", "KEY=2"], 0);
    has(&events, "hit 'false', have 1 1 file");
    has(&events, "looked '', key p-2, matched 'p-1', have 1");
    let (_, events) = run(&folder, &["--var", "KEY=2"], 0);
    has(&events, "hit 'true', have 2 2 file");
    let uploads = folder.path().join("kept/caches/uploads");
    assert_eq!(std::fs::read_dir(uploads).expect("uploads").count(), 0);
}

#[test]
fn a_job_that_may_not_save_is_told_so() {
    let steps = "      - run: mkdir deps && echo x > deps/file\n      - {uses: actions/cache/save@v4, with: {path: deps, key: k}}\n";
    let folder = repository(&format!(
        "on: push\njobs:\n  a:\n    runs-on: x\n    cache-mode: read\n    steps:\n{steps}"
    ));
    let (answer, events) = run(&folder, &[], 0);
    contains(&answer, &["the cache k is not saved", "cache-mode: read"]);
    assert_eq!(of_kind(&events, "annotation").len(), 1);
}

#[test]
fn the_toolkit_and_the_built_in_action_understand_each_other() {
    if !super::services::has_packages() {
        return;
    }
    let actions = project().join("tests/actions");
    let text = format!(
        r#"on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: ln -s '{0}/services' . && mkdir -p one two
      - {{id: two, uses: actions/cache/restore@v4, with: {{path: two, key: made-by-toolkit}}}}
      - {{id: one, uses: ./services, with: {{do: restore, path: one, key: made-by-built-in}}}}
      - run: |
          echo "built-in '${{{{ steps.two.outputs.cache-hit }}}}' $(wc -l < two/numbers), toolkit ${{{{ steps.one.outputs.found }}}} $(wc -l < one/numbers)"
      - run: seq 300000 > one/numbers && seq 400000 > two/numbers
      - {{if: "!vars.AGAIN", uses: actions/cache/save@v4, with: {{path: one, key: made-by-built-in}}}}
      - {{if: "!vars.AGAIN", uses: ./services, with: {{do: save, path: two, key: made-by-toolkit}}}}
"#,
        actions.display()
    );
    let folder = repository(&text);
    let (_, events) = run(&folder, &[], 0);
    has(&events, "built-in '' , toolkit nothing ");
    let (_, events) = run(&folder, &["--var", "AGAIN=yes"], 0);
    has(&events, "built-in 'true' 400000, toolkit made-by-built-in 300000");
}

/// Saves a cache of the folder `d` with what the job makes of it.
const MAKES: &str = r#"on: push
jobs:
  a:
    runs-on: x
    steps:
      - {id: it, uses: actions/cache@v4, with: {path: d, key: k}}
      - run: echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat d/file 2>/dev/null)"
      - run: mkdir -p d && echo content > d/file
"#;

/// The file with the content of the only cache that is kept.
fn content(folder: &Folder) -> std::path::PathBuf {
    let mut open = vec![folder.path().join("kept/caches/entries")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        } else if !path.ends_with("entry.json") {
            return path;
        }
    }
    panic!("no cache is kept")
}

#[test]
fn a_damaged_cache_makes_room_for_a_new_one() {
    let folder = repository(MAKES);
    let (first, events) = run(&folder, &[], 0);
    has(&events, "hit '', have ");
    contains(&first, &["Cache saved with key: k"]);
    let path = content(&folder);
    let mut bytes = std::fs::read(&path).expect("a content");
    let last = bytes.len() - 1;
    bytes[last / 2] ^= 0x55;
    bytes[last] ^= 0x55;
    std::fs::write(&path, &bytes).expect("damaged");
    let (second, events) = run(&folder, &[], 0);
    contains(
        &second,
        &[
            "the cache k cannot be restored: its content is damaged",
            "it is removed, so that it can be saved again",
            "Cache saved with key: k",
        ],
    );
    assert_eq!(of_kind(&events, "annotation").len(), 1);
    let (_, events) = run(&folder, &[], 0);
    has(&events, "hit 'true', have content");
}

#[test]
fn a_damaged_cache_stays_where_it_may_not_be_saved() {
    let folder = repository(MAKES);
    run(&folder, &[], 0);
    let path = content(&folder);
    let length = std::fs::metadata(&path).expect("a content").len();
    std::fs::write(&path, vec![7; usize::try_from(length).expect("a small file")]).expect("damaged");
    folder.write(
        ".github/workflows/ci.yml",
        &MAKES.replace("    runs-on", "    cache-mode: read\n    runs-on"),
    );
    let (answer, _) = run(&folder, &[], 0);
    assert!(!answer.all().contains("it is removed"), "{}", answer.all());
    assert_eq!(std::fs::metadata(&path).expect("it is still there").len(), length);
}

#[test]
fn a_cache_is_restored_into_its_paths_and_nowhere_else() {
    // Whoever saves a cache decides what is in it: here by a `tar` of its own, that the built-in action starts.
    let away = Folder::new();
    let evil = format!(
        "#!/bin/sh\ncase \"$*\" in *-cf*) exec /bin/tar --posix --use-compress-program zstdmt -cf - -P -C '{}' d ../planted;; esac\nexec /bin/tar \"$@\"\n",
        away.path().join("in").display()
    );
    away.write("in/d/file", "content");
    away.write("planted", "harm");
    away.write("bin/tar", &evil);
    let folder = repository(MAKES);
    let tar = away.path().join("bin/tar");
    std::fs::set_permissions(&tar, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    let path = format!("{}:{}", away.path().join("bin").display(), host_path());
    let mut command = crate::support::command(crate::support::binary(), folder.path());
    let saved =
        command.args(["run", "--json", "--cache-dir", "kept"]).env("PATH", path).output().expect("shipway");
    contains(&Answer::from(saved), &["Cache saved with key: k"]);
    let (answer, events) = run(&folder, &[], 0);
    contains(
        &answer,
        &[
            "the cache k cannot be restored: it holds ../planted, which lies outside of its paths; it is removed",
            "Cache not found for input keys: k",
        ],
    );
    // What came before it lies where it was asked for, as after an archive that breaks off.
    has(&events, "hit '', have content");
}

#[expect(clippy::disallowed_methods, reason = "the programs of the machine are found where it says")]
fn host_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

#[test]
fn a_save_that_is_stopped_leaves_nothing_and_frees_its_key() {
    let folder = repository(
        r#"on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: mkdir d && truncate -s 1T d/huge
      - {id: long, uses: actions/cache/save@v4, with: {path: d, key: k}, timeout-minutes: 0.01, continue-on-error: true}
      - {id: look, uses: actions/cache/restore@v4, with: {path: d, key: k, lookup-only: true}}
      - run: rm d/huge && echo small > d/file && echo "saved ${{ steps.long.outcome }}, looked '${{ steps.look.outputs.cache-hit }}'"
      - {uses: actions/cache/save@v4, with: {path: d, key: k}}
"#,
    );
    let (answer, events) = run(&folder, &[], 0);
    has(&events, "saved failure, looked ''");
    contains(&answer, &["the step took longer than its timeout-minutes", "Cache saved with key: k"]);
    assert_eq!(std::fs::read_dir(folder.path().join("kept/caches/uploads")).expect("uploads").count(), 0);
}
