//! The members of a tar archive, in one form: read from any of the forms that `tar` writes with `--posix` or by itself, and written in a
//! form of our own. Whoever reads what was written sees the very members that were looked at here.

use super::Unfit;
use std::{
    io::{self, Read, Write},
    str,
};
use tar::{EntryType, Header};

/// The size of everything in an archive is a multiple of this.
const BLOCK: usize = 512;

/// The longest path, as the kernel has it.
const MOST_PATH: u64 = 4_096;

/// The longest list of what is said besides about one member.
const MOST_RECORDS: u64 = 1 << 20;

/// What is handed on of what is said besides. Paths and sizes are said again, and nothing else means anything to `tar`.
const KEPT: [&str; 7] = ["mtime", "atime", "ctime", "uid", "gid", "uname", "gname"];

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    File,
    Folder,
    Pipe,
    /// A symbolic link.
    Link,
    /// Another name of a member before it.
    Twin,
}

/// A member, without its content.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) sort: Sort,
    pub(super) path: Vec<u8>,
    /// Where a link leads.
    pub(super) target: Vec<u8>,
    /// The size of the content, in bytes.
    pub(super) size: u64,
    /// Its owner, its rights and its time.
    header: Header,
    records: Vec<(String, Vec<u8>)>,
}

/// What headers before a member say about it.
#[derive(Debug, Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    records: Vec<(String, Vec<u8>)>,
}

impl Member {
    /// Reads the next one; none at the end of the archive.
    pub(super) fn read(from: &mut impl Read) -> Result<Option<Member>, Unfit> {
        let mut ahead = Ahead::default();
        loop {
            let Some(header) = block(from)? else {
                return match ahead.is_empty() {
                    true => Ok(None),
                    false => Err(damaged("it ends in the middle of a member")),
                };
            };
            let size = header.entry_size().map_err(|_| damaged("a size in it is no number"))?;
            match header.entry_type().as_byte() {
                b'x' => ahead.take(&text(from, size, MOST_RECORDS)?)?,
                b'L' => ahead.path = Some(until_zero(text(from, size, MOST_PATH + 1)?)),
                b'K' => ahead.target = Some(until_zero(text(from, size, MOST_PATH + 1)?)),
                _ => return ahead.member(header, size).map(Some),
            }
        }
    }

    /// Writes it, with other names for itself and what it links to.
    pub(super) fn write(&self, path: &[u8], target: &[u8], to: &mut impl Write) -> io::Result<()> {
        let mut header = Header::new_ustar();
        let old = self.header.as_old();
        let new = header.as_old_mut();
        (new.mode, new.uid, new.gid, new.mtime) = (old.mode, old.uid, old.gid, old.mtime);
        if let (Some(from), Some(to)) = (self.header.as_ustar(), header.as_ustar_mut()) {
            (to.uname, to.gname) = (from.uname, from.gname);
        } else if let (Some(from), Some(to)) = (self.header.as_gnu(), header.as_ustar_mut()) {
            (to.uname, to.gname) = (from.uname, from.gname);
        }
        if self.sort == Sort::File || self.sort == Sort::Twin {
            // Nobody gets the rights of an owner by what lies in a cache.
            let mode = self.header.mode().unwrap_or(0o644);
            header.set_mode(mode & 0o1777);
        }
        header.set_entry_type(match self.sort {
            Sort::File => EntryType::Regular,
            Sort::Folder => EntryType::Directory,
            Sort::Pipe => EntryType::Fifo,
            Sort::Link => EntryType::Symlink,
            Sort::Twin => EntryType::Link,
        });
        header.set_size(self.size);
        let mut records = Vec::new();
        for (key, value) in &self.records {
            record(&mut records, key, value);
        }
        let old = header.as_old_mut();
        for (key, value, place) in [("path", path, &mut old.name), ("linkpath", target, &mut old.linkname)] {
            let fits = value.len().min(place.len());
            place[..fits].copy_from_slice(&value[..fits]);
            // A name that fills its place has no end there, which not everybody expects.
            if value.len() >= place.len() {
                record(&mut records, key, value);
            }
        }
        if !records.is_empty() {
            let mut ahead = Header::new_ustar();
            ahead.set_entry_type(EntryType::XHeader);
            ahead.as_old_mut().name[..3].copy_from_slice(b"pax");
            ahead.set_mode(0o644);
            ahead.set_size(records.len() as u64);
            ahead.set_cksum();
            to.write_all(ahead.as_bytes())?;
            to.write_all(&records)?;
            to.write_all(&[0; BLOCK][..padding(records.len() as u64)])?;
        }
        header.set_cksum();
        to.write_all(header.as_bytes())
    }

