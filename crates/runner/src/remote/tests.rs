//! A mirror of one repository, and a store in front of it.

use super::*;
use std::process::Command;
use tempfile::TempDir;

struct World {
    dir: TempDir,
    commit: String,
}

impl World {
    fn new() -> World {
        let dir = TempDir::new().expect("a folder");
        let work = dir.path().join("mirror/Me/greet");
        fs::create_dir_all(work.join("sub")).expect("a folder");
        fs::write(work.join("action.yml"), "name: greet\n").expect("a file");
        fs::write(work.join("sub/run.sh"), "echo hi\n").expect("a file");
        std::os::unix::fs::symlink("action.yml", work.join("link")).expect("a link");
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "-m", "one"]);
        git(&work, &["tag", "-a", "v1", "-m", "one"]);
        let commit = git(&work, &["rev-parse", "HEAD"]);
        fs::write(work.join("action.yml"), "name: newer\n").expect("a file");
        git(&work, &["commit", "--quiet", "-a", "-m", "two"]);
        World { dir, commit }
    }

    fn store(&self) -> ActionStore {
        let mirror = Some(self.dir.path().join("mirror"));
        ActionStore::new(self.dir.path().join("cache"), mirror, "https://github.com", &host_env())
    }
}

fn wanted(reference: &str) -> Wanted<'_> {
    Wanted { owner: "me", repo: "Greet", reference }
}

#[expect(clippy::disallowed_methods, reason = "tests run the git of the machine they run on")]
fn host_env() -> BTreeMap<String, String> {
    BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())])
}

#[expect(clippy::disallowed_methods, reason = "the repository of a test is made with git itself")]
fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn placed(store: &ActionStore, commit: &str, into: &Path) -> Result<String, String> {
    store.place(wanted("v1"), commit, into).await.map_err(|error| error.to_string())?;
    Ok(fs::read_to_string(into.join("action.yml")).expect("a manifest"))
}

#[tokio::test]
async fn a_reference_is_a_tag_a_branch_or_a_whole_commit() {
    let world = World::new();
    let store = world.store();
    for reference in ["v1", "refs/tags/v1", &world.commit] {
        assert_eq!(store.resolve(wanted(reference)).await.expect(reference), world.commit);
    }
    assert_ne!(store.resolve(wanted("main")).await.expect("a branch"), world.commit);
    let error = store.resolve(wanted(&world.commit[..10])).await.expect_err("a short id").to_string();
    assert!(error.contains("SW0540") && error.contains("write all 40 digits"), "{error}");
    let error = store.resolve(wanted("v9")).await.expect_err("no such tag").to_string();
    assert!(error.contains("no branch or tag \"v9\""), "{error}");
    let nobody = Wanted { owner: "me", repo: "gone", reference: "v1" };
    let error = store.resolve(nobody).await.expect_err("no such repository").to_string();
    assert!(error.contains("git clone --mirror https://github.com/me/gone"), "{error}");
}

#[tokio::test]
async fn files_are_kept_and_each_job_has_its_own() {
    let world = World::new();
    let store = world.store();
    let (one, two) = (world.dir.path().join("one"), world.dir.path().join("two"));
    assert_eq!(placed(&store, &world.commit, &one).await.as_deref(), Ok("name: greet\n"));
    assert!(one.join("link").is_symlink() && one.join("sub/run.sh").is_file() && !one.join(".git").exists());
    fs::write(one.join("action.yml"), "changed").expect("a file");
    // The mirror is gone, and the commit is still there.
    fs::remove_dir_all(world.dir.path().join("mirror")).expect("removed");
    assert_eq!(store.resolve(wanted(&world.commit)).await.expect("kept"), world.commit);
    assert_eq!(placed(&store, &world.commit, &two).await.as_deref(), Ok("name: greet\n"));
}

