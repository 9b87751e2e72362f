//! See `shipway_server::hostile::webhook`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_server::hostile::webhook(bytes));
