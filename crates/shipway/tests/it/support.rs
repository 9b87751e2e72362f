//! What the tests of the binary share: a temporary repository, a call of the binary, its answer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_shipway"))
}

/// The root of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace").to_path_buf()
}

/// A folder that goes away with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A git repository with these files in one commit.
    pub(crate) fn repository(files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new();
        for (path, text) in files {
            folder.write(path, text);
        }
        folder.git(&["init", "--quiet", "--initial-branch=main"]);
        folder.commit("first");
        folder
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    /// Commits everything.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Runs git.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = command("git", self.path())
            .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()
            .expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the binary here and waits for it.
    pub(crate) fn shipway(&self, arguments: &[&str]) -> Answer {
        let output = command(binary(), self.path()).args(arguments).output().expect("shipway");
        Answer::from(output)
    }
}

/// What the binary said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Answer {
    /// Both streams, for messages of failed tests.
    pub(crate) fn all(&self) -> String {
        format!("exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A command that runs in a folder, apart from the user's own configuration.
#[expect(clippy::disallowed_methods, reason = "the tests of a binary start it")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("NO_COLOR", "1")
        // What runs keep for later runs is not kept where the user's is.
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .env_remove("SHIPWAY_URL")
        .env_remove("SHIPWAY_TOKEN")
        .env_remove("SHIPWAY_DATA");
    command
}

/// A user whom no machine knows, by number.
pub(crate) const NOBODY: &str = "64123";

/// The binary as somebody who is not root and owns nothing but this folder; none where this process cannot become one.
pub(crate) fn as_nobody(folder: &Path) -> Option<Command> {
    let id = command("id", Path::new("/")).arg("-u").output().expect("id");
    if id.stdout.trim_ascii() != b"0" {
        return None;
    }
    // Nobody else may be able to walk to where it was built.
    let own = folder.join("tmp/shipway");
    fs::create_dir_all(folder.join("tmp")).expect("a folder");
    fs::copy(binary(), &own).expect("the binary");
    let owned = command("chown", folder).args(["-R", &format!("{NOBODY}:{NOBODY}"), "."]).status();
    assert!(owned.expect("chown").success());
    let mut command = command("setpriv", folder);
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(own);
    command.env("HOME", folder).env("TMPDIR", folder.join("tmp")).env("XDG_CACHE_HOME", folder.join("cache"));
    Some(command)
}
