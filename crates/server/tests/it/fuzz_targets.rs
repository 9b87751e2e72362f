//! The fuzz targets of `fuzz/`, which need a nightly compiler to be linked: each is compiled here as it stands, and fed a little.

use std::path::Path;

/// What `libfuzzer_sys`, which stands for this crate here, has under this name.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:expr) => {
        pub(crate) fn feed($bytes: &[u8]) {
            $body;
        }
    };
}

macro_rules! targets {
    ($($name:ident $path:literal,)*) => {
        $(
            #[path = $path]
            #[expect(unused_attributes, reason = "it is a program elsewhere")]
            mod $name;
        )*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::feed),)*];
    };
}

targets! {
    archive "../../../../fuzz/fuzz_targets/archive.rs",
    cache "../../../../fuzz/fuzz_targets/cache.rs",
    commands "../../../../fuzz/fuzz_targets/commands.rs",
    document "../../../../fuzz/fuzz_targets/document.rs",
    expression "../../../../fuzz/fuzz_targets/expression.rs",
    file_commands "../../../../fuzz/fuzz_targets/file_commands.rs",
    json "../../../../fuzz/fuzz_targets/json.rs",
    webhook "../../../../fuzz/fuzz_targets/webhook.rs",
}

#[test]
fn every_target_compiles_and_takes_bytes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("the manifest");
    let mut there: Vec<String> = std::fs::read_dir(fuzz.join("fuzz_targets"))
        .expect("the targets")
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    there.sort();
    assert_eq!(there, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, feed) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is in no manifest");
        for bytes in [
            b"".as_slice(),
            b"{}",
            b"on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n",
            b"a=b\n::error::c\n\xff\x00",
        ] {
            feed(bytes);
        }
    }
}
