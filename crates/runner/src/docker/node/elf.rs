//! Where a program looks for its loader and its libraries, and how to make it look elsewhere.
//!
//! A program that is linked dynamically names its loader by an absolute path, and finds its libraries where that loader looks.
//! In another root folder neither is there, or is of another C library. So a copy of the program gets the path of a loader that
//! was copied beside it, and that folder as its `DT_RPATH`. Both texts fit into the room of the old loader's path, so nothing
//! in the file moves. An environment variable would do the same for the program, and for everything that it starts as well.

const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_DEBUG: u64 = 21;
const DT_RUNPATH: u64 = 29;

/// One program header in files of 64 bits.
const HEADER: usize = 56;
/// One entry of the dynamic section.
const ENTRY: usize = 16;
/// A loader's path and a dynamic section are never larger than this.
const MOST: u64 = 64 << 10;

/// A file that is read here and there.
pub(super) trait Bytes {
    /// So many bytes from an offset; the error is a few words.
    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, String>;
}

/// What stands in a program file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// It needs no loader and no library.
    Static,
    /// It has a loader.
    Dynamic(Dynamic),
}

/// How a program with a loader is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dynamic {
    /// The path of its loader.
    pub(super) loader: String,
    room: Segment,
    table: Segment,
    entries: Vec<(u64, u64)>,
}

/// A part of the file that is mapped into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    size: u64,
}

/// Bytes to put at an offset.
pub(super) type Edit = (u64, Vec<u8>);

/// Reads how a program is linked. The error continues a sentence that begins with the program.
pub(super) fn read(file: &mut impl Bytes) -> Result<Linked, String> {
    // What is shorter is no program either.
    let head = file.read(0, 64).unwrap_or_default();
    if head.get(..4) != Some(b"\x7fELF") {
        return Err("is no program file of Linux".to_owned());
    }
    if head[4] != 2 || head[5] != 1 {
        return Err("is no program of 64 bits with the lowest byte first".to_owned());
    }
    let (at, size, count) = (number(&head, 32, 8), number(&head, 54, 2), number(&head, 56, 2));
    if size != HEADER as u64 {
        return Err("has program headers of an unknown size".to_owned());
    }
    let broken = |why: String| format!("cannot be read: {why}");
    let headers = file.read(at, HEADER * usize::try_from(count).unwrap_or_default()).map_err(broken)?;
    let find = |kind| headers.chunks_exact(HEADER).find(|header| number(header, 0, 4) == kind).map(segment);
    let Some(room) = find(PT_INTERP) else { return Ok(Linked::Static) };
    let table = find(PT_DYNAMIC).ok_or("has a loader and no dynamic section")?;
    if room.size > MOST || table.size > MOST {
        return Err("has a loader or a dynamic section of an impossible size".to_owned());
    }
    let mut part =
        |segment: Segment| file.read(segment.offset, usize::try_from(segment.size).unwrap_or_default());
    let loader = part(room).map_err(broken)?;
    let entries = part(table).map_err(broken)?;
    let loader = loader.split(|byte| *byte == 0).next().unwrap_or_default();
    let loader = String::from_utf8(loader.to_vec()).map_err(|_| "names its loader in no known letters")?;
    let entries =
        entries.chunks_exact(ENTRY).map(|entry| (number(entry, 0, 8), number(entry, 8, 8))).collect();
    Ok(Linked::Dynamic(Dynamic { loader, room, table, entries }))
}

impl Dynamic {
    /// What to change so that the program uses this loader, and looks for libraries in this folder first.
    pub(super) fn moved(&self, loader: &str, libraries: &str) -> Result<Vec<Edit>, String> {
        let mut text = [loader.as_bytes(), b"\0", libraries.as_bytes(), b"\0"].concat();
        let room = usize::try_from(self.room.size).unwrap_or_default();
        if text.len() > room {
            return Err(format!(
                "leaves {room} bytes for the path of another loader, and {} are needed",
                text.len()
            ));
        }
        text.resize(room, 0);
        let used = self.entries.iter().position(|(tag, _)| *tag == DT_NULL).unwrap_or(self.entries.len());
        let (known, left) = self.entries.split_at(used);
        let strings = known.iter().find(|(tag, _)| *tag == DT_STRTAB);
        let strings = strings.ok_or("has no table of strings")?.1;
        // Strings are named by their distance from the table; that the room lies before it does not matter, since addresses
        // go round.
        let place = self.room.address.wrapping_add(loader.len() as u64 + 1).wrapping_sub(strings);
        // Of several entries that name folders some would win over the new one.
        let mut slots: Vec<usize> =
            (0..used).filter(|slot| matches!(known[*slot].0, DT_RPATH | DT_RUNPATH)).collect();
        if slots.is_empty() {
            // The last entry must stay one that ends the table. Without room the place where debuggers look is taken.
            let spare = (left.len() > 1).then_some(used);
            let debug = || known.iter().position(|(tag, _)| *tag == DT_DEBUG);
            slots.extend(spare.or_else(debug));
        }
        if slots.is_empty() {
            return Err("has no room for the folder of its libraries".to_owned());
        }
        let entry = [DT_RPATH.to_le_bytes(), place.to_le_bytes()].concat();
        let at = |slot: usize| self.table.offset.saturating_add((slot * ENTRY) as u64);
        let edits = slots.into_iter().map(|slot| (at(slot), entry.clone()));
        Ok(std::iter::once((self.room.offset, text)).chain(edits).collect())
    }
}

fn segment(header: &[u8]) -> Segment {
    Segment { offset: number(header, 8, 8), address: number(header, 16, 8), size: number(header, 32, 8) }
}

