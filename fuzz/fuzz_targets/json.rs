//! See `shipway_runner::hostile::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_runner::hostile::json(bytes));
