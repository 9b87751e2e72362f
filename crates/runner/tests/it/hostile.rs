//! Hostile input of every kind, without a fuzzer: seeds of our own and of the field are changed by a generator that gives the
//! same sequence everywhere. The fuzz targets of `fuzz/` call the same functions.

use shipway_runner::{
    hostile,
    pack::{ZIP, pack},
};
use shipway_testkit::mutate::Mutator;
use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// No input is longer: more than a file may have is refused before it is looked at.
const LONGEST: usize = 64 << 10;

/// Feeds changed seeds, and tells which one made it panic.
fn feed(name: &str, seeds: &[Vec<u8>], times: usize, take: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "{name}: no seeds");
    let mut mutator = Mutator::new(7, LONGEST);
    let changed = std::iter::repeat_with(|| mutator.next(seeds)).take(times);
    for (at, bytes) in seeds.iter().cloned().chain(changed).enumerate() {
        let outcome = catch_unwind(AssertUnwindSafe(|| take(&bytes)));
        assert!(outcome.is_ok(), "{name}: input {at} made it panic: {:?}", String::from_utf8_lossy(&bytes));
    }
}

fn own(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Files of the conformance data; none where it is not there, and then the own seeds must do.
#[expect(
    clippy::disallowed_methods,
    reason = "the place of the cases is told to tests through the environment"
)]
fn field(folder: &str, most: usize) -> Vec<Vec<u8>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("SHIPWAY_CONFORMANCE").map_or(beside, PathBuf::from);
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files.iter().take(most).filter_map(|file| fs::read(file).ok()).collect()
}

const WORKFLOW: &str = "name: ci
on: {push: {branches: [main, '!x/**']}, workflow_dispatch: {inputs: {a: {type: number, default: 1}}}}
env: &env {A: b}
jobs:
  a:
    runs-on: ${{ github.ref }}
    strategy: {matrix: {os: [x, y], v: ['${{ 1 }}', 2], include: [{os: z}], exclude: [{v: 2}]}, max-parallel: 2}
    env: *env
    container: {image: x, ports: [80]}
    steps:
      - {id: s, run: 'echo ${{ format(''{0}'', matrix.os) }}', if: always(), timeout-minutes: 1.5}
      - {uses: o/r@v1, with: {x: y}}
      - run: |
          echo several
          echo lines
  b: {needs: a, if: failure('a'), runs-on: x, steps: [{parallel: [{run: a}, {run: b}]}, {wait-all: }]}
";

