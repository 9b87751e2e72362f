//! The services of actions, as containers reach them. `cargo xtask test` starts an engine and tells its address in
//! `SHIPWAY_TEST_ENGINE`; without it these tests are ignored, which is how they are counted as skipped.

use super::{conclusions, events, log, of_kind};
use crate::{
    plant::{DELIVERY, Plant, Up, wait_for},
    support::{Answer, Folder, binary, command, project},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    sync::OnceLock,
};

/// An image with busybox, and with Node and tar as a distribution would install it.
const IMAGE: &str = "shipway-test/services:5";

/// What busybox does in it.
const BUSYBOX: [&str; 30] = [
    "sh", "tail", "cat", "cp", "gzip", "mkdir", "seq", "wc", "env", "grep", "tr", "rm", "ls", "ln", "sed",
    "kill", "touch", "chown", "stat", "id", "sleep", "basename", "dirname", "tee", "uname", "cut", "expr",
    "pwd", "echo", "test",
];

/// The address of the engine.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts the engine tells its address through the environment"
)]
pub(crate) fn address() -> String {
    std::env::var("SHIPWAY_TEST_ENGINE").expect("SHIPWAY_TEST_ENGINE: the address of a container engine")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = command(program, Path::new("/")).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes the image once in this process; gives its name.
pub(crate) fn image() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Folder::new();
        let root = folder.path().join("root");
        let place = |from: &Path, to: &str| {
            let to = root.join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().expect("a parent")).expect("folders");
            fs::copy(from, &to).expect("a file");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("executable");
        };
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
        place(Path::new(busybox.expect("busybox: install busybox-static")), "bin/busybox");
        for program in BUSYBOX {
            symlink("/bin/busybox", root.join("bin").join(program)).expect("a link");
        }
        let node = said("node", &["-p", "require('fs').realpathSync(process.execPath)"]);
        let git = said("git", &["--exec-path"]);
        let git = |name: &str| format!("{}/{name}", git.trim());
        for helper in ["git-submodule", "git-sh-setup", "git-sh-i18n", "git-sh-i18n--envsubst"] {
            place(Path::new(&git(helper)), &git(helper));
        }
        for program in ["git", "git-upload-pack"] {
            fs::create_dir_all(root.join(git("").trim_start_matches('/'))).expect("folders");
            symlink("/usr/bin/git", root.join(git(program).trim_start_matches('/'))).expect("a link");
        }
        // The toolkit calls tar as only GNU's understands.
        for (program, to) in
            [(node.trim(), "usr/bin/node"), ("/bin/tar", "usr/bin/tar"), ("/usr/bin/git", "usr/bin/git")]
        {
            place(Path::new(program), to);
            let libraries = said("ldd", &[program]);
            let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
            paths.for_each(|path| place(Path::new(path), path));
        }
        for name in ["tmp", "etc", "proc", "dev", "sys"] {
            fs::create_dir_all(root.join(name)).expect("a folder");
        }
        let tar = folder.path().join("root.tar");
        let (tar, root) = (tar.display().to_string(), root.display().to_string());
        said("tar", &["-C", &root, "-cf", &tar, "."]);
        said("docker", &["-H", &address(), "import", "--change", "ENV PATH=/usr/bin:/bin", &tar, IMAGE]);
    });
    IMAGE
}

fn run(folder: &Folder) -> (Answer, Vec<Value>) {
    let mut run = command(binary(), folder.path());
    run.args(["run", "--json", "--cache-dir", "kept"]).env("DOCKER_HOST", address());
    let answer = Answer::from(run.output().expect("shipway"));
    assert_eq!(answer.code, 0, "{}", answer.all());
    let events = events(&answer);
    (answer, events)
}

#[track_caller]
fn has(events: &[Value], line: &str) {
    assert!(log(events).contains(&line), "{line}\n{:#?}", log(events));
}

