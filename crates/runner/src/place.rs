//! What a job wants of the place it runs in, what it gets, and where its folders appear to its programs.

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Folders, JobIdentity},
};
use shipway_base::Secret;
use shipway_workflow::{document::ContainerSpec, expr::Object};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Component, Path, PathBuf},
};

/// What a job asks for before its first step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The container that its steps run in; on the machine itself when there is none.
    pub container: Option<ContainerSpec>,
    /// Whether the workflow asks for that container itself; another one stands for a machine with the job's label.
    pub container_asked_for: bool,
    /// Its service containers by name, in the order of the text.
    pub services: Vec<(String, ContainerSpec)>,
    /// Further folders of this machine that the programs of the job see, such as the actions that were fetched.
    pub mounts: Vec<Mount>,
    /// The name of the repository, which GitHub repeats in the path of the workspace.
    pub repository: String,
}

/// A folder of this machine and where a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On this machine.
    pub outside: PathBuf,
    /// In the container.
    pub inside: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// The place of a job that is ready for its first step.
#[derive(Debug)]
pub struct Opened {
    /// The folders, as this machine sees them.
    pub folders: Folders,
    /// Where the programs of the job see them.
    pub paths: PathMap,
    /// The environment that programs start from; what this machine lends when there is none.
    pub env: Option<BTreeMap<String, String>>,
    /// `container` and `services` of the `job` context.
    pub job: Object,
    /// Why the job has failed already, though steps that run all the same have their place: a service is not ready.
    pub unready: Option<RunnerError>,
}

impl Opened {
    /// A place on this machine itself.
    pub fn on_machine(folders: Folders) -> Opened {
        Opened { folders, paths: PathMap::default(), env: None, job: Object::new(), unready: None }
    }
}

/// An image to make ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// An image by its name, pulled when the engine does not have it.
    Named {
        /// The name.
        image: String,
        /// User name and password of the registry.
        credentials: Option<(String, Secret)>,
    },
    /// An image to build.
    Dockerfile {
        /// The Dockerfile, on this machine.
        file: PathBuf,
        /// The folder that the build sees.
        folder: PathBuf,
        /// Where files may be laid meanwhile.
        scratch: PathBuf,
    },
}

impl ImageSource {
    /// The `image` of a Docker action whose files are in `folder`: `docker://` and a name, or the path of a Dockerfile.
    ///
    /// # Errors
    /// It is neither (SW0533).
    pub fn of_action(image: &str, folder: &Path, scratch: &Path) -> Result<ImageSource, RunnerError> {
        if let Some(image) = image.strip_prefix("docker://") {
            return Ok(ImageSource::Named { image: image.to_owned(), credentials: None });
        }
        if is_dockerfile(image) {
            let file = folder.join(image);
            // The build sees the folder of the Dockerfile, as on GitHub.
            let folder = file.parent().unwrap_or(folder).to_owned();
            return Ok(ImageSource::Dockerfile { file, folder, scratch: scratch.to_owned() });
        }
        let message =
            format!("the image {image:?} of an action is neither docker:// and a name nor a Dockerfile");
        Err(RunnerError::new(ErrorKind::Image, message)
            .with_help("write image: docker://name:tag, or the path of a file whose name ends in Dockerfile"))
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageSource::Named { image, .. } => f.write_str(image),
            ImageSource::Dockerfile { file, .. } => write!(f, "of {}", file.display()),
        }
    }
}

/// A container that is a step of its own: a Docker action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContainer {
    /// The job it belongs to.
    pub job: JobIdentity,
    /// The folders of the job.
    pub folders: Folders,
    /// The image, as [`prepare_image`](crate::Executor::prepare_image) named it.
    pub image: String,
    /// The program instead of the image's.
    pub entrypoint: Option<String>,
    /// The arguments instead of the image's; the image's own are in force when there are none.
    pub args: Vec<String>,
    /// The environment, with paths as the programs of the job see them.
    pub env: BTreeMap<String, String>,
}

/// The folder of a job with the command files of steps in containers.
pub(crate) const COMMAND_FILES: &str = "files";