#[tokio::test]
async fn two_may_fetch_at_once() {
    let world = World::new();
    let (first, second) = (world.store(), world.store());
    let (one, two) = (world.dir.path().join("one"), world.dir.path().join("two"));
    let both = tokio::join!(placed(&first, &world.commit, &one), placed(&second, &world.commit, &two));
    assert_eq!(both, (Ok("name: greet\n".to_owned()), Ok("name: greet\n".to_owned())));
    let kept = world.dir.path().join("cache/me/greet");
    assert_eq!(fs::read_dir(kept).expect("the folder").count(), 1);
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed_and_what_is_broken_is_fetched_anew() {
    let world = World::new();
    let store = world.store();
    let kept = world.dir.path().join("cache/me/greet");
    fs::create_dir_all(&kept).expect("a folder");
    // No process has this number: it is above the highest that Linux gives.
    let left = kept.join(format!("{}{PART}4194305-0", world.commit));
    fs::write(&left, "half").expect("a file");
    let whole = kept.join(format!("{}.tar", world.commit));
    fs::write(&whole, "this is no tar file, and long enough to be looked at".repeat(50)).expect("a file");
    let error = placed(&store, &world.commit, &world.dir.path().join("one")).await.expect_err("broken");
    assert!(error.contains("SW0540"), "{error}");
    assert_eq!(
        placed(&store, &world.commit, &world.dir.path().join("two")).await.as_deref(),
        Ok("name: greet\n")
    );
    assert!(!left.exists());
}

#[tokio::test]
async fn without_a_mirror_and_a_network_the_error_says_what_to_do() {
    let world = World::new();
    // Nobody listens on port 9 here.
    let store = ActionStore::new(world.dir.path().join("cache"), None, "http://127.0.0.1:9", &host_env());
    let error = store.resolve(wanted("v1")).await.expect_err("no network").to_string();
    assert!(error.contains("me/Greet@v1") && error.contains("--action-mirror DIR"), "{error}");
    let error = placed(&store, &world.commit, &world.dir.path().join("one")).await.expect_err("no network");
    assert!(error.contains("--action-mirror DIR"), "{error}");
    assert_eq!(fs::read_dir(world.dir.path().join("cache/me/greet")).expect("the folder").count(), 0);
}

#[test]
fn no_archive_leaves_its_folder() {
    let dir = TempDir::new().expect("a folder");
    let tar = dir.path().join("evil.tar");
    let mut builder = tar::Builder::new(fs::File::create(&tar).expect("a file"));
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "out", "..").expect("a link");
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, "out/escaped", &b"x"[..]).expect("an entry");
    builder.finish().expect("a tar file");
    assert!(unpack::unpack(&tar, &dir.path().join("into")).is_err());
    assert!(!dir.path().join("escaped").exists());
}

