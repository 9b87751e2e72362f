//! Content that comes in blocks, in ranges or at once, kept in files of one folder until it is whole.
//!
//! A block is written to a file of its own as it arrives and counts once all of it is there. A list of blocks then says which of
//! them make up the content, in order; no byte is copied for that. What was sent and is in no list is removed.

use crate::{
    blocks::{Listed, MOST_BLOCKS, Place},
    error::{Refusal, RefusalKind},
    range::Covered,
    stream,
};
use axum::body::Body;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{self, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The most separate ranges of a content that may have arrived; a client sends few at once.
const MOST_RANGES: usize = 10_000;

/// An upload under way. Dropped without [`Upload::finish`], it leaves its folder to whoever made it.
#[derive(Debug)]
pub(crate) struct Upload {
    dir: PathBuf,
    limit: u64,
    /// Bytes in files, those still arriving included.
    held: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    blocks: BTreeMap<String, Piece>,
    committed: Option<Vec<(String, Piece)>>,
    covered: Option<Covered>,
    /// How many requests write now; nothing is finished meanwhile.
    writing: usize,
    finished: bool,
}

/// A file with a part of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    file: u64,
    length: u64,
}

/// The content of a finished upload: files in order, and how long each is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) Vec<(PathBuf, u64)>);

/// Counts a request among those that write, until it is dropped.
struct Writing<'a>(&'a Upload);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.state().writing -= 1;
    }
}

/// Removes a file that did not become whole, and gives its bytes back.
struct Partial<'a> {
    upload: &'a Upload,
    path: PathBuf,
    held: u64,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        self.upload.held.fetch_sub(self.held, Ordering::Relaxed);
        // What cannot be removed goes with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

