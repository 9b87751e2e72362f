//! Archives there and back, and archives that mean no good.

use super::*;
use proptest::prelude::*;
use std::io::Write as _;
use std::os::unix::fs::symlink;

fn tree(dir: &Path) -> BTreeMap<String, PathBuf> {
    files_below(dir, dir, true).expect("a tree")
}

#[test]
fn the_same_files_give_the_same_digest() {
    let dir = tempfile::tempdir().expect("a folder");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    for (place, order) in [(&a, ["x", "y"]), (&b, ["y", "x"])] {
        fs::create_dir_all(place.join("sub")).expect("folder");
        for name in order {
            fs::write(place.join("sub").join(name), name.repeat(1_000)).expect("file");
        }
        fs::set_permissions(place.join("sub/x"), fs::Permissions::from_mode(0o700)).expect("mode");
        symlink("sub/x", place.join("link")).expect("link");
    }
    for level in [0, 6] {
        let one = pack(&tree(&a), &dir.path().join("a.zip"), level).expect("packed");
        let two = pack(&tree(&b), &dir.path().join("b.zip"), level).expect("packed");
        assert_eq!(one, two);
        assert_eq!((one.files, one.size > 2_000), (3, level == 0));
        let out = dir.path().join(format!("out{level}"));
        let count = unpack(&dir.path().join("a.zip"), &out, &UnpackLimits::default()).expect("unpacked");
        assert_eq!(count, 3);
        // What it leads to, so that nothing depends on where that lies.
        assert!(!out.join("link").is_symlink());
        assert_eq!(fs::read(out.join("link")).expect("link"), "x".repeat(1_000).as_bytes());
        assert_eq!(fs::metadata(out.join("sub/x")).expect("x").permissions().mode() & 0o777, 0o755);
        assert_eq!(pack(&tree(&out), &dir.path().join("c.zip"), level).expect("packed").digest, one.digest);
    }
}

#[test]
fn a_full_disk_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("x"), vec![7; 1_000_000]).expect("file");
    let error = pack(&tree(dir.path()), Path::new("/dev/full"), 0).expect_err("full");
    assert_eq!(error.kind, ErrorKind::DiskFull, "{error}");
}

/// Writes an archive of entries: a text, or a link where the mode says so.
fn evil(path: &Path, entries: &[(&str, u32, &[u8])]) {
    let mut archive = ZipWriter::new(fs::File::create(path).expect("archive"));
    for (name, mode, content) in entries {
        let options = SimpleFileOptions::default().system(System::Unix);
        if mode & 0o170_000 == 0o120_000 {
            let target = String::from_utf8_lossy(content).into_owned();
            archive.add_symlink(*name, target, options).expect("link");
        } else {
            archive.start_file(*name, options.unix_permissions(*mode)).expect("entry");
            archive.write_all(content).expect("content");
        }
    }
    archive.finish().expect("archive");
}

const LINK: u32 = 0o120_777;

#[test]
fn entries_that_leave_the_folder_are_refused() {
    for (number, entries) in [
        &[("../up", 0o644, &b"x"[..])][..],
        &[("/tmp/abs", 0o644, b"x")],
        &[("a/../../up", 0o644, b"x")],
        &[("link", LINK, b"../up")],
        &[("link", LINK, b"/etc/passwd")],
        &[("a/b/link", LINK, b"../../../up")],
        // Each for itself seems to stay inside; together they would not.
        &[("sub/here", LINK, b"."), ("link", LINK, b"sub/here/../../up")],
    ]
    .into_iter()
    .enumerate()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let archive = dir.path().join("evil.zip");
        evil(&archive, entries);
        let error = unpack(&archive, &dir.path().join("out"), &UnpackLimits::default()).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Artifact, "{number}");
        let expect = match entries.last() {
            Some((name, LINK, to)) => format!("the link {name:?} to {:?}", String::from_utf8_lossy(to)),
            Some((name, ..)) => format!("{name:?}"),
            None => String::new(),
        };
        assert_eq!(error.message, format!("the artifact holds {expect}, which leads out of its folder"));
        assert!(!dir.path().join("up").exists() && !Path::new("/tmp/abs").exists(), "{number}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let dir = tempfile::tempdir().expect("a folder");
    let (archive, out) = (dir.path().join("evil.zip"), dir.path().join("out"));
    fs::create_dir_all(dir.path().join("elsewhere")).expect("folder");
    fs::create_dir_all(&out).expect("folder");
    // A link in the archive before the entry that goes through it: the entry makes a folder, and the link then cannot be made.
    evil(&archive, &[("a", LINK, b"b"), ("a/file", 0o644, b"x")]);
    assert!(unpack(&archive, &out, &UnpackLimits::default()).is_err());
    // A link that was there before.
    symlink("../elsewhere", out.join("old")).expect("link");
    evil(&archive, &[("old/file", 0o644, b"x")]);
    assert!(unpack(&archive, &out, &UnpackLimits::default()).is_err());
    assert_eq!(fs::read_dir(dir.path().join("elsewhere")).expect("folder").count(), 0);
    // A link in the place of a file is replaced, not followed.
    fs::write(dir.path().join("kept"), "kept").expect("file");
    symlink("../kept", out.join("file")).expect("link");
    evil(&archive, &[("file", 0o4755, b"new")]);
    unpack(&archive, &out, &UnpackLimits::default()).expect("unpacked");
    assert_eq!(fs::read_to_string(dir.path().join("kept")).expect("kept"), "kept");
    assert_eq!(fs::read_to_string(out.join("file")).expect("file"), "new");
    assert_eq!(fs::metadata(out.join("file")).expect("file").permissions().mode() & 0o7777, 0o755);
}