#[tokio::test]
async fn the_configuration_that_is_lent_counts_for_fetching_and_runs_nothing_in_what_came() {
    let world = World::new();
    let (mirror, home) = (world.dir.path().join("mirror"), world.dir.path().join("home"));
    let marker = world.dir.path().join("ran");
    let mark = home.join("mark");
    fs::create_dir_all(home.join("hooks")).expect("a folder");
    fs::write(&mark, format!("#!/bin/sh\necho \"$0\" >> {}\ncat\n", marker.display())).expect("a program");
    fs::set_permissions(&mark, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    for hook in ["reference-transaction", "post-checkout", "pre-auto-gc"] {
        std::os::unix::fs::symlink(&mark, home.join("hooks").join(hook)).expect("a link");
    }
    // What comes asks for the filter of whoever has one of that name.
    let there = mirror.join("Me/greet");
    fs::write(there.join(".gitattributes"), "* filter=mark\n").expect("a file");
    git(&there, &["add", "--all"]);
    git(&there, &["commit", "--quiet", "-m", "three"]);
    let commit = git(&there, &["rev-parse", "HEAD"]);
    let config = format!(
        "[url \"file://{mirror}/\"]\n\tinsteadOf = http://127.0.0.1:9/\n[core]\n\thooksPath = {home}/hooks\n\tfsmonitor = \
         {mark}\n[filter \"mark\"]\n\tsmudge = {mark}\n\tclean = {mark}\n[safe]\n\tbareRepository = explicit\n\
         [submodule]\n\trecurse = true\n",
        mirror = mirror.display(),
        home = home.display(),
        mark = mark.display(),
    );
    fs::write(home.join(".gitconfig"), config).expect("a file");
    let mut environment = host_env();
    environment.insert("HOME".to_owned(), home.display().to_string());
    // As in a hook: it says which repository somebody is at.
    environment.insert("GIT_DIR".to_owned(), home.display().to_string());
    let store = |folder: &str| {
        ActionStore::new(world.dir.path().join(folder), None, "http://127.0.0.1:9", &environment)
    };
    let greet = Wanted { owner: "Me", repo: "greet", reference: "main" };
    let lent = store("lent").lent(&environment);
    assert_eq!(lent.resolve(greet).await.expect("resolved"), commit);
    let into = world.dir.path().join("one");
    lent.place(greet, &commit, &into).await.expect("placed");
    assert_eq!(fs::read_to_string(into.join("action.yml")).expect("a manifest"), "name: newer\n");
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).expect("readable"));
    let error = lent.resolve(Wanted { repo: "gone", ..greet }).await.expect_err("gone").to_string();
    assert!(error.contains("let git ls-remote of that address work"), "{error}");
    let error = store("own").resolve(greet).await.expect_err("nothing is lent").to_string();
    assert!(error.contains("does not count for this run"), "{error}");
}

/// A server of one private repository, with a tag, for whoever has the password. It answers as long as the test lives.
fn private_server(commit: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let refs = line(&format!("{commit} refs/tags/v1\0agent=test\n"));
    let body = format!("{}0000{refs}0000", line("# service=git-upload-pack\n"));
    let answer = move |mut stream: std::net::TcpStream| -> io::Result<()> {
        use std::io::{BufRead as _, Write as _};
        let lines = io::BufReader::new(stream.try_clone()?).lines();
        let head: Vec<String> = lines.map_while(|line| line.ok().filter(|line| !line.is_empty())).collect();
        // `me:s3cret`
        let may = head.iter().any(|line| line.eq_ignore_ascii_case("authorization: basic bWU6czNjcmV0"));
        let (status, about, body) = match may {
            true => ("200 OK", "Content-Type: application/x-git-upload-pack-advertisement", body.as_str()),
            false => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"", ""),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{about}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    std::thread::spawn(move || listener.incoming().flatten().map(answer).filter(Result::is_err).count());
    format!("http://{address}")
}

#[tokio::test]
async fn credentials_are_found_without_a_question_where_they_are_lent() {
    let dir = TempDir::new().expect("a folder");
    let commit = "12".repeat(20);
    let server = private_server(&commit);
    let mut environment = host_env();
    environment.insert("HOME".to_owned(), dir.path().display().to_string());
    let store = || ActionStore::new(dir.path().join("cache"), None, &server, &environment).lent(&environment);
    // Without any, nobody waits for an answer.
    let error = store().resolve(wanted("v1")).await.expect_err("a password is needed").to_string();
    assert!(error.contains("SW0540") && error.contains("git ls-remote"), "{error}");
    // `#` and `;` would begin a comment.
    let config = "[credential]\n\thelper = \"!f() { echo username=me; echo password=s3cret; }; f\"\n";
    fs::write(dir.path().join(".gitconfig"), config).expect("a file");
    assert_eq!(store().resolve(wanted("v1")).await.expect("allowed"), commit);
    let own = ActionStore::new(dir.path().join("cache"), None, &server, &environment);
    own.resolve(wanted("v1")).await.expect_err("nothing is lent");
}