impl Partial<'_> {
    fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Upload {
    /// An upload into the folder `dir`, which exists and is empty but for what the caller keeps there. The content may have
    /// `limit` bytes.
    pub(crate) fn new(dir: PathBuf, limit: u64) -> Upload {
        Upload { dir, limit, held: AtomicU64::new(0), state: Mutex::default() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether nothing has been sent yet.
    pub(crate) fn is_untouched(&self) -> bool {
        let state = self.state();
        state.next == 0 && state.writing == 0
    }

    /// Takes a block.
    pub(crate) async fn block(&self, id: &str, body: Body) -> Result<(), Refusal> {
        let writing = self.begin()?;
        let piece = self.receive(body).await?;
        let mut state = self.state();
        if state.blocks.len() >= MOST_BLOCKS && !state.blocks.contains_key(id) {
            drop(state);
            self.discard(piece);
            return Err(Refusal::invalid(format!("an upload has at most {MOST_BLOCKS} blocks")));
        }
        let before = state.blocks.insert(id.to_owned(), piece);
        // The list in force may still name the old one.
        let in_use =
            before.is_some_and(|before| state.committed.iter().flatten().any(|(_, piece)| *piece == before));
        drop(state);
        before.filter(|_| !in_use).into_iter().for_each(|before| self.discard(before));
        drop(writing);
        Ok(())
    }

    /// Takes the whole content at once.
    pub(crate) async fn whole(&self, body: Body) -> Result<(), Refusal> {
        let writing = self.begin()?;
        let piece = self.receive(body).await?;
        self.replace(vec![(String::new(), piece)]);
        drop(writing);
        Ok(())
    }

    /// Says which blocks make up the content, in order.
    pub(crate) fn list(&self, list: &[Listed]) -> Result<(), Refusal> {
        let writing = self.begin()?;
        let mut pieces = Vec::with_capacity(list.len());
        {
            let state = self.state();
            for Listed { place, id } in list {
                let put = state.blocks.get(id);
                let committed = || {
                    state.committed.iter().flatten().find(|(known, _)| known == id).map(|(_, piece)| piece)
                };
                let found = match place {
                    Place::Uncommitted => put,
                    Place::Committed => committed(),
                    Place::Latest => put.or_else(committed),
                };
                let piece = found.ok_or_else(|| {
                    Refusal::invalid(format!("the block list names {id:?}, which was not uploaded"))
                })?;
                pieces.push((id.clone(), *piece));
            }
        }
        let size = pieces.iter().try_fold(0_u64, |size, (_, piece)| size.checked_add(piece.length));
        if size.is_none_or(|size| size > self.limit) {
            return Err(self.too_large());
        }
        self.replace(pieces);
        drop(writing);
        Ok(())
    }

    /// Takes the `length` bytes from `start` on.
    pub(crate) async fn range(&self, start: u64, length: u64, body: Body) -> Result<(), Refusal> {
        let writing = self.begin()?;
        if start.checked_add(length).is_none_or(|end| end > self.limit) {
            return Err(self.too_large());
        }
        let path = self.path(0);
        let opened =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).and_then(|mut file| {
                file.seek(SeekFrom::Start(start))?;
                Ok(file)
            });
        let file = opened.map_err(|error| Refusal::io("write what was sent", &path, &error))?;
        let mut left = length;
        let received = stream::receive(body, tokio::fs::File::from_std(file), &path, |more| {
            left = left
                .checked_sub(more)
                .ok_or_else(|| Refusal::new(RefusalKind::Mismatch, "more bytes came than the range holds"))?;
            Ok(())
        });
        let received = received.await?;
        if received != length {
            return Err(Refusal::new(
                RefusalKind::Mismatch,
                format!("the range holds {length} bytes, and {received} came"),
            ));
        }
        let mut state = self.state();
        state.next = state.next.max(1);
        let covered = state.covered.get_or_insert_default();
        if covered.parts() >= MOST_RANGES {
            return Err(Refusal::invalid(format!(
                "the content came in more than {MOST_RANGES} separate ranges"
            )));
        }
        covered.add(start, length);
        drop(state);
        drop(writing);
        Ok(())
    }

    /// A file for content that somebody of this process writes: its number and its path.
    pub(crate) fn place(&self) -> (u64, PathBuf) {
        let mut state = self.state();
        state.next += 1;
        (state.next, self.path(state.next))
    }

    /// Takes what was written to the file of that number as the whole content.
    pub(crate) fn adopt(&self, number: u64) -> Result<(), Refusal> {
        let writing = self.begin()?;
        let path = self.path(number);
        let about = fs::symlink_metadata(&path);
        let about = about.map_err(|error| Refusal::io("keep what was written", &path, &error))?;
        if !about.is_file() {
            return Err(Refusal::invalid("what was written is no file"));
        }
        if about.len() > self.limit {
            return Err(self.too_large());
        }
        self.held.fetch_add(about.len(), Ordering::Relaxed);
        self.replace(vec![(String::new(), Piece { file: number, length: about.len() })]);
        drop(writing);
        Ok(())
    }

    /// Closes the upload and gives its content, which has `size` bytes if that is known. Nothing more is taken after that.
    pub(crate) fn finish(&self, size: Option<u64>) -> Result<Content, Refusal> {
        let mut state = self.state();
        if state.finished {
            return Err(Refusal::missing("the upload is finished already"));
        }
        if state.writing > 0 {
            return Err(Refusal::new(RefusalKind::Exists, "parts of the upload are still arriving"));
        }
        let pieces: Vec<Piece> = match (&state.covered, &state.committed) {
            (Some(covered), _) => {
                let size = size.ok_or_else(|| Refusal::invalid("the size is missing"))?;
                if !covered.is_whole(size) {
                    let message = format!(
                        "the upload is not whole: not all of its {size} bytes have come, or more have"
                    );
                    return Err(Refusal::new(RefusalKind::Mismatch, message));
                }
                vec![Piece { file: 0, length: size }]
            }
            (None, Some(list)) => list.iter().map(|(_, piece)| *piece).collect(),
            (None, None) if size == Some(0) => Vec::new(),
            (None, None) => return Err(Refusal::invalid("nothing was uploaded")),
        };
        let found: u64 = pieces.iter().map(|piece| piece.length).sum();
        if size.is_some_and(|size| size != found) {
            let message =
                format!("the upload has {found} bytes, and {} were announced", size.unwrap_or_default());
            return Err(Refusal::new(RefusalKind::Mismatch, message));
        }
        state.finished = true;
        Ok(Content(pieces.into_iter().map(|piece| (self.path(piece.file), piece.length)).collect()))
    }

    fn begin(&self) -> Result<Writing<'_>, Refusal> {
        let mut state = self.state();
        if state.finished {
            return Err(Refusal::missing("the upload is finished; nothing can be added to it"));
        }
        state.writing += 1;
        Ok(Writing(self))
    }

    /// Writes a body to a file of its own.
    async fn receive(&self, body: Body) -> Result<Piece, Refusal> {
        let number = {
            let mut state = self.state();
            state.next += 1;
            state.next
        };
        let path = self.path(number);
        let failed = |error: io::Error| Refusal::io("write what was sent", &path, &error);
        let file = tokio::fs::File::create_new(&path).await.map_err(failed)?;
        let mut partial = Partial { upload: self, path: path.clone(), held: 0 };
        let length = stream::receive(body, file, &path, |more| {
            partial.held += more;
            // Twice, since a block may be sent again while the first one still stands.
            let held = self.held.fetch_add(more, Ordering::Relaxed).saturating_add(more);
            if partial.held > self.limit || held > self.limit.saturating_mul(2) {
                return Err(self.too_large());
            }
            Ok(())
        })
        .await?;
        partial.keep();
        Ok(Piece { file: number, length })
    }

    /// Puts a list in force and removes what it does not name.
    fn replace(&self, list: Vec<(String, Piece)>) {
        let mut state = self.state();
        let kept: BTreeSet<Piece> = list.iter().map(|(_, piece)| *piece).collect();
        let before: BTreeSet<Piece> = state
            .blocks
            .values()
            .copied()
            .chain(state.committed.iter().flatten().map(|(_, piece)| *piece))
            .filter(|piece| !kept.contains(piece))
            .collect();
        state.blocks.clear();
        state.committed = Some(list);
        drop(state);
        before.into_iter().for_each(|piece| self.discard(piece));
    }

    fn discard(&self, piece: Piece) {
        self.held.fetch_sub(piece.length, Ordering::Relaxed);
        // What cannot be removed goes with its folder.
        let _ = fs::remove_file(self.path(piece.file));
    }

    fn path(&self, file: u64) -> PathBuf {
        self.dir.join(format!("part-{file}"))
    }

    fn too_large(&self) -> Refusal {
        Refusal::new(RefusalKind::TooLarge, format!("the content may have at most {} bytes", self.limit))
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
