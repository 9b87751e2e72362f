//! See `shipway_runner::hostile::file_commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_runner::hostile::file_commands(bytes));