#[test]
fn documents() {
    let mut seeds = own(&[
        WORKFLOW,
        "name: x\ninputs: {a: {default: '${{ github.actor }}'}}\nruns: {using: composite, steps: [{run: make, shell: bash}]}\n",
        "name: x\nruns: {using: docker, image: Dockerfile, args: ['${{ inputs.a }}'], pre-entrypoint: a}\n",
        "version: v0.0.2\nworkflows: {a.yml: ['a/b@v1']}\ndependencies: {a/b@v1: {ref: v1, commit: sha1-0, owner_id: 1, repo_id: 2}}\n",
    ]);
    seeds.extend(field("github-actions/workflow-parser/testdata/reader", 200));
    seeds.extend(field("actionlint/testdata/ok", 100));
    feed("documents", &seeds, 1_500, hostile::document);
    // At the limits themselves: nesting, aliases that multiply, a matrix that does, a file that is too large.
    let bomb: String =
        (1..30).map(|n| format!("  k{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    let wide = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]";
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        format!("on: push\nenv:\n  k0: &a0 [x]\n{bomb}"),
        format!(
            "on: push\njobs: {{a: {{runs-on: x, strategy: {{matrix: {{a: {wide}, b: {wide}, c: {wide}, d: {wide}, e: {wide}, f: {wide}}}}}, steps: [{{run: x}}]}}}}"
        ),
        format!("on: push\njobs: {{a: {{runs-on: x, steps: [{{run: '{}'}}]}}}}", "x".repeat(2 << 20)),
        format!(
            "on: push\njobs: {{a: {{runs-on: x, steps: [{{run: '${{{{ {} }}}}'}}]}}}}",
            "(".repeat(20_000)
        ),
    ] {
        hostile::document(text.as_bytes());
    }
}

#[test]
fn expressions() {
    let mut seeds = own(&[
        "github.ref == 'refs/heads/main' && !contains(github.event.commits.*.id, 'c')",
        "format('{0}{{}}{1}', fromJSON(env.B)[2].c, toJSON(github.event))",
        "case(1 > 2, 'a', startsWith('Abc', 'a'), join(github.event.*, ', '), 0x1F || -1.5e3)",
        "fromJSON('[1,[2,{\"a\":null}]]')[1][1].a == null",
    ]);
    for file in field("github-actions/expressions/testdata", 50) {
        let cases: BTreeMap<String, Vec<serde_json::Value>> =
            serde_json::from_slice(&file).unwrap_or_default();
        let texts = cases.values().flatten().filter_map(|case| case["expr"].as_str());
        seeds.extend(texts.filter(|text| text.len() < 2_000).map(|text| text.as_bytes().to_vec()));
    }
    feed("expressions", &seeds, 3_000, hostile::expression);
    // Results that would grow without end.
    let doubled = (0..14).fold("env.A".to_owned(), |text, _| format!("format('{{0}}{{0}}', {text})"));
    let wide = format!("format('{}', env.A)", "{0}".repeat(6_900));
    let joined = format!("join(fromJSON('[{}1]'), env.A)", "1,".repeat(10_000));
    for text in [doubled, wide, joined, "(".repeat(20_000), "!".repeat(20_000), "a[".repeat(7_000)] {
        hostile::expression(text.as_bytes());
    }
}

#[test]
fn json() {
    let seeds = own(&[
        "{\"a\": [1, -2.5e3, true, null, \"\\u00e9\\ud83d\\ude00\"], \"B\": {\"b\": [], \"\": {}}}",
        "['3.9', '3.10',] // of Python",
        "{/* c */ a: 0x1F, $b: .5, 'c': NaN, d:, e: [,,], f: undefined, g: 017}",
    ]);
    feed("JSON", &seeds, 6_000, hostile::json);
    for piece in ["[", "{a:", "[{", ",", "'", "\"\\ud800", "/*", "//\n", "9", "\0", "{"] {
        hostile::json(piece.repeat(200_000).as_bytes());
    }
}

#[test]
fn file_commands() {
    let seeds = own(&[
        "a=b\nc<<EOF\none\ntwo\nEOF\n",
        "\u{feff}a=b=c\r\nd<<E\r\n\r\nE\r\n",
        "/a/bin\n\n/b\n",
        "x<<=\n=\n",
    ]);
    feed("file commands", &seeds, 4_000, hostile::file_commands);
}

#[test]
fn commands() {
    let mut seeds = own(&[
        "::error file=a.rs,line=1,col=2::what%0Ais wrong\n::add-mask::secret\nplain secret\n",
        "##[group;a=b]x\n::stop-commands::token\n::debug::no\n::token::\n::set-output name=a::b\n",
        "{\"problemMatcher\": [{\"owner\": \"x\", \"pattern\": [{\"regexp\": \"^(.*):(\\\\d+)$\", \"file\": 1, \"line\": 2, \"loop\": false}]}]}",
        "a\rb\r\nc",
    ]);
    seeds.extend(field("actions-runner", 40).into_iter().filter(|file| file.len() < LONGEST));
    feed("commands", &seeds, 1_500, hostile::commands);
}

#[test]
fn archives() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut seeds = vec![zip(dir.path()), tar(false), tar(true)];
    seeds.push(seeds.concat());
    let folder = dir.path().join("unpacked");
    feed("archives", &seeds, 400, |bytes| {
        hostile::archive(bytes, &folder).expect("a folder that can be written")
    });
}

#[test]
fn caches() {
    let files = [("deps/", b'5', "", ""), ("deps/a", b'0', "", "content"), ("deps/l", b'2', "a", "")];
    let evil = [("deps/up", b'2', "..", ""), ("deps/up/x", b'0', "", "x"), ("deps/p", b'1', "deps/a", "")];
    let twice = [&files[..], &evil[..]].concat();
    let seeds = [members(&files), members(&evil), members(&twice)];
    assert!(seeds[0].len() > 3 * 512);
    feed("caches", &seeds, 2_000, hostile::cache);
}

/// The archive of a cache.
fn members(members: &[(&str, u8, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, target, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

/// An archive as the built-in actions make it, and a link.
fn zip(dir: &Path) -> Vec<u8> {
    assert_eq!(ZIP, "application/zip");
    let (file, archive) = (dir.join("file"), dir.join("a.zip"));
    fs::write(&file, "content ".repeat(50)).expect("a file");
    let files = BTreeMap::from([("a/file".to_owned(), file.clone()), ("b".to_owned(), file)]);
    pack(&files, &archive, 6).expect("packed");
    // And a link, which others put into theirs.
    let more = fs::File::options().read(true).write(true).open(&archive).expect("an archive");
    let mut more = ::zip::ZipWriter::new_append(more).expect("an archive");
    more.add_symlink("l", "b", ::zip::write::SimpleFileOptions::default()).expect("a link");
    more.finish().expect("an archive");
    fs::read(archive).expect("an archive")
}

/// The files of an action as git hands them out; `evil` ones lead outside.
fn tar(evil: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Written as it is: the builder itself refuses names that lead outside.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, content).expect("an entry");
    };
    add("action.yml", tar::EntryType::Regular, "", b"runs: {using: node24, main: a.js}");
    add("dist/", tar::EntryType::Directory, "", b"");
    add("dist/l", tar::EntryType::Symlink, if evil { "../../.." } else { "../action.yml" }, b"");
    if evil {
        add("dist/l/x", tar::EntryType::Regular, "", b"x");
        add("h", tar::EntryType::Link, "../../archive", b"");
        add("../up", tar::EntryType::Regular, "", b"x");
    }
    builder.into_inner().expect("an archive")
}
