//! The runner's own work on the files of a job: what the built-in actions read and write.
//!
//! Where a job runs with the rights of the runner, the runner does it. An isolated job may have put links in its way, and
//! the runner can read more than the job can, so there a helper does it: this program once more, inside the job's file system
//! and as the job's user ([`ProgramPlace::Helper`](crate::ProgramPlace::Helper)). What it is to do stands in its arguments, the content of an archive is its
//! standard input, and what came of it is its standard output.

mod settle;

use crate::{
    aside::Over,
    beneath::{Ground, Links, open_regular},
    error::{ErrorKind, RunnerError},
    glob::{Find, Patterns},
    pack::{self, UnpackLimits},
    place::PathMap,
    sight::Sight,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
};

pub(crate) use settle::{GIT, Settle, archive, empty, empty_but_git};

/// More bytes of names than this are not told of.
const MOST_NAMES: usize = 64 << 20;

/// What the open file of an artifact goes by in what is said.
pub(crate) const ARCHIVE: &str = "the archive of the artifact";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Puts files into the archive of an artifact.
    Pack(Pack),
    /// Takes the files out of one.
    Unpack(Unpack),
    /// Finds what a cache is to hold.
    Find(Seek),
    /// Puts a tree of files in the place of what is there.
    Settle(Settle),
}

/// Patterns and the folders that they begin at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seek {
    /// One a line.
    pub(crate) patterns: String,
    /// Where relative ones begin.
    pub(crate) workspace: PathBuf,
    /// What `~` means.
    pub(crate) home: PathBuf,
}

/// What is to be put into an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pack {
    /// The files.
    pub(crate) seek: Seek,
    /// Those whose names begin with a dot too.
    pub(crate) hidden: bool,
    /// Whether links lead where they do for whoever does this. Where the job sees another file system, they are followed as it
    /// sees them, by `map`. What they lead to is packed, never the link.
    pub(crate) through_links: bool,
    /// The one file as it is, instead of an archive.
    pub(crate) single: bool,
    /// 0 for no compression, to 9.
    pub(crate) level: u8,
    /// Where the job sees the files, by which they are named. A helper sees them where the job does, and is not told.
    pub(crate) map: PathMap,
}

/// Where the files of an archive go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpack {
    /// The folder.
    pub(crate) into: PathBuf,
    /// Whether the way to it may go through links, as in [`Pack`].
    pub(crate) through_links: bool,
    /// The name of the one file, when it is no archive.
    pub(crate) single: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many files.
    pub(crate) files: usize,
    /// The name of a single file, or the paths that were found, each with a zero byte behind it.
    pub(crate) names: Vec<u8>,
}

impl Work {
    /// Does it, on this machine and with the rights of this process, as long as it is not over.
    pub(crate) fn carry_out(
        &self,
        data: Option<File>,
        shown: &Path,
        over: &Over,
    ) -> Result<Done, RunnerError> {
        let data = || data.ok_or_else(settle::missing);
        match self {
            Work::Pack(pack) => pack.carry_out(data()?, shown, over),
            Work::Unpack(unpack) => unpack.carry_out(data()?, shown, over),
            Work::Find(seek) => seek.carry_out(over),
            Work::Settle(settle) => settle.carry_out(data()?, over).map(|()| Done::default()),
        }
    }

    /// The folder of the job that it changes.
    pub(crate) fn writes_to(&self) -> Option<&Path> {
        match self {
            Work::Unpack(unpack) => Some(&unpack.into),
            Work::Settle(settle) => Some(&settle.into),
            Work::Pack(_) | Work::Find(_) => None,
        }
    }

