//! What of an archive that nobody vouches for may be unpacked by `tar`: members that lie in the paths that were asked for, by a way that
//! leads through nothing that the archive itself has put there to lead elsewhere.
//!
//! Caches are made by `tar`, and by any job that may save one, which may have been isolated. Whoever restores one may have more rights.
//! So each member is looked at on its way to `tar`, and written anew: `tar` and this module cannot read the same bytes in two ways.

mod member;

use crate::{
    aside::{Checked, Over},
    glob::Patterns,
};
use member::{Member, Sort};
use shipway_base::Digest;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

/// Bytes that are handed on at once.
const PIECE: usize = 256 * 1024;

/// More members than this are not unpacked; what is known of each takes some fifty bytes.
const MOST_MEMBERS: usize = 5_000_000;

/// So many links may lie one behind the other.
const MOST_LINKS: usize = 40;

/// Where members may lie.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The folder that names are relative to, as `tar` sees it.
    pub(crate) folder: PathBuf,
    /// What was asked for.
    pub(crate) patterns: Patterns,
    /// Whether links that are there already are looked for: `tar` does more than the job may, on this machine.
    pub(crate) looks: bool,
    /// How many bytes it may unpack to.
    pub(crate) most: u64,
}

impl Rules {
    /// Whether all that was asked for is in the folder, so that no name leads out of it.
    pub(crate) fn inside(&self) -> bool {
        self.patterns.bases().into_iter().all(|base| base.starts_with(&self.folder))
    }
}

/// Why an archive is not unpacked any further.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It cannot be read, or decompressed.
    Read(io::Error),
    /// Whoever unpacks it takes no more.
    Write(io::Error),
    /// It is no archive of a cache, from some place on. A clause.
    Damaged(String),
    /// A member may not be unpacked. A clause.
    Refused(String),
    /// A member may not be unpacked because of what is in its way here. A clause.
    InTheWay(String),
}

/// What a member has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Folder,
    /// A file or a pipe.
    Leaf,
    /// A link, and where it leads; nothing for one that leads out of what was asked for, or nobody knows where.
    Link(Option<PathBuf>),
}

/// A place in memory, by its path: names may be long, and there may be many.
type Key = [u8; 16];

struct Sieve<'r> {
    rules: &'r Rules,
    bases: Vec<PathBuf>,
    known: BTreeMap<Key, Known>,
    members: usize,
    /// The folder of the last member, to which the way is known to be plain.
    last: PathBuf,
}

/// Hands on what may be unpacked, up to the end of the archive or the first member that may not. What comes behind the end is read and
/// left out.
pub(crate) fn sift(from: impl Read, to: impl Write, rules: &Rules, over: &Over) -> Result<(), Unfit> {
    let bounded = Bounded { inner: over.reader(from), left: rules.most };
    let mut from = BufReader::with_capacity(PIECE, bounded);
    let mut to = BufWriter::with_capacity(PIECE, to);
    let mut sieve = Sieve {
        rules,
        bases: rules.patterns.bases().into_iter().map(Path::to_owned).collect(),
        known: BTreeMap::new(),
        members: 0,
        last: PathBuf::new(),
    };
    let mut buffer = vec![0; PIECE];
    while let Some(member) = Member::read(&mut from)? {
        let (path, target) = sieve.pass(&member)?;
        member.write(&path, &target, &mut to).map_err(Unfit::Write)?;
        copy(&mut from, &mut to, member.size, &mut buffer)?;
        let padding = member.padding();
        skip(&mut from, padding, &mut buffer)?;
        to.write_all(&[0; 512][..padding]).map_err(Unfit::Write)?;
    }
    to.write_all(&[0; 1024]).and_then(|()| to.flush()).map_err(Unfit::Write)?;
    // Whether it was whole is known at its end only.
    io::copy(&mut from, &mut io::sink()).map_err(Unfit::Read)?;
    Ok(())
}

/// Copies exactly so many bytes.
fn copy(from: &mut impl Read, to: &mut impl Write, mut left: u64, buffer: &mut [u8]) -> Result<(), Unfit> {
    while left > 0 {
        let piece = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..piece]) {
            Ok(0) => return Err(Unfit::Damaged("it ends in the middle of a member".to_owned())),
            Ok(read) => {
                to.write_all(&buffer[..read]).map_err(Unfit::Write)?;
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unfit::Read(error)),
        }
    }
    Ok(())
}

fn skip(from: &mut impl Read, count: usize, buffer: &mut [u8]) -> Result<(), Unfit> {
    copy(from, &mut io::sink(), count as u64, buffer)
}