    /// How many zero bytes follow the content.
    pub(super) fn padding(&self) -> usize {
        padding(self.size)
    }
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.target.is_none() && self.size.is_none() && self.records.is_empty()
    }

    /// Takes the records of an extended header in: `LENGTH KEY=VALUE\n`, each as long as it says.
    fn take(&mut self, mut rest: &[u8]) -> Result<(), Unfit> {
        let broken = || damaged("what it says of a member cannot be read");
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize =
                str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)?;
            if length <= space + 1 || length > rest.len() || rest[length - 1] != b'\n' {
                return Err(broken());
            }
            let (pair, after) = (&rest[space + 1..length - 1], &rest[length..]);
            let equals = pair.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = (str::from_utf8(&pair[..equals]).map_err(|_| broken())?, &pair[equals + 1..]);
            match key {
                "path" => self.path = Some(value.to_vec()),
                "linkpath" => self.target = Some(value.to_vec()),
                "size" => {
                    let size = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(broken)?);
                }
                // Sparse files have other names and sizes there, and nobody who makes a cache asks for them.
                _ if key.starts_with("GNU.") => {
                    return Err(damaged(&format!("it says {key} of a member, which no cache does")));
                }
                _ if KEPT.contains(&key) => self.records.push((key.to_owned(), value.to_vec())),
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    /// The member itself.
    fn member(self, header: Header, size: u64) -> Result<Member, Unfit> {
        let path = self.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = self
            .target
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let size = self.size.unwrap_or(size);
        let sort = match header.entry_type().as_byte() {
            // As the oldest archives have it.
            0 | b'0' if path.ends_with(b"/") => Sort::Folder,
            0 | b'0' => Sort::File,
            b'1' => Sort::Twin,
            b'2' => Sort::Link,
            b'5' => Sort::Folder,
            b'6' => Sort::Pipe,
            other => {
                let kind = char::from(other).escape_default();
                return Err(damaged(&format!("it holds a member of the kind {kind}, which no cache does")));
            }
        };
        if sort != Sort::File && size > 0 {
            return Err(damaged("it holds a content where none can be"));
        }
        let is_link = matches!(sort, Sort::Link | Sort::Twin);
        let target = if is_link { target } else { Vec::new() };
        for name in [&path, &target] {
            if name.len() as u64 > MOST_PATH || name.contains(&0) {
                return Err(damaged("a name in it is none"));
            }
        }
        Ok(Member { sort, path, target, size, header, records: self.records })
    }
}

/// The next header; none at the end.
fn block(from: &mut impl Read) -> Result<Option<Header>, Unfit> {
    let mut header = Header::new_old();
    if !fill(from, header.as_mut_bytes())? {
        return Ok(None);
    }
    let bytes = header.as_bytes();
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    // The sum is made with blanks in its own place.
    let place = 148..156;
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if place.contains(&at) { b' ' } else { *byte }))
        .sum();
    if header.cksum().ok() != Some(sum) {
        return Err(damaged("it is no archive of tar from some place on"));
    }
    Ok(Some(header))
}

/// Reads a whole block; false when nothing is left.
fn fill(from: &mut impl Read, block: &mut [u8]) -> Result<bool, Unfit> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(damaged("it ends in the middle of a member")),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unfit::Read(error)),
        }
    }
    Ok(true)
}

/// The content of a header that speaks about the next one.
fn text(from: &mut impl Read, size: u64, most: u64) -> Result<Vec<u8>, Unfit> {
    if size > most {
        return Err(damaged("what it says of a member is too long"));
    }
    let mut text = vec![0; usize::try_from(size).unwrap_or_default() + padding(size)];
    if !text.is_empty() && !fill(from, &mut text)? {
        return Err(damaged("it ends in the middle of a member"));
    }
    text.truncate(usize::try_from(size).unwrap_or_default());
    Ok(text)
}

fn until_zero(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    text.truncate(end);
    text
}

/// One record of an extended header. Its length counts its own digits.
fn record(to: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + digits(length) > length {
        length += 1;
    }
    to.extend_from_slice(format!("{length} {key}=").as_bytes());
    to.extend_from_slice(value);
    to.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn padding(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or_default()
}

fn damaged(why: &str) -> Unfit {
    Unfit::Damaged(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_says() {
        for length in
            [0, 1, 5, 80, 90, 91, 92, 93, 94, 95, 980, 990, 991, 992, 993, 994, 995, 9_990, 9_991, 9_992]
        {
            let (mut text, value) = (Vec::new(), vec![b'x'; length]);
            record(&mut text, "path", &value);
            let said: usize = str::from_utf8(&text)
                .expect("a text")
                .split(' ')
                .next()
                .expect("a length")
                .parse()
                .expect("digits");
            assert_eq!(said, text.len());
            let mut ahead = Ahead::default();
            ahead.take(&text).expect("read");
            assert_eq!(ahead.path.as_deref(), Some(&*value));
        }
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for text in [
            "",
            "1",
            "x path=a\n",
            "3 path=a\n",
            "99 path=a\n",
            "0 =\n",
            "7 path\n",
            "4 \n\n",
            "18446744073709551615 a=b\n",
        ] {
            let read = Ahead::default().take(text.as_bytes());
            assert_eq!(read.is_ok(), text.is_empty(), "{text:?}");
        }
    }
}