    /// The arguments of a helper that stand for it.
    pub(crate) fn arguments(&self) -> Result<Vec<String>, RunnerError> {
        let text = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            let message = format!("the path {} is not Unicode", path.display());
            text.ok_or_else(|| RunnerError::new(ErrorKind::Isolation, message))
        };
        let seek = |seek: &Seek| {
            Ok::<_, RunnerError>([seek.patterns.clone(), text(&seek.workspace)?, text(&seek.home)?])
        };
        Ok(match self {
            Work::Pack(Pack { seek: files, hidden, through_links, single, level, map: _ }) => {
                let flags = [("hidden", hidden), ("links", through_links), ("single", single)];
                let flags: Vec<&str> = flags.iter().filter(|(_, on)| **on).map(|(name, _)| *name).collect();
                let fixed = ["pack".to_owned(), flags.join(","), level.to_string()];
                fixed.into_iter().chain(seek(files)?).collect()
            }
            Work::Unpack(Unpack { into, through_links, single }) => {
                let links = if *through_links { "links" } else { "" };
                let fixed = ["unpack".to_owned(), links.to_owned(), text(into)?];
                fixed.into_iter().chain(single.clone()).collect()
            }
            Work::Find(files) => ["find".to_owned()].into_iter().chain(seek(files)?).collect(),
            Work::Settle(Settle { into, keep }) => {
                let keep = if *keep { "keep" } else { "" };
                vec!["settle".to_owned(), keep.to_owned(), text(into)?]
            }
        })
    }

    /// Reads those arguments.
    pub(crate) fn parse(arguments: &[String]) -> Option<Work> {
        let (what, rest) = arguments.split_first()?;
        let seek = |rest: &[String]| match rest {
            [patterns, workspace, home] => Some(Seek {
                patterns: patterns.clone(),
                workspace: PathBuf::from(workspace),
                home: PathBuf::from(home),
            }),
            _ => None,
        };
        match (what.as_str(), rest) {
            ("pack", [flags, level, rest @ ..]) => {
                let has = |name: &str| flags.split(',').any(|flag| flag == name);
                Some(Work::Pack(Pack {
                    seek: seek(rest)?,
                    hidden: has("hidden"),
                    through_links: has("links"),
                    single: has("single"),
                    level: level.parse().ok()?,
                    map: PathMap::default(),
                }))
            }
            ("unpack", [links, into, rest @ ..]) if rest.len() < 2 => Some(Work::Unpack(Unpack {
                into: PathBuf::from(into),
                through_links: links == "links",
                single: rest.first().cloned(),
            })),
            ("find", rest) => seek(rest).map(Work::Find),
            ("settle", [keep, into]) => {
                Some(Work::Settle(Settle { into: PathBuf::from(into), keep: keep == "keep" }))
            }
            _ => None,
        }
    }
}

impl Seek {
    fn patterns(&self) -> Result<Patterns, RunnerError> {
        Patterns::parse([self.patterns.as_str()], &self.workspace, &self.home)
            .map_err(|why| RunnerError::new(ErrorKind::ActionInput, why))
    }

    /// The paths to archive, from the workspace.
    fn carry_out(&self, over: &Over) -> Result<Done, RunnerError> {
        use std::os::unix::ffi::OsStrExt as _;
        let find = Find { descendants: false, folders: true, hidden: true, sight: Sight::Machine };
        let mut done = Done::default();
        for path in self.patterns()?.search(find, &|| over.go_on())? {
            done.files += 1;
            done.names.extend_from_slice(relative(&self.workspace, &path).as_os_str().as_bytes());
            done.names.push(0);
            if done.names.len() > MOST_NAMES {
                let text = format!("the names of what is found have more than {MOST_NAMES} bytes");
                return Err(RunnerError::new(ErrorKind::ActionInput, text)
                    .with_help("name the folders that count, and not all that lies in them"));
            }
        }
        Ok(done)
    }
}

impl Pack {
    fn carry_out(&self, data: File, shown: &Path, over: &Over) -> Result<Done, RunnerError> {
        let patterns = self.seek.patterns()?;
        let sight = if self.through_links { Sight::Machine } else { Sight::Shared(&self.map) };
        let find = Find { descendants: true, folders: false, hidden: self.hidden, sight };
        let found = patterns.search(find, &|| over.go_on())?;
        let root = common_root(&patterns.bases(), &found, &self.map);
        let name = |path: &Path| {
            let seen = self.map.inside(path);
            pack::archive_name(seen.strip_prefix(&root).unwrap_or(&seen))
        };
        let mut files = BTreeMap::new();
        for path in found {
            files.insert(name(&path), sight.content(&path)?);
        }
        files.keys().try_for_each(|name| check_path(name))?;
        let mut done = Done { files: files.len(), names: Vec::new() };
        let open = |path: &Path| open(path, self.through_links);
        if !self.single && !files.is_empty() {
            pack::write(&files, &open, data, shown, self.level, over)?;
        } else if let (1, Some((name, path))) = (files.len(), files.iter().next()) {
            done.names = name.rsplit('/').next().unwrap_or_default().as_bytes().to_vec();
            let from = open(path).map_err(|error| RunnerError::io("read", path, error))?;
            let size = from.metadata().map_or(0, |meta| meta.len());
            pack::room(&data, shown, size)?;
            over.copy_file(&from, &data).map_err(|error| RunnerError::io("copy", path, error))?;
        }
        Ok(done)
    }
}