/// What a Docker action does with the services, without any package.
pub(crate) const RAW: &str = r#"
const fs = require('fs'), { createHash } = require('crypto'), e = process.env;
const headers = { authorization: `Bearer ${e.ACTIONS_RUNTIME_TOKEN}`, 'content-type': 'application/json' };
const call = async (service, method, body) => {
  const answer = await fetch(`${e.ACTIONS_RESULTS_URL}twirp/github.actions.results.api.v1.${service}/${method}`,
    { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const put = (url, body) => fetch(url, { method: 'PUT', headers: { 'x-ms-blob-type': 'BlockBlob' }, body });
(async () => {
  const key = { key: 'docker-' + e.INPUT_KEY, version: 'v' };
  const found = await call('CacheService', 'GetCacheEntryDownloadURL', { ...key, restore_keys: [] });
  if (found.ok) console.log('docker restored ' + await (await fetch(found.signed_download_url)).text());
  else {
    await put((await call('CacheService', 'CreateCacheEntry', key)).signed_upload_url, 'from docker');
    await call('CacheService', 'FinalizeCacheEntryUpload', { ...key, size_bytes: '11' });
    console.log('docker saved');
  }
  const scope = JSON.parse(Buffer.from(e.ACTIONS_RUNTIME_TOKEN.split('.')[1], 'base64url')).scp.split(':');
  const ids = { workflow_run_backend_id: scope[1], workflow_job_run_backend_id: scope[2], name: e.INPUT_NAME };
  const content = fs.readFileSync('/github/workspace/' + e.INPUT_FILE);
  await put((await call('ArtifactService', 'CreateArtifact', { ...ids, version: 7, mime_type: 'text/plain' })).signed_upload_url, content);
  const hash = 'sha256:' + createHash('sha256').update(content).digest('hex');
  await call('ArtifactService', 'FinalizeArtifact', { ...ids, size: String(content.length), hash });
  console.log('docker uploaded to ' + (e.ACTIONS_RESULTS_URL.includes('127.0.0.1') ? 'loopback' : 'the gateway'));
  console.log('scripts of others: ' + Object.keys(e).filter(name => name.startsWith('ACTIONS_')).length);
})().catch(error => { console.error(error); process.exit(1); });
"#;

/// The files of that action.
fn raw() -> [(&'static str, String); 3] {
    let inputs = "{key: {default: k}, name: {default: n}, file: {default: f}}";
    let manifest = format!("name: raw\ninputs: {inputs}\nruns: {{using: docker, image: Dockerfile}}\n");
    let dockerfile =
        format!("FROM {}\nCOPY index.js /index.js\nENTRYPOINT [\"node\", \"/index.js\"]\n", image());
    [("raw/action.yml", manifest), ("raw/Dockerfile", dockerfile), ("raw/index.js", RAW.to_owned())]
}

/// A repository with a Docker action that does the same, and with what the toolkit does.
fn repository(workflow: &str) -> Folder {
    let services = project().join("tests/actions/services");
    let read = |name: &str| fs::read_to_string(services.join(name)).expect(name);
    let mut files = vec![
        (".github/workflows/ci.yml", workflow.to_owned()),
        (".gitignore", "kept\n".to_owned()),
        ("services/action.yml", read("action.yml")),
        ("services/index.mjs", read("index.mjs")),
    ];
    files.extend(raw());
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Folder::repository(&files)
}

#[test]
#[ignore = "needs a container engine"]
fn a_job_in_a_container_uses_caches_artifacts_and_tokens() {
    let packages = project().join("tests/actions/node_modules");
    if !packages.join("@actions/cache").is_dir() {
        super::services::said_packages_are_missing();
        return;
    }
    let container = format!(
        "    container: {{image: {}, volumes: ['{}:/node_modules:ro']}}\n",
        image(),
        packages.display()
    );
    let steps = r#"    steps:
      - uses: actions/checkout@v4
      - {id: in, uses: ./services, with: {do: restore, path: data, key: k}}
      - run: echo "restored ${{ steps.in.outputs.found }} $(cat data/numbers | wc -l)"
      - run: mkdir -p data && seq 5000 > data/numbers
        if: steps.in.outputs.found == 'nothing'
      - {id: out, uses: ./services, if: steps.in.outputs.found == 'nothing', with: {do: save, path: data, key: k}}
      - {uses: ./services, with: {do: upload, name: built, path: data}}
      - {uses: ./raw, with: {key: j, name: raw.txt, file: data/numbers}}
      - {id: who, uses: ./services, with: {do: identify, name: sts.example.com}}
      - run: echo "is ${{ steps.who.outputs.found }}; scripts see $(env | grep -c ^ACTIONS_ID_TOKEN)"
  fetch:
    needs: job
    runs-on: x
"#;
    let fetch = "    steps:\n      - uses: actions/checkout@v4\n      - {uses: ./services, with: {do: download, name: built, path: got}}\n      - {uses: ./services, with: {do: download, name: raw.txt, path: got}}\n      - run: echo \"fetched $(cat got/numbers | wc -l)\"; ls got\n";
    let folder = repository(&format!(
        "on: push\npermissions: {{id-token: write}}\njobs:\n  job:\n    runs-on: x\n{container}{steps}{container}{fetch}"
    ));
    let (_, first) = run(&folder);
    assert_eq!(conclusions(&first), [("job", "success"), ("fetch", "success")]);
    for line in
        ["restored nothing 0", "docker saved", "docker uploaded to the gateway", "fetched 5000", "raw.txt"]
    {
        has(&first, line);
    }
    let is = log(&first).into_iter().find(|line| line.starts_with("is repo:local/")).expect("a subject");
    assert!(is.ends_with(":ref:refs/heads/main sts.example.com; scripts see 2"), "{is}");
    let (_, second) = run(&folder);
    has(&second, "restored k 5000");
    has(&second, "docker restored from docker");
    assert_eq!(of_kind(&second, "annotation"), Vec::<&Value>::new());
}

#[test]
#[ignore = "needs a container engine"]
fn a_job_in_a_container_has_the_built_in_caches() {
    let steps = r#"    steps:
      - {id: it, uses: actions/cache@v4, with: {path: "deps\n~/more\n/opt/tool\nnone", key: k, restore-keys: k-}}
      - run: |
          echo "hit '${{ steps.it.outputs.cache-hit }}', have $(cat deps/file ~/more/file /opt/tool/file | tr '\n' ' ')$(ls deps)"
          mkdir -p deps ~/more /opt/tool && echo kept | tee deps/file ~/more/file > /opt/tool/file && echo x > deps/-x
      - {uses: actions/cache/save@v4, with: {path: nowhere, key: n}}
"#;
    let folder =
        repository(&format!("on: push\njobs:\n  job:\n    runs-on: x\n    container: {}\n{steps}", image()));
    let (answer, first) = run(&folder);
    has(&first, "hit '', have ");
    let texts = [
        "The built-in cache is used",
        "Cache saved with key: k",
        "the cache n is not saved: none of its paths is there",
    ];
    texts.iter().for_each(|text| assert!(answer.stdout.contains(text), "{text} in {}", answer.all()));
    let (answer, second) = run(&folder);
    // What lies in the container alone is there too.
    has(&second, "hit 'true', have kept kept kept -x");
    assert!(answer.stdout.contains("not saving cache"), "{}", answer.all());
}

#[test]
#[ignore = "needs a container engine"]
fn built_in_actions_need_no_more_of_a_container_than_a_user_and_its_folders() {
    let image = image();
    let workflow = format!(
        r#"on: push
jobs:
  job:
    runs-on: x
    strategy:
      matrix:
        options: ['--read-only --tmpfs /tmp', '--user 1001', '--user 1001 --read-only --tmpfs /tmp', '--user 1001:1001 --cap-drop ALL']
    container: {{image: {image}, options: '${{{{ matrix.options }}}}'}}
    steps:
      - uses: actions/checkout@v4
      - run: git status --short && mkdir -p deps ~/more && echo kept | tee deps/file > ~/more/file && echo known
      - {{uses: actions/cache/save@v4, with: {{path: "deps\n~/more", key: '${{{{ matrix.options }}}}'}}}}
      - {{uses: actions/upload-artifact@v4, with: {{name: 'it-${{{{ strategy.job-index }}}}', path: deps}}}}
      - {{uses: actions/download-artifact@v4, with: {{name: 'it-${{{{ strategy.job-index }}}}', path: got}}}}
      - run: rm -rf deps ~/more
      - {{id: it, uses: actions/cache/restore@v4, with: {{path: "deps\n~/more", key: '${{{{ matrix.options }}}}'}}}}
      - run: touch got/new deps/new ~/more/new && echo "${{{{ matrix.options }}}} has $(cat got/file deps/file ~/more/file | tr '\n' ' ')"
      - uses: actions/checkout@v4
      - run: test ! -e deps && git status --short && echo clean
"#
    );
    let (_, events) = run(&repository(&workflow));
    for options in [
        "--read-only --tmpfs /tmp",
        "--user 1001",
        "--user 1001 --read-only --tmpfs /tmp",
        "--user 1001:1001 --cap-drop ALL",
    ] {
        has(&events, &format!("{options} has kept kept kept "));
    }
    assert_eq!(of_kind(&events, "annotation"), Vec::<&Value>::new());
    // What no rights can mend says what it met.
    let steps = r#"    steps:
      - run: mkdir -p deps && echo x > deps/file
      - {uses: actions/cache/save@v4, with: {path: "deps\n/tmp", key: k}}
      - {uses: actions/cache/restore@v4, with: {path: "deps\n/tmp", key: k}}
"#;
    let container = format!("    container: {{image: {image}, options: --read-only}}\n");
    let (_, events) =
        run(&repository(&format!("on: push\njobs:\n  job:\n    runs-on: x\n{container}{steps}")));
    let warnings = of_kind(&events, "annotation");
    let told = warnings.iter().filter_map(|warning| warning["message"].as_str());
    let told: Vec<_> = told.filter(|text| text.contains("Read-only file system")).collect();
    assert_eq!(told.len(), 1, "{warnings:#?}");
    assert!(
        told[0].starts_with("the cache k cannot be restored: tar ended with exit code 2: /tmp: "),
        "{told:?}"
    );
}

#[test]
#[ignore = "needs a container engine"]
fn a_docker_action_of_a_job_on_the_machine_uses_them_too() {
    let folder = repository(
        "on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - run: echo text > file\n      - {uses: ./raw, with: {key: m, name: text, file: file}}\n      - {uses: actions/download-artifact@v4, with: {name: text, path: got}}\n      - run: echo \"got $(cat got/*)\"\n",
    );
    let (_, events) = run(&folder);
    for line in ["docker saved", "docker uploaded to the gateway", "got text"] {
        has(&events, line);
    }
}

#[test]
#[ignore = "needs a container engine"]
fn jobs_of_the_server_reach_its_services_from_containers() {
    let plant = Plant::new(DELIVERY);
    let workflow = format!(
        "on: push\njobs:\n  job:\n    runs-on: x\n    container: {}\n    steps:\n      - uses: actions/checkout@v4\n      - run: echo text > file\n      - run: test -z \"$SHIPWAY_URL$SHIPWAY_TOKEN\"\n      - {{uses: ./raw, with: {{key: u, name: text, file: file}}}}\n      - {{uses: ./js, with: {{key: u, name: again, file: file}}}}\n",
        image()
    );
    plant.write(".github/workflows/deliver.yml", &workflow);
    raw().iter().for_each(|(name, text)| plant.write(name, text));
    // The same as a JavaScript action, which runs in the container of the job.
    let inputs = "{key: {default: k}, name: {default: n}, file: {default: f}}";
    plant.write(
        "js/action.yml",
        &format!("name: js\ninputs: {inputs}\nruns: {{using: node20, main: index.js}}\n"),
    );
    plant.write("js/index.js", &RAW.replace("/github/workspace/", "./"));
    let sha = plant.commit_all("work");
    let mut up = command(binary(), plant.folder.path());
    up.args(plant.arguments()).env("DOCKER_HOST", address());
    let up = Up::start(up);
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run:#}\n{}", up.text());
    let artifacts = run["artifacts"].as_array().map(Vec::len);
    assert_eq!(artifacts, Some(2), "{run:#}");
}

#[test]
#[ignore = "needs a container engine"]
fn a_server_that_stops_leaves_no_container_at_work() {
    let plant = Plant::new(DELIVERY);
    let ticks = plant.folder.path().join("ticks");
    fs::create_dir_all(&ticks).expect("a folder");
    let workflow = format!(
        "on: push\njobs:\n  job:\n    runs-on: x\n    container: {{image: {}, volumes: ['{}:/ticks']}}\n    steps:\n      - run: \
         echo begun > /ticks/begun; tail -f /dev/null\n",
        image(),
        ticks.display()
    );
    plant.write(".github/workflows/deliver.yml", &workflow);
    plant.commit_all("work");
    let mut up = command(binary(), plant.folder.path());
    up.args(plant.arguments()).env("DOCKER_HOST", address());
    let up = Up::start(up);
    assert!(wait_for(|| fs::metadata(ticks.join("begun")).ok()).is_some(), "{}", up.text());
    let (code, told) = up.stop();
    assert_eq!(code, Some(0), "{told}");
    let left = ["-H", &address(), "ps", "--all", "--quiet", "--filter", "volume=/ticks"];
    assert_eq!(said("docker", &left), "");
}

#[test]
#[ignore = "needs a container engine"]
fn a_sick_service_tells_its_last_words() {
    let folder = repository(&format!(
        "on: push\njobs:\n  job:\n    runs-on: x\n    services: {{s: {{image: {}, entrypoint: sh, command: '-c \"echo the real reason; exit 1\"', \
         options: --health-cmd false}}}}\n    steps: [{{run: echo never}}]\n",
        image()
    ));
    let mut run = command(binary(), folder.path());
    let answer = Answer::from(run.arg("run").env("DOCKER_HOST", address()).output().expect("shipway"));
    assert_eq!(answer.code, 1, "{}", answer.all());
    assert!(
        answer.stdout.lines().any(|line| line.trim_end().ends_with("    the real reason")),
        "{}",
        answer.all()
    );
}
