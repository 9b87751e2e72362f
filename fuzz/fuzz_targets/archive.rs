//! See `shipway_runner::hostile::archive`.
#![no_main]

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    shipway_runner::hostile::archive(bytes, &FOLDER.path().join("unpacked")).expect("a folder that can be written");
});
