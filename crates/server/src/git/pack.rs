//! One object out of git's packs, when it stands there by itself.
//!
//! A clone has its newest commit in a pack, and the runs of a clone are most of all runs. An object that is told as the
//! difference to another one, and indexes of other versions, are left to git: every function then says `None`. The layout is
//! that of gitformat-pack(5).

use flate2::read::ZlibDecoder;
use std::{
    fs::{self, File},
    io::Read as _,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
};

/// The length of an object's name, bytes.
const NAME: usize = 20;
/// What an index of version 2 begins with.
const INDEX: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
/// How many objects there are up to each first byte of a name: 256 numbers of four bytes behind [`INDEX`].
const COUNTS: u64 = 8;
const NAMES: u64 = COUNTS + 256 * 4;
/// Names with the same first byte that are looked through at most; a pack of a hundred million objects has fewer.
const MOST_NAMES: u64 = 1 << 20;
/// The kind of a commit in the head of a packed object.
const COMMIT: u8 = 1;

/// The commit of this name (40 hexadecimal digits), without the head that a loose object has, when a pack in `objects` has it
/// whole and it is not longer than `limit` bytes.
pub(super) fn commit(objects: &Path, sha: &str, limit: u64) -> Option<Vec<u8>> {
    let name = binary(sha)?;
    for entry in fs::read_dir(objects.join("pack")).ok()? {
        let index = entry.ok()?.path();
        if index.extension().is_none_or(|extension| extension != "idx") {
            continue;
        }
        if let Some(offset) = offset(&File::open(&index).ok()?, name)? {
            return object(File::open(index.with_extension("pack")).ok()?, offset, limit);
        }
    }
    None
}

/// Where the object begins in the pack; the inner `None` when the index does not have it.
fn offset(index: &File, name: [u8; NAME]) -> Option<Option<u64>> {
    if bytes::<8>(index, 0)? != INDEX {
        return None;
    }
    let first = u64::from(name[0]);
    let before = match first {
        0 => 0,
        first => number(index, COUNTS + (first - 1) * 4)?,
    };
    let (upto, total) = (number(index, COUNTS + first * 4)?, number(index, COUNTS + 255 * 4)?);
    let Some(place) = position(index, name, before..upto)? else { return Some(None) };
    // Behind the names stand their checksums and then the places, four bytes each; what does not fit into 31 bits is in a
    // table of its own behind them.
    let places = NAMES + total * (20 + 4);
    let offset = number(index, places + place * 4)?;
    let Some(large) = offset.checked_sub(1 << 31) else { return Some(Some(offset)) };
    Some(Some(u64::from_be_bytes(bytes(index, places + total * 4 + large * 8)?)))
}

/// Which of the names in this range is the wanted one; the inner `None` when none is.
fn position(index: &File, name: [u8; NAME], range: Range<u64>) -> Option<Option<u64>> {
    let count = range.end.checked_sub(range.start).filter(|count| *count <= MOST_NAMES)?;
    let mut names = vec![[0; NAME]; usize::try_from(count).ok()?];
    index.read_exact_at(names.as_flattened_mut(), NAMES + range.start * 20).ok()?;
    Some(names.binary_search(&name).ok().and_then(|place| Some(range.start + u64::try_from(place).ok()?)))
}

/// The object that begins at `offset`, when it is a commit and whole.
fn object(pack: File, offset: u64, limit: u64) -> Option<Vec<u8>> {
    if bytes::<4>(&pack, 0)? != *b"PACK" {
        return None;
    }
    // The head has three bits of kind and the length in groups of four and then seven bits, the lowest first.
    let head = bytes::<10>(&pack, offset)?;
    let (kind, mut length, mut used) = (head[0] >> 4 & 7, u64::from(head[0] & 15), 1);
    while head[used - 1] & 0x80 != 0 {
        length |= u64::from(head.get(used)? & 0x7f) << (used * 7 - 3);
        used += 1;
    }
    if kind != COMMIT || length > limit {
        return None;
    }
    let mut object = Vec::with_capacity(usize::try_from(length).ok()?);
    let packed = At { file: pack, offset: offset.checked_add(u64::try_from(used).ok()?)? };
    ZlibDecoder::new(packed).take(length + 1).read_to_end(&mut object).ok()?;
    (u64::try_from(object.len()) == Ok(length)).then_some(object)
}

/// A file read on from a place of its own.
struct At {
    file: File,
    offset: u64,
}

impl std::io::Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(read).map_err(std::io::Error::other)?;
        Ok(read)
    }
}

fn bytes<const COUNT: usize>(file: &File, offset: u64) -> Option<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

fn number(file: &File, offset: u64) -> Option<u64> {
    Some(u32::from_be_bytes(bytes(file, offset)?).into())
}

fn binary(sha: &str) -> Option<[u8; NAME]> {
    let mut name = [0; NAME];
    for (byte, digits) in name.iter_mut().zip(sha.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (sha.len() == 2 * NAME).then_some(name)
}
