//! See `shipway_runner::hostile::cache`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_runner::hostile::cache(bytes));
