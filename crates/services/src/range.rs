//! `Range` and `Content-Range`: parts of a content, as RFC 9110 spells them.

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything: no header, several ranges, or a unit that is not bytes; a server may always answer with the whole.
    All,
    /// These bytes, both ends included.
    Part(u64, u64),
    /// None of it exists.
    Beyond,
}

/// Reads a `Range` header about a content of `size` bytes.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::All };
    let Some((first, last)) = range.split_once('-') else { return Wanted::All };
    let (first, last) = (first.trim(), last.trim());
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    if first.is_empty() {
        return match number(last).filter(|_| !last.is_empty()) {
            None => Wanted::All,
            Some(0) => Wanted::Beyond,
            Some(_) if size == 0 => Wanted::Beyond,
            Some(length) => Wanted::Part(size.saturating_sub(length), size - 1),
        };
    }
    let Some(first) = number(first) else { return Wanted::All };
    let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
    match last {
        None => Wanted::All,
        Some(last) if last < first => Wanted::All,
        Some(_) if first >= size => Wanted::Beyond,
        Some(last) => Wanted::Part(first, last.min(size - 1)),
    }
}

/// Reads `Content-Range: bytes 0-99/*` of a chunk: the place of its first byte and its length. What comes after the slash
/// is not needed, since the size is told at the end.
pub(crate) fn content_range(header: &str) -> Option<(u64, u64)> {
    let (range, _size) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    Some((first, last.checked_sub(first)?.checked_add(1)?))
}

/// The parts of a content that have arrived, merged where they touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Covered(std::collections::BTreeMap<u64, u64>);

impl Covered {
    /// Adds `length` bytes from `start` on.
    pub(crate) fn add(&mut self, start: u64, length: u64) {
        let (mut from, mut to) = (start, start.saturating_add(length));
        let touching: Vec<(u64, u64)> = self
            .0
            .range(..=to)
            .rev()
            .take_while(|(_, end)| **end >= from)
            .map(|(begin, end)| (*begin, *end))
            .collect();
        for (begin, end) in touching {
            self.0.remove(&begin);
            from = from.min(begin);
            to = to.max(end);
        }
        if from < to {
            self.0.insert(from, to);
        }
    }

    /// Whether all of the first `size` bytes have arrived and none beyond.
    pub(crate) fn is_whole(&self, size: u64) -> bool {
        match self.0.len() {
            0 => size == 0,
            1 => self.0.get(&0) == Some(&size),
            _ => false,
        }
    }

    /// How many separate parts there are.
    pub(crate) fn parts(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let check = |header: &str, expect| assert_eq!(wanted(Some(header), 10), expect, "{header}");
        check("bytes=0-3", Wanted::Part(0, 3));
        check("bytes=4-", Wanted::Part(4, 9));
        check("bytes=4-400", Wanted::Part(4, 9));
        check("bytes=-3", Wanted::Part(7, 9));
        check("bytes=-30", Wanted::Part(0, 9));
        check("bytes=10-", Wanted::Beyond);
        check("bytes=-0", Wanted::Beyond);
        check("bytes=3-2", Wanted::All);
        check("bytes=0-1,3-4", Wanted::All);
        check("bytes=+1-2", Wanted::All);
        check("lines=0-1", Wanted::All);
        check("bytes=-", Wanted::All);
        assert_eq!(wanted(None, 10), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-0"), 0), Wanted::Beyond);
    }

    #[test]
    fn chunks_tell_their_place() {
        assert_eq!(content_range("bytes 0-99/*"), Some((0, 100)));
        assert_eq!(content_range("bytes 100-100/200"), Some((100, 1)));
        for bad in ["", "bytes", "bytes 5-4/*", "bytes 0-18446744073709551615/*", "bytes */5", "bytes 0-9"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in 0_u64..1_000) {
            if let Wanted::Part(first, last) = wanted(Some(&header), size) {
                prop_assert!(first <= last && last < size);
            }
        }

        #[test]
        fn any_header_is_answered(header in ".{0,40}", size in any::<u64>()) {
            let _answered = wanted(Some(&header), size);
            let _answered = content_range(&header);
        }

        #[test]
        fn what_is_covered_is_what_was_added(parts in proptest::collection::vec((0_u64..60, 1_u64..20), 0..20)) {
            let mut covered = Covered::default();
            let mut model = [false; 80];
            for (start, length) in &parts {
                covered.add(*start, *length);
                model[*start as usize..(start + length) as usize].fill(true);
            }
            for size in 0..80_u64 {
                let whole = model[..size as usize].iter().all(|byte| *byte) && !model[size as usize..].contains(&true);
                prop_assert_eq!(covered.is_whole(size), whole, "{}", size);
            }
        }
    }
}