impl Unpack {
    fn carry_out(&self, data: File, shown: &Path, over: &Over) -> Result<Done, RunnerError> {
        let Unpack { into, through_links, single } = self;
        let (ground, links) = if *through_links {
            let made = fs::create_dir_all(into).and_then(|()| Ground::at(into));
            (made, Links::Beneath)
        } else {
            (Ground::plain(into), Links::None)
        };
        let ground = ground.map_err(|error| RunnerError::io("make", into, error))?;
        let Some(name) = single else {
            let files = pack::unpack_onto(data, shown, &ground, links, &UnpackLimits::default(), over)?;
            return Ok(Done { files, names: Vec::new() });
        };
        let failed = |error| RunnerError::io("write", &into.join(name), error);
        let file = ground.create(OsStr::new(name), 0o644).map_err(failed)?;
        if let Err(error) = over.copy_file(&data, &file) {
            // Half of it is nobody's.
            let _ = ground.remove(OsStr::new(name));
            return Err(failed(error));
        }
        Ok(Done { files: 1, names: Vec::new() })
    }
}

/// Refuses a file whose path other file systems cannot hold, as the official action does.
fn check_path(name: &str) -> Result<(), RunnerError> {
    let Some(found) = name.chars().find(|found| "\":<>|*?\r\n".contains(*found)) else { return Ok(()) };
    let what = match found {
        '"' => "a double quote \"",
        ':' => "a colon :",
        '<' => "a less than <",
        '>' => "a greater than >",
        '|' => "a vertical bar |",
        '*' => "an asterisk *",
        '?' => "a question mark ?",
        '\r' => "a carriage return",
        _ => "a line feed",
    };
    let text = format!("{name:?} cannot be a file of an artifact: its path holds {what}");
    Err(RunnerError::new(ErrorKind::Artifact, text)
        .with_help("give the file another name, since not every file system can hold this one, or leave it out by a line of path that begins with !"))
}

/// Opens a file, going through links or through none.
fn open(path: &Path, through_links: bool) -> io::Result<File> {
    if through_links {
        return open_regular(path);
    }
    Ground::at(Path::new("/"))?.open(path.strip_prefix("/").map_err(io::Error::other)?, Links::None)
}

impl Done {
    /// As a helper tells of it.
    pub(crate) fn told(&self) -> Vec<u8> {
        let mut told = format!("{}\n", self.files).into_bytes();
        told.extend_from_slice(&self.names);
        told
    }

    /// Hears what a helper tells.
    pub(crate) fn heard(told: &[u8]) -> Option<Done> {
        let end = told.iter().position(|byte| *byte == b'\n')?;
        let files = std::str::from_utf8(&told[..end]).ok()?.parse().ok()?;
        Some(Done { files, names: told[end + 1..].to_vec() })
    }
}

