//! `shipway run --isolate`: what an isolated job sees, what it cannot do, and that nothing of it is left.

mod files;

use super::{contains, events, expect, log, on_push, repository, run};
use crate::support::{Folder, binary, command};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _};

/// The lines that one script prints in an isolated job, without those of the runner.
fn printed(script: &str, arguments: &[&str]) -> Vec<String> {
    let script = script.replace('\n', "\n          ");
    let jobs = format!("  a:\n    runs-on: x\n    steps:\n      - run: |\n          {script}\n");
    let answer = run(&on_push(&jobs), &[&["--isolate", "--json"], arguments].concat(), 0);
    let events = events(&answer);
    let lines = log(&events).into_iter().skip_while(|line| !line.starts_with("##[endgroup]")).skip(1);
    lines.map(str::to_owned).collect()
}

#[test]
fn a_job_sees_a_machine_of_its_own() {
    let lines = printed(
        "id -u\nhostname\nls /proc | grep -c '^[0-9]*$'\nls /home /root 2>/dev/null | wc -l\n\
         grep -c : /proc/net/dev\necho $HOME | sed 's,.*/,,'\ncat /proc/self/status | grep -E '^(NoNewPrivs|Seccomp|CapEff):'",
        &[],
    );
    let processes: u32 = lines[2].parse().expect("a number of processes");
    assert!(processes < 12, "{lines:?}");
    assert_eq!(lines[0], "1001", "{lines:?}");
    assert_eq!(lines[1], "shipway", "{lines:?}");
    // No home of anybody, and one device: loopback.
    assert_eq!(&lines[3..6], ["0", "1", "home"], "{lines:?}");
    let status: Vec<&str> = lines[6..].iter().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(status, ["0000000000000000", "1", "2"], "{lines:?}");
}

#[test]
fn a_job_cannot_change_the_machine_or_read_what_is_private() {
    let secret = std::env::temp_dir().join(format!("shipway-isolated-{}", std::process::id()));
    std::fs::write(&secret, "not for jobs").expect("a file of the machine");
    let lines = printed(
        &format!(
            "try() {{ if \"$@\" >/dev/null 2>&1; then echo \"did: $*\"; else echo refused; fi; }}\n\
             try touch /usr/bin/planted\ntry touch /etc/planted\ntry cat {secret}\ntry cat /etc/shadow\n\
             try mount -t tmpfs none /tmp\ntry unshare --user true\ntry chroot / true\ntry dmesg\n\
             try python3 -c 'import socket; socket.socket(38, 5, 0)'\n\
             try bash -c 'echo > /dev/tcp/192.0.2.1/80'\ntry kill -0 {pid}\ntry test -e /sys/kernel\ntry test -e /var/run/docker.sock\n\
             touch /tmp/mine \"$HOME/mine\" \"$RUNNER_TEMP/mine\" mine && echo wrote",
            secret = secret.display(),
            pid = std::process::id(),
        ),
        &[],
    );
    std::fs::remove_file(&secret).expect("the file is still there");
    let (last, refused) = lines.split_last().expect("lines");
    assert!(refused.len() == 13 && refused.iter().all(|line| line == "refused"), "{lines:?}");
    assert_eq!(last, "wrote");
}

#[test]
fn a_job_works_where_shared_memory_lies_too() {
    let place = tempfile::tempdir_in("/dev/shm").expect("a folder");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    let folder = repository(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: pwd; echo x > file; echo y > /dev/shm/file; cat file /dev/shm/file; ls /dev/shm\n",
    ));
    let ran = command(binary(), folder.path())
        .args(["run", "--isolate", "--json"])
        .env("TMPDIR", place.path())
        .output()
        .expect("shipway");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    let lines = [&format!("\"text\":\"{}/", place.path().display()), "\"text\":\"x\"", "\"text\":\"y\""];
    for line in lines {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!fs::exists("/dev/shm/file").expect("a look"), "it is the job's own");
}

#[test]
fn folders_for_reading_are_there_wherever_they_lie() {
    // Not everybody may write to all of them.
    let places: Vec<_> = ["/tmp", "/var/tmp", "/dev/shm", "/run"]
        .iter()
        .filter_map(|above| tempfile::tempdir_in(above).ok())
        .collect();
    assert!(places.len() > 2, "{places:?}");
    let (mut script, mut arguments, mut expected) = (String::new(), Vec::new(), Vec::new());
    for place in &places {
        let path = place.path().to_str().expect("a path of text");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("open to all");
        fs::write(place.path().join("file"), format!("in {path}\n")).expect("a file");
        script += &format!("cat {path}/file\ntouch {path}/mine 2>/dev/null || echo refused\n");
        // Beside it the job has an empty folder of its own.
        script += &format!("touch {path}/../mine && echo wrote\n");
        arguments.extend(["--isolate-read", path]);
        expected.extend([format!("in {path}"), "refused".to_owned(), "wrote".to_owned()]);
    }
    assert_eq!(printed(script.trim_end(), &arguments), expected);
}