#[test]
fn bombs_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let big = dir.path().join("zeros");
    fs::File::create(&big).expect("file").set_len(8 << 20).expect("zeros");
    let archive = dir.path().join("bomb.zip");
    let packed = pack(&BTreeMap::from([("zeros".to_owned(), big)]), &archive, 9).expect("packed");
    assert!(packed.size < 20_000);
    let out = dir.path().join("out");
    let tight = UnpackLimits { free: 1 << 20, ..UnpackLimits::default() };
    for (limits, expect) in [
        (tight, "it unpacks to more than"),
        (UnpackLimits { bytes: 4 << 20, ..UnpackLimits::default() }, "it unpacks to more than 4194304 bytes"),
        (
            UnpackLimits { entries: 0, ..UnpackLimits::default() },
            "it has 1 entries, and at most 0 are unpacked",
        ),
        (UnpackLimits { directory: 10, ..UnpackLimits::default() }, "its list of entries is too long"),
    ] {
        let error = unpack(&archive, &out, &limits).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Artifact, "{error}");
        let begin = format!("{} cannot be unpacked: ", archive.display());
        assert!(error.message.starts_with(&begin) && error.message.contains(expect), "{error}");
    }
    assert_eq!(unpack(&archive, &out, &UnpackLimits::default()).expect("unpacked"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_archive_is_an_error_or_unpacks_inside(place in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let dir = tempfile::tempdir().expect("a folder");
        let archive = dir.path().join("a.zip");
        evil(&archive, &[("a/file", 0o644, b"content of a file"), ("link", LINK, b"a/file"), ("b", 0o755, b"")]);
        let mut bytes = fs::read(&archive).expect("archive");
        let place = place % bytes.len();
        bytes[place] = byte;
        if cut < bytes.len() / 2 { bytes.truncate(bytes.len() - cut); }
        fs::write(&archive, bytes).expect("archive");
        let _unpacked = unpack(&archive, &dir.path().join("out"), &UnpackLimits::default());
        let names: Vec<_> = fs::read_dir(dir.path()).expect("folder").map(|entry| entry.expect("entry").file_name()).collect();
        prop_assert!(names.len() <= 2, "{:?}", names);
    }

    #[test]
    fn whatever_the_names_nothing_lies_outside(names in proptest::collection::vec("[a./]{1,9}", 1..6), target in "[a./]{1,9}") {
        let dir = tempfile::tempdir().expect("a folder");
        let archive = dir.path().join("a.zip");
        let mut entries: Vec<(&str, u32, &[u8])> = names.iter().map(|name| (name.as_str(), 0o644, &b"x"[..])).collect();
        entries.push(("a/link", LINK, target.as_bytes()));
        entries.dedup_by(|a, b| a.0 == b.0);
        let mut seen = std::collections::BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.0));
        evil(&archive, &entries);
        let out = dir.path().join("deep/out");
        if unpack(&archive, &out, &UnpackLimits::default()).is_ok() {
            let inside = fs::canonicalize(&out).expect("out");
            for path in tree(&out).into_values() {
                // A link to nothing leads nowhere.
                if let Ok(real) = fs::canonicalize(&path) {
                    prop_assert!(real.starts_with(&inside), "{:?}", real);
                }
            }
        }
        prop_assert_eq!(fs::read_dir(dir.path().join("deep")).expect("folder").count(), 1);
    }
}