/// The folder that paths in the artifact are relative to: where the search began, the folder of a single file, or what
/// several searches have in common; as the job sees it.
fn common_root(bases: &[&Path], found: &[PathBuf], map: &PathMap) -> PathBuf {
    let folder = |base: &Path| match found {
        [only] if only == base => base.parent().unwrap_or(base).to_owned(),
        _ => base.to_owned(),
    };
    let mut roots = bases.iter().map(|base| map.inside(&folder(base)));
    let first = roots.next().unwrap_or_default();
    roots.fold(first, |common, root| {
        common.components().zip(root.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

/// The way from one folder to a path.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_of_another_file_system_are_not_gone_through() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(dir.path()).expect("a path");
        let work = root.join("work");
        fs::create_dir_all(work.join("out")).expect("folders");
        fs::write(root.join("secret"), "of the machine").expect("a file");
        fs::write(work.join("out/mine"), "mine").expect("a file");
        symlink("../../secret", work.join("out/stolen")).expect("a link");
        symlink("../..", work.join("out/all")).expect("a link");
        symlink("..", work.join("up")).expect("a link");
        let archive =
            || File::options().read(true).write(true).create(true).truncate(true).open(root.join("zip"));
        let map = PathMap::new([(work.clone(), PathBuf::from("/__w/co/co"))]);
        let pack = |patterns: &str| {
            let seek =
                Seek { patterns: patterns.to_owned(), workspace: work.clone(), home: root.join("home") };
            let pack =
                Pack { seek, hidden: true, through_links: false, single: false, level: 0, map: map.clone() };
            Work::Pack(pack).carry_out(Some(archive().expect("a file")), Path::new("zip"), &Over::default())
        };
        for (patterns, link) in
            [("out", "out/"), ("out/stolen", "out/stolen"), ("out\n!out/stolen", "out/all")]
        {
            let error = pack(patterns).expect_err("refused").to_string();
            assert!(error.contains(link) && error.contains("in the container of the job alone"), "{error}");
        }
        assert_eq!(pack("out\n!out/stolen\n!out/all").expect("packed").files, 1);
        // What a pattern names itself is not reached through a link either.
        assert!(pack("out/all/secret").is_err());
        // What lies in the container's own folders is packed by what its links lead to there.
        for (link, to) in [("rel", "out/mine"), ("abs", "/__w/co/co/out/mine"), ("dir", "/__w/co/co/out")] {
            symlink(to, work.join(link)).expect("a link");
        }
        assert_eq!(pack("rel\nabs\ndir/m*").expect("packed").files, 3);
        let bytes = fs::read(root.join("zip")).expect("an archive");
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("dir/mine").count(), 2, "{text}");
        assert!(!text.contains("of the machine") && !text.contains("/__w"), "{text}");
        pack("out/mine").expect("packed");
        let unpack = |into: &str| {
            let unpack = Unpack { into: work.join(into), through_links: false, single: None };
            Work::Unpack(unpack).carry_out(
                Some(File::open(root.join("zip")).expect("a file")),
                Path::new("zip"),
                &Over::default(),
            )
        };
        assert_eq!(unpack("new/place").expect("unpacked").files, 1);
        assert!(unpack("up/x").is_err() && unpack("out/all").is_err());
        let mut left: Vec<_> =
            fs::read_dir(&root).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["secret", "work", "zip"]);
    }

    #[test]
    fn a_named_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let fifo = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
        for through_links in [true, false] {
            let error = open(&fifo, through_links).expect_err("refused");
            assert!(error.to_string().contains("not a file"), "{error}");
        }
    }

    #[test]
    fn paths_are_told_from_the_workspace() {
        let check = |to: &str, expect: &str| {
            assert_eq!(relative(Path::new("/j/0/workspace"), Path::new(to)), Path::new(expect), "{to}");
        };
        check("/j/0/workspace", ".");
        check("/j/0/workspace/a/b", "a/b");
        check("/j/0/home/.npm", "../home/.npm");
        check("/opt/x", "../../../opt/x");
    }

    fn seek() -> impl Strategy<Value = Seek> {
        ("\\PC{0,12}", "/[a-z/]{0,8}", "/[a-z/]{0,8}").prop_map(|(patterns, workspace, home)| Seek {
            patterns,
            workspace: workspace.into(),
            home: home.into(),
        })
    }

    fn work() -> impl Strategy<Value = Work> {
        let pack =
            (seek(), any::<[bool; 3]>(), 0..10_u8).prop_map(|(seek, [hidden, links, single], level)| {
                Work::Pack(Pack {
                    seek,
                    hidden,
                    through_links: links,
                    single,
                    level,
                    map: PathMap::default(),
                })
            });
        let unpack = ("/[a-z/]{0,8}", any::<bool>(), proptest::option::of("\\PC{0,8}")).prop_map(
            |(into, through_links, single)| Work::Unpack(Unpack { into: into.into(), through_links, single }),
        );
        let settle = ("/[a-z/]{0,8}", any::<bool>())
            .prop_map(|(into, keep)| Work::Settle(Settle { into: into.into(), keep }));
        prop_oneof![pack, unpack, settle, seek().prop_map(Work::Find)]
    }

    proptest! {
        #[test]
        fn arguments_are_read_as_they_were_written(work in work()) {
            let arguments = work.arguments().expect("Unicode");
            prop_assert_eq!(Work::parse(&arguments), Some(work));
        }

        #[test]
        fn no_argument_makes_it_panic(arguments in proptest::collection::vec("(pack|unpack|find|settle|\\PC{0,4})", 0..7)) {
            let _ = Work::parse(&arguments);
        }

        #[test]
        fn what_is_told_is_heard(files in any::<usize>(), names in any::<Vec<u8>>()) {
            let done = Done { files, names };
            prop_assert_eq!(Done::heard(&done.told()), Some(done.clone()));
        }

        #[test]
        fn nothing_heard_makes_it_panic(told in any::<Vec<u8>>()) {
            let _ = Done::heard(&told);
        }
    }
}