/// A number of at most eight bytes, the lowest first; 0 where there are none.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let part = bytes.get(at..at + length).unwrap_or_default();
    part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Memory(Vec<u8>);

    impl Bytes for Memory {
        fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, String> {
            let from = usize::try_from(offset).map_err(|error| error.to_string())?;
            let end = from.checked_add(length).ok_or("too far")?;
            self.0.get(from..end).map(<[u8]>::to_vec).ok_or_else(|| "it is too short".to_owned())
        }
    }

    const LOADER: &[u8] = b"/lib64/ld-linux-x86-64.so.2\0";

    /// A program file with a loader and these dynamic entries, its table of strings at address 0x9000.
    fn program(loader: &[u8], entries: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&(HEADER as u16).to_le_bytes());
        bytes[56..58].copy_from_slice(&2_u16.to_le_bytes());
        let room = 64 + 2 * HEADER as u64;
        let table = room + loader.len() as u64;
        for (kind, offset, address, size) in [
            (PT_INTERP, room, 0x1000 + room, loader.len() as u64),
            (PT_DYNAMIC, table, 0x8000, (entries.len() * ENTRY) as u64),
        ] {
            let mut header = vec![0; HEADER];
            header[..4].copy_from_slice(&kind.to_le_bytes()[..4]);
            header[8..16].copy_from_slice(&offset.to_le_bytes());
            header[16..24].copy_from_slice(&address.to_le_bytes());
            header[32..40].copy_from_slice(&size.to_le_bytes());
            bytes.extend(header);
        }
        bytes.extend(loader);
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    fn moved(bytes: &[u8], loader: &str, libraries: &str) -> Result<Vec<u8>, String> {
        let Linked::Dynamic(linked) = read(&mut Memory(bytes.to_vec()))? else {
            return Err("is static".to_owned());
        };
        let mut bytes = bytes.to_vec();
        for (offset, text) in linked.moved(loader, libraries)? {
            let from = usize::try_from(offset).expect("an offset");
            bytes[from..from + text.len()].copy_from_slice(&text);
        }
        Ok(bytes)
    }

    /// The loader, and the folders by which a moved program looks for libraries.
    fn seen(bytes: &[u8]) -> (String, Vec<String>) {
        let Ok(Linked::Dynamic(linked)) = read(&mut Memory(bytes.to_vec())) else { panic!("no loader") };
        let strings = linked.entries.iter().find(|(tag, _)| *tag == DT_STRTAB).expect("strings").1;
        let folders = linked.entries.iter().take_while(|(tag, _)| *tag != DT_NULL);
        let folders = folders.filter(|(tag, _)| matches!(*tag, DT_RPATH | DT_RUNPATH)).map(|(tag, value)| {
            assert_eq!(*tag, DT_RPATH);
            let from = strings.wrapping_add(*value).wrapping_sub(linked.room.address) + linked.room.offset;
            let from = usize::try_from(from).expect("an offset");
            let text = bytes[from..].split(|byte| *byte == 0).next().expect("a text");
            String::from_utf8(text.to_vec()).expect("letters")
        });
        (linked.loader.clone(), folders.collect())
    }

    #[test]
    fn a_program_is_moved_to_another_loader() {
        let check = |entries: &[(u64, u64)], folders: usize| {
            let found = seen(&moved(&program(LOADER, entries), "/__e/abcd/ld", "/__e/abcd").expect("moved"));
            assert_eq!(found, ("/__e/abcd/ld".to_owned(), vec!["/__e/abcd".to_owned(); folders]));
        };
        let strings = (DT_STRTAB, 0x9000);
        check(&[strings, (DT_NULL, 0), (DT_NULL, 0)], 1);
        check(&[(DT_RUNPATH, 4), strings, (DT_RPATH, 7), (DT_NULL, 0)], 2);
        check(&[(DT_DEBUG, 0), strings, (DT_NULL, 0)], 1);
        let refused = |bytes: &[u8], why: &str| {
            let error = moved(bytes, "/__e/abcd/ld", "/__e/abcd").expect_err(why);
            assert!(error.contains(why), "{error}");
        };
        refused(&program(LOADER, &[strings, (DT_NULL, 0)]), "has no room for the folder");
        refused(&program(LOADER, &[(DT_NULL, 0), (DT_NULL, 0)]), "no table of strings");
        refused(&program(b"/lib/ld.so\0", &[strings, (DT_NULL, 0), (DT_NULL, 0)]), "leaves 11 bytes");
        refused(b"#!/bin/sh\n", "is no program file");
        refused(&[b"\x7fELF\x01\x01".as_slice(), &[0; 64]].concat(), "is no program of 64 bits");
    }

    #[test]
    fn a_program_without_a_loader_stays_as_it_is() {
        let mut bytes = program(LOADER, &[]);
        bytes[56..58].copy_from_slice(&0_u16.to_le_bytes());
        assert_eq!(read(&mut Memory(bytes)), Ok(Linked::Static));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            mut bytes in Just(program(LOADER, &[(DT_STRTAB, 0x9000), (DT_DEBUG, 0), (DT_NULL, 0), (DT_NULL, 0)])),
            changes in prop::collection::vec((0_usize..280, any::<u8>()), 0..12),
            length in 0_usize..300,
        ) {
            for (at, byte) in changes {
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            bytes.truncate(length);
            if let Ok(Linked::Dynamic(linked)) = read(&mut Memory(bytes)) {
                let _ = linked.moved("/__e/abcd/ld", "/__e/abcd");
            }
        }
    }
}
