//! `--break-on-failure`: scripted by lines of JSON, and with keys and a shell on a terminal.

use super::{conclusions, contains, events, expect, of_kind, on_push, repository};
use crate::support::{Answer, Folder, binary, command};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::Stdio,
};

/// Runs with these lines on standard input.
fn scripted(folder: &Folder, arguments: &[&str], lines: &[&str]) -> Answer {
    let mut child = command(binary(), folder.path())
        .args(["run", "--break-on-failure", "--json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("shipway");
    let mut input = child.stdin.take().expect("stdin");
    for line in lines {
        writeln!(input, "{line}").expect("a reader");
    }
    drop(input);
    Answer::from(child.wait_with_output().expect("an end"))
}

/// The steps of one job, each with its indent.
fn job(steps: &str) -> String {
    on_push(&format!("  a:\n    runs-on: x\n    steps:\n{steps}"))
}

const RETRY: &str = r#"{"command":"retry"}"#;

#[test]
fn a_retry_undoes_what_the_failed_try_did() {
    let workflow = job("
      - id: s
        name: Flaky
        env: {A: own}
        run: |
          echo \"before: $LEFT, $(echo $PATH | grep -c left-over)\"
          echo \"LEFT=over\" >> $GITHUB_ENV
          echo /left-over >> $GITHUB_PATH
          echo \"try=$(ls)\" >> $GITHUB_OUTPUT
          echo said >> $GITHUB_STEP_SUMMARY
          echo x >> n; [ $(wc -l < n) = 3 ] || exit 7
      - run: echo \"then ${{ steps.s.outcome }} $LEFT\"
");
    let folder = repository(&workflow);
    let answer = scripted(
        &folder,
        &[],
        &[r#"{"command":"exec","run":"echo in $(basename $PWD) $A; exit 4"}"#, RETRY, RETRY],
    );
    assert_eq!(answer.code, 0, "{}", answer.all());
    let events = events(&answer);
    let breaks = of_kind(&events, "break");
    assert_eq!(breaks.len(), 2, "{}", answer.all());
    let first = breaks[0];
    assert_eq!((first["name"].as_str(), first["exit_code"].as_i64()), (Some("Flaky"), Some(7)));
    assert_eq!(
        (first["break"].as_u64(), first["step"].as_u64(), first["try"].as_u64()),
        (Some(1), Some(0), Some(1))
    );
    assert_eq!(first["last_lines"], serde_json::json!(["before: , 0"]));
    assert!(first["command"].as_str().expect("a script").contains("exit 7"));
    assert_eq!((first["file"].as_str(), first["line"].as_u64()), (Some(".github/workflows/ci.yml"), Some(7)));
    assert_eq!(breaks[1]["try"], 2);
    assert_eq!(breaks[1]["last_lines"], serde_json::json!(["before: , 0"]));
    assert_eq!(of_kind(&events, "command_done")[0]["exit_code"], 4);
    contains(&answer, &["in workspace own", "then success over"]);
    let decisions: Vec<&str> =
        of_kind(&events, "break_over").iter().filter_map(|event| event["decision"].as_str()).collect();
    assert_eq!(decisions, ["retry", "retry"]);
    let ends = of_kind(&events, "step_finished");
    assert_eq!((ends[0]["conclusion"].as_str(), ends[0]["exit_code"].as_i64()), (Some("success"), Some(0)));
}

#[test]
fn a_skipped_step_counts_as_successful_and_keeps_what_was_written_by_hand() {
    let workflow = job("
      - id: s
        run: echo \"a=1\" >> $GITHUB_OUTPUT; exit 1
      - run: echo \"then ${{ steps.s.outcome }} ${{ steps.s.outputs.a }}${{ steps.s.outputs.b }} $C\"
");
    let lines = [
        r#"{"command":"exec","run":"echo b=2 >> $GITHUB_OUTPUT; echo C=3 >> $GITHUB_ENV"}"#,
        r#"{"command":"skip"}"#,
    ];
    let answer = scripted(&repository(&workflow), &[], &lines);
    assert_eq!(answer.code, 0, "{}", answer.all());
    contains(
        &answer,
        &["then success 12 3", "was skipped by hand: it counts as successful in this run only"],
    );
}

#[test]
fn the_failure_counts_when_nobody_answers_or_somebody_goes_on() {
    let workflow = job(
        "      - run: exit 3\n      - run: exit 4\n        if: always()\n      - run: exit 5\n        continue-on-error: true\n        if: always()\n",
    );
    let folder = repository(&workflow);
    for lines in [&[][..], &[r#"{"command":"continue"}"#][..]] {
        let answer = scripted(&folder, &[], lines);
        assert_eq!(answer.code, 1, "{}", answer.all());
        let events = events(&answer);
        assert_eq!(of_kind(&events, "break").len(), 1 + lines.len(), "{}", answer.all());
        let codes: Vec<_> =
            of_kind(&events, "step_finished").iter().map(|step| step["exit_code"].as_i64()).collect();
        assert_eq!(codes, [Some(3), Some(4), Some(5)]);
        assert_eq!(conclusions(&events), [("a", "failure")]);
    }
}

/// An empty script would succeed, and the failed step with it, without having been tried: the question stays open.
#[test]
fn an_empty_script_is_no_retry() {
    let workflow = job("      - name: Check\n        run: test -e ready\n");
    let lines = [
        r#"{"command":"retry","run":""}"#,
        r#"{"command":"retry","run":" \n"}"#,
        r#"{"command":"retry","run":"test -e never"}"#,
        r#"{"command":"continue"}"#,
    ];
    let answer = scripted(&repository(&workflow), &[], &lines);
    assert_eq!(answer.code, 1, "{}", answer.all());
    let events = events(&answer);
    let refused: Vec<_> =
        of_kind(&events, "command_refused").iter().filter_map(|event| event["message"].as_str()).collect();
    assert_eq!(refused.len(), 2, "{}", answer.all());
    assert!(refused[0].contains("the script of the command is empty"), "{refused:?}");
    assert_eq!(of_kind(&events, "break").len(), 2, "{}", answer.all());
    assert_eq!(conclusions(&events), [("a", "failure")]);
}

#[test]
fn an_edited_script_is_used() {
    let workflow = job("      - run: echo one\n      - name: Edit me\n        run: exit 9\n");
    let folder = repository(&workflow);
    let answer = scripted(
        &folder,
        &[],
        &[r#"{"command":"retry","run":"echo ${{ github.job }} by command; exit 2"}"#, RETRY],
    );
    // The second one takes what is written in the file, which fails again.
    assert_eq!(answer.code, 1, "{}", answer.all());
    contains(&answer, &["a by command"]);
    // The step edits the workflow itself, as somebody at a keyboard would meanwhile.
    let root = folder.path().display().to_string();
    let edit = format!("sed -i 's/exit 9/echo edited; echo $((40 + 2))/' {root}/.github/workflows/ci.yml");
    let exec = serde_json::json!({ "command": "exec", "run": edit }).to_string();
    let answer = scripted(&folder, &[], &[&exec, RETRY]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    contains(&answer, &["\"42\""]);
}

#[test]
fn what_cannot_be_used_is_refused_and_the_step_waits_on() {
    let workflow = job("      - run: exit 1\n");
    let lines = [
        "nonsense",
        r#"{"command":"shell"}"#,
        r#"{"command":"skip","break":7}"#,
        r#"{"command":"retry","run":"${{ nope( }}"}"#,
        r#"{"command":"retry","run":"true"}"#,
    ];
    let answer = scripted(&repository(&workflow), &[], &lines);
    assert_eq!(answer.code, 0, "{}", answer.all());
    let events = events(&answer);
    assert_eq!(of_kind(&events, "command_refused").len(), 4, "{}", answer.all());
    contains(&answer, &["there is no break 7", "a shell needs a terminal"]);
}

#[test]
fn other_jobs_go_on_and_several_broken_steps_queue() {
    // With one place only: a job that waits lends its place.
    let workflow = on_push(
        "
  a: {runs-on: x, steps: [{run: 'exit 1'}]}
  b: {runs-on: x, steps: [{run: 'exit 2'}]}
  c: {runs-on: x, needs: d, steps: [{run: 'exit 3'}]}
  d: {runs-on: x, steps: [{run: 'true'}]}
",
    );
    let answers = |break_id: u32| format!(r#"{{"command":"skip","break":{break_id}}}"#);
    let folder = repository(&workflow);
    let mut child = command(binary(), folder.path())
        .args(["run", "--break-on-failure", "--json", "--jobs", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shipway");
    let mut input = child.stdin.take().expect("stdin");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("stdout")));
    let mut waiting = 0;
    while waiting < 3 {
        let line = lines.next().expect("three breaks").expect("text");
        let event: Value = serde_json::from_str(&line).expect("an event");
        waiting += u32::from(event["event"] == "break");
    }
    for id in [3, 1, 2] {
        writeln!(input, "{}", answers(id)).expect("a reader");
    }
    let last = lines.last().expect("a line").expect("text");
    let last: Value = serde_json::from_str(&last).expect("an event");
    assert_eq!(
        (last["event"].as_str(), last["conclusion"].as_str()),
        (Some("run_finished"), Some("success"))
    );
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[test]
fn abort_cancels_everything() {
    let workflow = on_push(
        "
  a: {runs-on: x, steps: [{run: 'exit 1'}, {run: 'echo cleaned', if: 'always()'}]}
  b: {runs-on: x, steps: [{run: 'sleep 600'}]}
",
    );
    let answer = scripted(&repository(&workflow), &["--jobs", "2"], &[r#"{"command":"abort"}"#]);
    assert_eq!(answer.code, 1, "{}", answer.all());
    let events = events(&answer);
    // As on GitHub a job that was cancelled is cancelled, whatever failed in it before.
    assert_eq!(conclusions(&events), [("a", "cancelled"), ("b", "cancelled")]);
    contains(&answer, &["cleaned"]);
}

#[test]
fn a_step_of_a_composite_action_is_asked_about_once() {
    let folder = Folder::repository(&[
        (".github/workflows/ci.yml", &job("      - uses: actions/checkout@v4\n      - uses: ./act\n")),
        (
            "act/action.yml",
            "name: Act\ndescription: x\nruns:\n  using: composite\n  steps:\n    - run: exit 6\n      shell: bash\n",
        ),
    ]);
    let answer = scripted(&folder, &[], &[r#"{"command":"continue"}"#, r#"{"command":"skip"}"#]);
    assert_eq!(answer.code, 1, "{}", answer.all());
    let events_seen = events(&answer);
    let breaks = of_kind(&events_seen, "break");
    assert_eq!(breaks.len(), 1, "{}", answer.all());
    assert_eq!(
        (breaks[0]["file"].as_str(), breaks[0]["exit_code"].as_i64()),
        (Some("act/action.yml"), Some(6))
    );
    let exec = r#"{"command":"exec","run":"sed -i s/exit.6/true/ act/action.yml"}"#;
    let answer = scripted(&folder, &[], &[exec, RETRY]);
    assert_eq!(answer.code, 0, "{}", answer.all());
}

#[test]
fn a_step_that_cannot_begin_is_asked_about_too() {
    let workflow =
        job("      - run: 'true'\n        shell: nosuchshell {0}\n      - run: echo ${{ fromJSON('x') }}\n");
    let answer = scripted(
        &repository(&workflow),
        &[],
        &[
            r#"{"command":"exec","run":"echo here"}"#,
            r#"{"command":"skip"}"#,
            r#"{"command":"retry","run":"echo mended"}"#,
        ],
    );
    assert_eq!(answer.code, 0, "{}", answer.all());
    contains(&answer, &["nosuchshell", "\"here\"", "mended"]);
}

#[test]
fn without_a_terminal_it_is_refused() {
    let folder = repository(&job("      - run: exit 1\n"));
    let answer = expect(&folder, &["--break-on-failure"], 2);
    contains(&answer, &["error[SW1050]", "--json"]);
}

/// A run on a terminal.
struct OnTerminal {
    child: std::process::Child,
    pty: pty_process::blocking::Pty,
    seen: String,
    _folder: Folder,
    _alive: std::sync::mpsc::Sender<()>,
}

/// No run of these tests takes nearly as long.
const HUNG: std::time::Duration = std::time::Duration::from_secs(180);

impl OnTerminal {
    fn start(folder: Folder, arguments: &[&str]) -> OnTerminal {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal");
        pty.resize(pty_process::Size::new(40, 200)).expect("a size");
        let child = pty_process::blocking::Command::new(binary())
            .args(["run", "--break-on-failure"])
            .args(arguments)
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .env("EDITOR", "sed -i s/exit.5/true/")
            .env_remove("VISUAL")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .spawn(pts)
            .expect("shipway");
        let (alive, ended) = std::sync::mpsc::channel();
        let pid = child.id().to_string();
        // A text that never comes must fail the test, not hold it up for ever.
        std::thread::spawn(move || {
            if ended.recv_timeout(HUNG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _gone = command("kill", Path::new("/")).args(["-KILL", &pid]).status();
            }
        });
        OnTerminal { child, pty, seen: String::new(), _folder: folder, _alive: alive }
    }

    /// Reads until a text has come, after what was waited for before.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.pty.read(&mut buffer) {
                Ok(length @ 1..) => self.seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
                Ok(_) | Err(_) => panic!("{text:?} never came, but {}", self.seen),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// The exit code; the terminal is as it was.
    fn end(mut self, code: i32) {
        let mut rest = Vec::new();
        // Linux tells the end of a terminal by an error.
        let _end = self.pty.read_to_end(&mut rest);
        let all = format!("{}{}", self.seen, String::from_utf8_lossy(&rest));
        assert_eq!(self.child.wait().expect("an end").code(), Some(code), "{all}");
    }

    fn echoes(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.pty).expect("modes").local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON)
    }
}

#[test]
fn a_person_opens_a_shell_edits_and_retries() {
    let workflow = job(
        "      - run: echo KEPT=yes >> $GITHUB_ENV\n      - name: Check\n        env: {OWN: mine}\n        run: echo looking; exit 5\n      - run: echo passed $KEPT\n",
    );
    let mut run = OnTerminal::start(repository(&workflow), &["--verbose"]);
    run.wait_for("stopped at Check (exit code 5)");
    run.wait_for("ran  echo looking; exit 5");
    run.wait_for("[s]hell [e]dit [r]etry s[k]ip [c]ontinue [a]bort [?] ");
    assert!(!run.echoes());
    run.press("s");
    run.wait_for("[failed step] ");
    run.press("echo \"<$OWN,$KEPT,$(basename $PWD),$(test -w $GITHUB_OUTPUT && echo files)>\"\n");
    run.wait_for("<mine,yes,workspace,files>");
    // Ctrl-C belongs to the shell.
    // It may come while the shell starts a program, which is then not ended by it: the next one comes at once.
    run.press("(trap 'echo got-$((1 + 1)); exit' INT; echo wait-$((40 + 2)); while :; do sleep 0.1; done)\n");
    run.wait_for("wait-42");
    run.press("\u{3}");
    run.wait_for("got-2");
    run.wait_for("[failed step] ");
    run.press("stty size; bash -e $SHIPWAY_SCRIPT; echo code=$?\n");
    run.wait_for("40 200");
    run.wait_for("looking");
    run.wait_for("code=5");
    run.press("exit 0\n");
    run.wait_for("[s]hell [e]dit");
    run.press("e");
    run.wait_for("Press r to try the step again");
    run.press("r");
    run.wait_for("trying it again");
    run.wait_for("passed yes");
    run.end(0);
}

#[test]
fn the_question_names_the_job() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {leg: [one, two]}}\n    steps:\n      - name: Check\n        run: exit 5\n";
    let mut run = OnTerminal::start(repository(workflow), &["--jobs", "1"]);
    run.wait_for("a (one) | Check (1 more wait): [s]hell");
    run.press("k");
    run.wait_for("a (two) | Check: [s]hell");
    run.press("k");
    run.end(0);
}

#[test]
fn a_t_shows_what_runs_now() {
    let workflow = job("      - name: Wait\n        run: echo line-$((40 + 2)); sleep 600\n");
    let mut run = OnTerminal::start(repository(&workflow), &["--verbose"]);
    run.wait_for("line-42");
    run.press("t");
    run.wait_for("1 job running");
    run.wait_for("Wait (");
    run.wait_for("line-42");
    // Ctrl-\ ends it at once, with the terminal as it was.
    run.press("\u{1c}");
    let status = run.child.wait().expect("an end");
    assert_eq!(status.code(), Some(130), "{}", run.seen);
    assert!(run.echoes());
}

#[test]
fn ctrl_c_at_the_question_cancels_the_run() {
    let workflow = job("      - run: exit 5\n      - run: echo cleaned-$((40 + 2))\n        if: always()\n");
    let mut run = OnTerminal::start(repository(&workflow), &["--verbose"]);
    run.wait_for("[s]hell [e]dit");
    run.press("\u{3}");
    run.wait_for("Cancelling");
    run.wait_for("cleaned-42");
    run.end(130);
}

#[test]
fn the_terminal_is_put_back_on_every_way_out() {
    let workflow = job("      - run: exit 5\n");
    for (keys, signal, code) in [
        ("c", None, 1),
        ("a", None, 1),
        ("k", None, 0),
        ("", Some(rustix::process::Signal::TERM), 130),
        ("s", Some(rustix::process::Signal::TERM), 130),
    ] {
        let mut run = OnTerminal::start(repository(&workflow), &[]);
        // Kept open, so that the modes can be read when the run has ended.
        run.wait_for("[s]hell [e]dit");
        run.press(keys);
        if keys == "s" {
            run.wait_for("[failed step] ");
        }
        if let Some(signal) = signal {
            let pid =
                rustix::process::Pid::from_raw(i32::try_from(run.child.id()).expect("a pid")).expect("a pid");
            rustix::process::kill_process(pid, signal).expect("a living process");
        }
        run.wait_for("ci.yml: 1 job");
        let status = run.child.wait().expect("an end");
        assert_eq!(status.code(), Some(code), "{keys:?}: {}", run.seen);
        assert!(run.echoes(), "{keys:?}");
    }
}
