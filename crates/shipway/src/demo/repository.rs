//! The demo's git repository: a small service, its workflow, its delivery document, and three versions of it.

use crate::exit::{Exit, Failure};
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The demo's repository on disk.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// The working tree.
    pub(crate) folder: PathBuf,
}

/// One version of the demo's service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    /// Its name.
    pub(crate) name: &'static str,
    /// The commit's message.
    pub(crate) message: &'static str,
    /// The share of requests it answers 500, in percent.
    pub(crate) error_percent: f64,
    /// How long an answer takes, in milliseconds.
    pub(crate) latency_ms: f64,
}

/// The three commits of the story: a first version, a healthy one, and one that fails five times in a hundred.
pub(crate) const VERSIONS: [Version; 3] = [
    Version { name: "v1", message: "v1: the first version", error_percent: 1.0, latency_ms: 2.0 },
    Version { name: "v2", message: "v2: a new greeting", error_percent: 1.0, latency_ms: 2.0 },
    Version { name: "v3", message: "v3: faster price lists", error_percent: 5.0, latency_ms: 12.0 },
];

const FILES: [(&str, &str, u32); 4] = [
    (".github/workflows/deliver.yml", include_str!("files/deliver.yml"), 0o644),
    ("shipway.yaml", include_str!("files/shipway.yaml"), 0o644),
    ("scripts/build.sh", include_str!("files/build.sh"), 0o755),
    ("scripts/test.sh", include_str!("files/test.sh"), 0o755),
];

impl Repository {
    /// Makes the repository with everything but a first commit.
    pub(crate) fn create(folder: &Path) -> Result<Repository, Failure> {
        let repository = Repository { folder: folder.to_path_buf() };
        for (name, text, mode) in FILES {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(repository)
    }

    /// Commits a version and gives the commit's id.
    pub(crate) fn commit(&self, version: &Version) -> Result<String, Failure> {
        let config = format!(
            "# The service's settings. The failures are drawn from a seed, so that every demo is alike.\nversion={}\nerror_percent={}\nlatency_ms={}\nseed=7\n",
            version.name, version.error_percent, version.latency_ms
        );
        fs::write(self.folder.join("web.conf"), config)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", version.message])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Runs git untouched by the user's own configuration, hooks and signing.
    #[expect(clippy::disallowed_methods, reason = "the demo plays the developer, who uses git")]
    fn git(&self, arguments: &[&str]) -> Result<String, Failure> {
        let identity = [
            "-c",
            "user.name=Shipway demo",
            "-c",
            "user.email=demo@shipway.localhost",
            "-c",
            "commit.gpgsign=false",
        ];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            // Ctrl-C is for the demo, which ends in order; what git has begun takes milliseconds and comes to its end.
            .process_group(0)
            .output()
            .map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot start git: {error}"))
                    .with_help("install git; the demo needs it")
            })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(
                Exit::Failed,
                format!("git {} failed: {}", arguments.join(" "), said.trim()),
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
