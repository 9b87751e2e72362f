//! Hostile input without a fuzzer: seeds are changed by a small generator that gives the same sequence everywhere.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Texts that mean something in YAML, expressions, commands or archives, put in where they hurt.
const WORDS: &[&[u8]] = &[
    b"${{",
    b"}}",
    b"&a ",
    b"*a",
    b"<<",
    b"<<: *a",
    b": ",
    b"- ",
    b"!!",
    b"|\n",
    b">\n",
    b"---\n",
    b"[[[[",
    b"{{{{",
    b"]",
    b"}",
    b"'",
    b"\"",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"::",
    b"##[",
    b"::stop-commands::x\n",
    b"%25",
    b"%0A",
    b"=",
    b"<<EOF\n",
    b"EOF\n",
    b"fromJSON(",
    b"toJSON(github)",
    b"format('{0}', ",
    b"case(",
    b"!(",
    b"-1",
    b"1e309",
    b"0x",
    b"99999999999999999999",
    b".*",
    b"../",
    b"/",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"ustar\x0000",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\0",
];

/// Makes changed copies of seeds: bytes flipped, cut, doubled, swapped in from other seeds, and words put in.
#[derive(Debug)]
pub struct Mutator {
    rng: ChaCha8Rng,
    longest: usize,
}

impl Mutator {
    /// The sequence of `seed`; no change makes an input longer than `longest` bytes.
    pub fn new(seed: u64, longest: usize) -> Mutator {
        Mutator { rng: ChaCha8Rng::seed_from_u64(seed), longest }
    }

    /// One of the seeds, with one to eight changes. Nothing when there is no seed.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let Some(mut bytes) = self.pick(seeds).cloned() else { return Vec::new() };
        for _ in 0..self.rng.random_range(1..=8) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(self.longest);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let (from, to) = self.range(bytes.len());
        match self.rng.random_range(0..8) {
            0 => bytes[from..to].iter_mut().take(8).for_each(|byte| *byte = byte.wrapping_add(1)),
            1 => {
                let bit = 1 << self.rng.random_range(0..8);
                bytes[from..to].iter_mut().take(1).for_each(|byte| *byte ^= bit);
            }
            2 => drop(bytes.drain(from..to)),
            3 => {
                // Doubled again and again, so that nesting and repeating grow beyond every limit.
                let times = self.rng.random_range(1..=64);
                let part = bytes[from..to].to_vec();
                let room = self.longest.saturating_sub(bytes.len()) / part.len().max(1);
                bytes.splice(from..from, part.repeat(times.min(room)));
            }
            4 => {
                let other = self.pick(seeds).cloned().unwrap_or_default();
                let (start, end) = self.range(other.len());
                bytes.splice(from..to, other[start..end].iter().copied());
            }
            5 => bytes.truncate(from),
            _ => {
                let word = WORDS[self.rng.random_range(0..WORDS.len())];
                let times = if self.rng.random_bool(0.1) { 200 } else { 1 };
                bytes.splice(from..from, word.repeat(times));
            }
        }
    }

    fn pick<'a>(&mut self, seeds: &'a [Vec<u8>]) -> Option<&'a Vec<u8>> {
        (!seeds.is_empty()).then(|| &seeds[self.rng.random_range(0..seeds.len())])
    }

    /// A part of so many bytes, short ones more often.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.rng.random_range(0..=length);
        let most = if self.rng.random_bool(0.8) { 16 } else { length };
        (from, from + self.rng.random_range(0..=most.min(length - from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_same_and_stays_within_its_bound() {
        let seeds = [b"on: push\njobs: {}\n".to_vec(), b"a=b\n".to_vec(), Vec::new()];
        let all = |seed| {
            let mut mutator = Mutator::new(seed, 300);
            (0..2_000).map(|_| mutator.next(&seeds)).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(3).iter().all(|bytes| bytes.len() <= 300));
        assert!(Mutator::new(1, 10).next(&[]).is_empty());
    }
}