impl Sieve<'_> {
    /// The names under which a member is unpacked: its own, and that of what it links to.
    fn pass(&mut self, member: &Member) -> Result<(Vec<u8>, Vec<u8>), Unfit> {
        self.members += 1;
        if self.members > MOST_MEMBERS {
            return Err(Unfit::Damaged(format!("it holds more than {MOST_MEMBERS} files and folders")));
        }
        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let path = self.place(&member.path, member.sort == Sort::Folder)?;
        let (target, leaves) = match member.sort {
            Sort::Folder => (Vec::new(), Known::Folder),
            Sort::File | Sort::Pipe => (Vec::new(), Known::Leaf),
            Sort::Link => {
                let end = self.end_of(&path, &member.target);
                (member.target.clone(), Known::Link(end))
            }
            Sort::Twin => {
                let twin = self.place(&member.target, false)?;
                match self.known.get(&key(&twin)) {
                    Some(known @ (Known::Leaf | Known::Link(_))) => (self.name(&twin), known.clone()),
                    Some(Known::Folder) | None => {
                        let why = format!(
                            "it holds {} as another name of {}, which is no file that it holds before",
                            shown(&member.path),
                            shown(&member.target)
                        );
                        return Err(Unfit::Refused(why));
                    }
                }
            }
        };
        if leaves != Known::Folder && self.last.starts_with(&path) {
            self.last = PathBuf::new();
        }
        self.known.insert(key(&path), leaves);
        Ok((self.name(&path), target))
    }

    /// Where a member really is unpacked.
    fn place(&mut self, name: &[u8], is_folder: bool) -> Result<PathBuf, Unfit> {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let outside = || Unfit::Refused(format!("it holds {}, which lies outside of its paths", shown()));
        let mut path = plain(&self.rules.folder, Path::new(OsStr::from_bytes(name))).ok_or_else(outside)?;
        for _ in 0..MOST_LINKS {
            if !self.rules.patterns.hold(&path, is_folder) {
                return Err(outside());
            }
            match self.through(&path)? {
                Way::Plain => return Ok(path),
                Way::Other(other) => path = other,
                Way::Out(link) => {
                    let why = format!("it holds {}, and leads there through its own link {link}", shown());
                    return Err(Unfit::Refused(why));
                }
            }
        }
        Err(Unfit::Refused(format!("it holds {}, behind too many links", shown())))
    }

    /// Looks at the folders around a path.
    fn through(&mut self, path: &Path) -> Result<Way, Unfit> {
        if path.parent().is_some_and(|parent| parent == self.last) {
            return Ok(Way::Plain);
        }
        let Some(base) = self.bases.iter().find(|base| path.starts_with(base)).cloned() else {
            return Ok(Way::Plain);
        };
        // From the outermost inwards, as the kernel goes.
        let around: Vec<&Path> =
            path.ancestors().skip(1).take_while(|folder| folder.starts_with(&base)).collect();
        for folder in around.into_iter().rev() {
            match self.known.get(&key(folder)) {
                Some(Known::Folder) => {}
                Some(Known::Link(Some(end))) => {
                    let rest = path.strip_prefix(folder).unwrap_or(path);
                    return Ok(Way::Other(end.join(rest)));
                }
                Some(Known::Link(None) | Known::Leaf) => {
                    return Ok(Way::Out(folder.to_string_lossy().into_owned()));
                }
                None => {
                    if self.rules.looks {
                        self.look(folder, &base)?;
                    }
                    self.known.insert(key(folder), Known::Folder);
                }
            }
        }
        path.parent().unwrap_or(Path::new("")).clone_into(&mut self.last);
        Ok(Way::Plain)
    }

    /// Whether a folder that the archive says nothing of leads elsewhere. What was asked for by its very name may be a link: whoever
    /// asked has made it; but not when the archive should have held the folder itself.
    fn look(&self, folder: &Path, base: &Path) -> Result<(), Unfit> {
        if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
            return Ok(());
        }
        if folder == base && !self.rules.patterns.hold(folder, true) {
            return Ok(());
        }
        let beneath = || Some(fs::canonicalize(folder).ok()?.starts_with(fs::canonicalize(base).ok()?));
        if folder != base && beneath().unwrap_or(false) {
            return Ok(());
        }
        let why = format!("{} is a link here, and it holds something behind it", folder.display());
        Err(Unfit::InTheWay(why))
    }

    /// Where a link leads, when that is for certain and lies in what was asked for.
    fn end_of(&mut self, link: &Path, target: &[u8]) -> Option<PathBuf> {
        let end = plain(link.parent()?, Path::new(OsStr::from_bytes(target)))?;
        // A `..` behind another link leads up from wherever that one leads.
        let direct = matches!(self.through(&end), Ok(Way::Plain));
        let is_link = matches!(self.known.get(&key(&end)), Some(Known::Link(_)));
        (direct && !is_link && self.rules.patterns.hold(&end, true)).then_some(end)
    }

    /// The name of a place for `tar`.
    fn name(&self, path: &Path) -> Vec<u8> {
        let name = path.strip_prefix(&self.rules.folder).unwrap_or(path).as_os_str().as_bytes();
        if name.is_empty() { b".".to_vec() } else { name.to_vec() }
    }
}

/// How a path leads to its place.
enum Way {
    /// Through folders.
    Plain,
    /// Through a link of the archive, to there.
    Other(PathBuf),
    /// Through something of the archive that leads elsewhere.
    Out(String),
}

/// A path without `.` and `..`, as far as names alone tell: `..` is understood where it comes first.
fn plain(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut found = if path.is_absolute() { PathBuf::from("/") } else { folder.to_owned() };
    let mut down = path.is_absolute();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir if down || !found.pop() => return None,
            Component::ParentDir => {}
            Component::Normal(name) => {
                down = true;
                found.push(name);
            }
            Component::Prefix(_) => return None,
        }
    }
    Some(found)
}

fn key(path: &Path) -> Key {
    let digest = Digest::of(path.as_os_str().as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_bytes()[..16]);
    key
}

/// Ends with an error once so many bytes were read.
struct Bounded<R> {
    inner: Checked<R>,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let left = self.left.checked_sub(length as u64);
        self.left = left.ok_or_else(|| io::Error::other("it unpacks to more than a cache may"))?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