impl OwnContainer {
    /// Where a Docker action sees the folders of its job, as on GitHub.
    pub(crate) fn paths(&self) -> PathMap {
        let folders = &self.folders;
        PathMap::new([
            (folders.workspace.clone(), PathBuf::from("/github/workspace")),
            (folders.home.clone(), PathBuf::from("/github/home")),
            (folders.temp.clone(), PathBuf::from("/github/runner_temp")),
            (folders.root.join(COMMAND_FILES), PathBuf::from("/github/file_commands")),
            (folders.workflow.join("event.json"), PathBuf::from("/github/workflow/event.json")),
        ])
    }
}

/// Where folders of this machine appear to the programs of a job. Empty when they appear where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMap {
    /// Outside and inside, the deepest outside first.
    pairs: Vec<(PathBuf, PathBuf)>,
}

impl PathMap {
    /// A map of these folders, outside and inside.
    pub fn new(pairs: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> PathMap {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(outside, _)| std::cmp::Reverse(outside.components().count()));
        PathMap { pairs }
    }

    /// Whether folders appear where they are.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// A path of this machine as a program of the job sees it; the same when it is in none of the folders.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let found = self.pairs.iter().find_map(|(outside, inside)| rebase(path, outside, inside));
        found.unwrap_or_else(|| path.to_owned())
    }

    /// [`inside`](PathMap::inside) as text.
    pub fn inside_text(&self, path: &Path) -> String {
        self.inside(path).to_string_lossy().into_owned()
    }

    /// A path that a program of the job knows as this machine sees it; `None` when it lies in none of the folders, so
    /// that this machine does not see it.
    pub fn outside(&self, path: &Path) -> Option<PathBuf> {
        if self.is_empty() {
            return Some(path.to_owned());
        }
        // The deepest folder inside, which is another one than the deepest outside.
        let deepest = self
            .pairs
            .iter()
            .filter(|(_, inside)| path.starts_with(inside))
            .max_by_key(|(_, inside)| inside.components().count())?;
        rebase(path, &deepest.1, &deepest.0)
    }
}

/// Whether the `image` of a Docker action names a Dockerfile to build rather than an image to pull. The rule is that of
/// GitHub's runner.
fn is_dockerfile(image: &str) -> bool {
    let starts =
        |text: &str, with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let ends = |text: &str, with: &str| {
        text.len()
            .checked_sub(with.len())
            .and_then(|at| text.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    let name = image.rsplit('/').next().unwrap_or_default();
    !starts(image, "docker://") && (starts(name, "Dockerfile.") || ends(name, "Dockerfile"))
}

/// The path below `from` as one below `to`.
fn rebase(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

/// The path without `.` and `..`, by its names alone.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(component),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conformance_docker_image_field() {
        crate::conformance::run_file("docker-image-field.json", |input, expect| {
            let found = is_dockerfile(input["image"].as_str()?);
            Some(if Some(found) == expect["is_dockerfile"].as_bool() {
                Ok(())
            } else {
                Err(found.to_string())
            })
        });
    }

    proptest! {
        #[test]
        fn no_image_makes_it_panic(image in "\\PC{0,24}") {
            let _ = ImageSource::of_action(&image, Path::new("/a"), Path::new("/b"));
        }
    }

    #[test]
    fn paths_are_translated_both_ways() {
        let map = PathMap::new([
            ("/job".into(), "/__w".into()),
            ("/job/temp".into(), "/__w/_temp".into()),
            ("/job/home".into(), "/github/home".into()),
        ]);
        let check = |outside: &str, inside: &str| {
            assert_eq!(map.inside(Path::new(outside)), Path::new(inside));
            assert_eq!(map.outside(Path::new(inside)).as_deref(), Some(Path::new(outside)), "{inside}");
        };
        check("/job/temp/a", "/__w/_temp/a");
        check("/job/home", "/github/home");
        check("/job/x/y", "/__w/x/y");
        assert_eq!(map.inside(Path::new("/jobs/x")), Path::new("/jobs/x"));
        assert_eq!(map.outside(Path::new("/etc/passwd")), None);
        assert_eq!(PathMap::default().outside(Path::new("/etc")), Some(PathBuf::from("/etc")));
    }

    #[test]
    fn no_path_leads_out_of_a_folder_by_its_names() {
        for (path, expect) in
            [("/w/a/../b/./c", "/w/b/c"), ("/w/../../etc", "/etc"), ("/", "/"), ("/..", "/")]
        {
            assert_eq!(lexical(Path::new(path)), Path::new(expect));
        }
    }
}