#[test]
fn the_folder_of_temporary_files_may_be_read_as_a_whole() {
    let kept = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
    fs::write(kept.path(), "kept\n").expect("written");
    fs::set_permissions(kept.path(), fs::Permissions::from_mode(0o644)).expect("open to all");
    let script =
        format!("cat {}; touch /tmp/mine 2>/dev/null || echo refused; touch mine", kept.path().display());
    let folder = repository(&on_push(&format!("  a:\n    runs-on: x\n    steps:\n      - run: {script}\n")));
    // The job lies in it, and elsewhere.
    for temp in ["/tmp", "/var/tmp"] {
        let mut command = command(binary(), folder.path());
        command.args(["run", "--isolate", "--isolate-read", "/tmp", "--json"]).env("TMPDIR", temp);
        let ran = command.output().expect("shipway");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        for line in ["\"text\":\"kept\"", "\"text\":\"refused\""] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

#[test]
fn steps_share_files_processes_outputs_and_loopback() {
    let jobs = r#"  a:
    runs-on: x
    outputs: {said: "${{ steps.one.outputs.said }}"}
    steps:
      - id: one
        run: |
          echo "said=hello" >> "$GITHUB_OUTPUT"
          echo "COLOUR=blue" >> "$GITHUB_ENV"
          echo "$HOME" >> "$GITHUB_PATH"
          printf '#!/bin/sh\necho from the path\n' > "$HOME/tool" && chmod +x "$HOME/tool"
          python3 -m http.server --bind 127.0.0.1 8123 > "$RUNNER_TEMP/log" 2>&1 &
          until bash -c 'echo > /dev/tcp/127.0.0.1/8123' 2>/dev/null; do sleep 0.1; done
      - run: |
          tool
          echo "$COLOUR ${{ steps.one.outputs.said }}"
          bash -c 'exec 3<>/dev/tcp/127.0.0.1/8123; printf "GET / HTTP/1.0\r\n\r\n" >&3; head -1 <&3'
"#;
    let answer = run(&on_push(jobs), &["--isolate", "--json"], 0);
    let events = events(&answer);
    let log = log(&events);
    for line in ["from the path", "blue hello", "HTTP/1.0 200 OK"] {
        assert!(log.iter().any(|found| found.trim_end() == line), "{line:?} in {log:?}");
    }
    let end = events.last().expect("an end");
    assert_eq!(end["jobs"][0]["outputs"]["said"], Value::from("hello"), "{end}");
}

#[test]
fn the_repository_is_checked_out_at_any_time() {
    let jobs = |steps: &str| on_push(&format!("  a:\n    runs-on: x\n    steps:\n{steps}"));
    let check_out = "      - uses: actions/checkout@v4\n";
    let folder = repository(&jobs(&format!(
        "{check_out}      - run: test -s .github/workflows/ci.yml && touch mine\n"
    )));
    expect(&folder, &["--isolate"], 0);
    // Later it is done with the rights of the job.
    let folder = repository(&jobs(&format!(
        "      - run: mkdir old && touch old/file && ln -s /etc planted\n{check_out}      - run: |\n          test ! -e old && test ! -e \
         planted && test -O .github/workflows/ci.yml\n          git status --porcelain && git log -1 --format='at %s on %D'\n          \
         touch .github/mine\n      - {{uses: actions/checkout@v4, with: {{clean: false, fetch-depth: 0}}}}\n      - run: test -e \
         .github/mine && git rev-parse origin/main\n{check_out}      - run: test ! -e .github/mine\n      - run: ln -s /etc out\n      \
         - {{uses: actions/checkout@v4, with: {{path: out/sub}}}}\n"
    )));
    let answer = expect(&folder, &["--isolate", "--verbose"], 1);
    contains(
        &answer,
        &["at first on grafted, HEAD -> main", "ci.yml:17:", "is a link that leads out of the workspace"],
    );
}

#[test]
fn files_of_matchers_lie_in_the_folders_of_the_job() {
    let workflow = |file: &str| {
        on_push(&format!(
            "  a:\n    runs-on: x\n    steps:\n      - run: |\n          echo '{{\"problemMatcher\": [{{\"owner\": \"own\", \
             \"pattern\": [{{\"regexp\": \"^bad (.*)$\", \"message\": 1}}]}}]}}' > matcher.json\n          ln -s /etc/hostname \
             link\n          echo \"::add-matcher::{file}\"\n          echo bad apple\n"
        ))
    };
    contains(&expect(&repository(&workflow("matcher.json")), &["--isolate"], 0), &["error: bad apple"]);
    contains(
        &expect(&repository(&workflow("/etc/hostname")), &["--isolate"], 1),
        &["lies outside of the folders"],
    );
    contains(
        &expect(&repository(&workflow("../../../../../../etc/hostname")), &["--isolate"], 1),
        &["lies outside"],
    );
    contains(
        &expect(&repository(&workflow("link")), &["--isolate"], 1),
        &["leads out of the folder of the job"],
    );
}

#[test]
fn a_job_cannot_touch_the_actions_that_are_fetched_late() {
    let action = |run: &str| format!("name: x\nruns:\n  using: composite\n  steps:\n  - {run}\n");
    let fetched = action("{shell: bash, run: 'echo \"late $(cat \"$GITHUB_ACTION_PATH/file\")\"'}");
    let greet = Folder::repository(&[("action.yml", &fetched), ("file", "as it was fetched\n")]);
    greet.git(&["tag", "v1"]);
    let mirror = Folder::new();
    std::fs::create_dir(mirror.path().join("me")).expect("a folder");
    std::os::unix::fs::symlink(greet.path(), mirror.path().join("me/greet")).expect("a link");
    let jobs = r#"  a:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - run: |
          place="${GITHUB_WORKSPACE%/workspace}.actions"
          test -d "$place" && echo "there"
          for try in "ln -s /tmp $place/me" "mkdir $place/me" "mv $place $place.old" "rm -r $place"; do
            $try 2>/dev/null && echo "did: $try"
          done
          true
      - uses: ./late
"#;
    let folder = repository(&on_push(jobs));
    folder.write("late/action.yml", &action("uses: me/greet@v1"));
    folder.commit("late");
    let mirror = mirror.path().to_str().expect("Unicode");
    let answer = expect(&folder, &["--isolate", "--json", "--action-mirror", mirror], 0);
    let events = events(&answer);
    let lines = log(&events);
    assert!(lines.contains(&"there") && lines.contains(&"late as it was fetched"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("did: ")), "{lines:?}");
}

#[test]
fn an_end_by_a_signal_and_a_code_are_told_apart() {
    let jobs = "  a:\n    runs-on: x\n    steps:\n      - run: exit 7\n      - if: always()\n        run: kill -SEGV $$\n";
    contains(&run(&on_push(jobs), &["--isolate"], 1), &["exit code 7", "signal 11"]);
}

#[test]
fn a_time_limit_ends_what_runs_inside() {
    let jobs = "  a:\n    runs-on: x\n    timeout-minutes: 0.02\n    steps:\n      - run: |\n          trap 'echo interrupted; exit 1' INT\n          while true; do sleep 0.1; done\n";
    contains(&run(&on_push(jobs), &["--isolate", "--verbose"], 1), &["interrupted"]);
}

#[test]
fn a_shell_that_is_not_visible_inside_is_named() {
    let folder = repository(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: echo never\n        shell: hidden {0}\n",
    ));
    folder.write("bin/hidden", "#!/bin/sh\nexec sh \"$1\"\n");
    #[expect(clippy::disallowed_methods, reason = "a test marks its script as executable")]
    let marked = std::process::Command::new("chmod").arg("+x").arg(folder.path().join("bin/hidden")).status();
    assert!(marked.expect("chmod").success());
    let path = format!("PATH={}/bin:/usr/bin:/bin", folder.path().display());
    contains(
        &expect(&folder, &["--isolate", "--env", &path], 1),
        &["cannot start hidden in the isolated job"],
    );
    let bin = folder.path().join("bin");
    expect(&folder, &["--isolate", "--isolate-read", bin.to_str().expect("Unicode"), "--env", &path], 0);
}

#[test]
fn a_kernel_that_refuses_is_told_and_nothing_runs() {
    let folder = repository(&on_push(
        "  a:\n    runs-on: x\n    steps:\n      - run: echo ran > \"$HOME/../../../ran\"\n",
    ));
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec {} run --isolate",
        crate::support::binary().display()
    );
    let output = crate::support::command("unshare", folder.path())
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .output()
        .expect("unshare of util-linux");
    let answer = crate::support::Answer::from(output);
    assert_eq!(answer.code, 1, "{}", answer.all());
    contains(&answer, &["SW0516", "cannot make namespaces", "user.max_user_namespaces"]);
}
