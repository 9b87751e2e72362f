//! Archives that mean no good, and those that `tar` makes.

use super::*;
use proptest::prelude::*;
use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::{Command, Stdio},
};
use tar::{EntryType, Header};

/// One header and its content, whatever that comes to.
fn raw(kind: u8, name: &[u8], target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    let old = header.as_old_mut();
    let fits = |bytes: &[u8]| bytes.len().min(100);
    old.name[..fits(name)].copy_from_slice(&name[..fits(name)]);
    old.linkname[..fits(target)].copy_from_slice(&target[..fits(target)]);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(if kind == b'5' { 0o755 } else { 0o4755 });
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

type Part<'a> = (u8, &'a str, &'a str);

fn archive(parts: &[Part<'_>]) -> Vec<u8> {
    let content = |kind: u8, name: &str| if kind == b'0' { format!("of {name}") } else { String::new() };
    let mut bytes: Vec<u8> = parts
        .iter()
        .flat_map(|(kind, name, target)| {
            raw(*kind, name.as_bytes(), target.as_bytes(), content(*kind, name).as_bytes())
        })
        .collect();
    bytes.extend([0; 1024]);
    bytes
}

fn rules(folder: &Path, paths: &str) -> Rules {
    let home = folder.with_file_name("home");
    let patterns = Patterns::parse([paths], folder, &home).expect("patterns");
    Rules { folder: folder.to_owned(), patterns, looks: true, most: 1 << 30 }
}

/// What goes on to `tar`.
fn sifted(bytes: &[u8], rules: &Rules) -> (Vec<u8>, Result<(), Unfit>) {
    let mut out = Vec::new();
    let done = sift(bytes, &mut out, rules, &Over::default());
    (out, done)
}

/// Sifts and lets the real `tar` unpack what goes on.
#[expect(
    clippy::disallowed_methods,
    reason = "what comes of it is what the program of the machine makes of it"
)]
fn unpack(bytes: &[u8], rules: &Rules) -> Result<(), Unfit> {
    let (out, done) = sifted(bytes, rules);
    let mut command = Command::new("tar");
    command.args(["-xf", "-"]).args(Some("-P").filter(|_| !rules.inside())).arg("-C").arg(&rules.folder);
    let mut tar = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("tar");
    // It may not want all of it.
    let _ = tar.stdin.take().expect("a pipe").write_all(&out);
    tar.wait().expect("ended");
    done
}

/// A folder to unpack in, with things outside of it that are to stay as they are.
fn world() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(dir.path()).expect("a path");
    for folder in ["work/d", "home", "outside"] {
        fs::create_dir_all(root.join(folder)).expect("folders");
    }
    for file in ["outside/file", "work/mine", "home/mine"] {
        fs::write(root.join(file), "untouched").expect("a file");
    }
    let work = root.join("work");
    (dir, work)
}

/// Everything there but what lies in `work/d` and `home/h`: names, contents and how many names a file has.
fn around(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let below = path.strip_prefix(root).expect("below").to_owned();
        if below == Path::new("work/d") || below == Path::new("home/h") {
            continue;
        }
        let meta = fs::symlink_metadata(&path).expect("there");
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).expect("read").map(|entry| entry.expect("an entry").path()));
            found.push((below, String::new()));
        } else {
            let content = fs::read_to_string(&path).unwrap_or_default();
            found.push((below, format!("{content} {} {:?}", meta.nlink(), meta.file_type())));
        }
    }
    found.sort();
    found
}

/// Why an archive is refused; nothing when it is not. Nothing outside changes in either case.
#[track_caller]
fn check(paths: &str, parts: &[Part<'_>], expect: Option<&str>) {
    let (dir, work) = world();
    symlink("../../outside", work.join("d/here")).expect("a link");
    let root = fs::canonicalize(dir.path()).expect("a path");
    let before = around(&root);
    let done = unpack(&archive(parts), &rules(&work, paths));
    assert_eq!(around(&root), before, "{parts:?}");
    match (done, expect) {
        (Ok(()), None) => {}
        (Err(Unfit::Refused(why) | Unfit::Damaged(why) | Unfit::InTheWay(why)), Some(expect)) => {
            assert!(why.contains(expect), "{why}");
        }
        (done, expect) => panic!("{parts:?}: {done:?} and not {expect:?}"),
    }
}

#[test]
fn members_lie_in_the_paths_that_were_asked_for() {
    let outside = Some("lies outside of its paths");
    check("d", &[(b'5', "d/", ""), (b'0', "./d//a", ""), (b'0', "d/b", "")], None);
    check("d\n~/h", &[(b'0', "d/a", ""), (b'0', "../home/h/a", "")], None);
    for name in [
        "/etc/passwd",
        "e",
        "d/../e",
        "../outside/file",
        "d/../../outside/file",
        "..",
        ".",
        "dd",
        "mine",
        "../work/mine",
    ] {
        check("d", &[(b'5', "d/", ""), (b'0', name, "")], outside);
        check("d\n~/h", &[(b'5', "d/", ""), (b'5', name, "")], outside);
    }
    check("~/h", &[(b'0', "../home/mine", "")], outside);
    // Excluded is what is not saved by itself; what lies in a folder that is saved comes with it.
    check("d\n!d/x", &[(b'0', "d/x", "")], None);
    check("d/*.txt", &[(b'0', "d/a.txt", ""), (b'0', "d/a", "")], outside);
}

#[test]
fn no_member_is_reached_through_a_link_that_leads_out() {
    let out = Some("through its own link");
    for target in ["..", "../..", "/etc", "../mine", "/", "x/../..", "gone/../../outside"] {
        check("d", &[(b'5', "d", ""), (b'2', "d/l", target), (b'0', "d/l/file", "")], out);
    }
    check("d", &[(b'2', "d", "../outside"), (b'0', "d/file", "")], out);
    // Through another one, through a second name of it, and through one that comes later than its folder.
    check("d", &[(b'2', "d/m", "../../outside"), (b'2', "d/l", "m"), (b'0', "d/l/file", "")], out);
    check("d", &[(b'2', "d/m", "../../outside"), (b'1', "d/l", "d/m"), (b'0', "d/l/file", "")], out);
    check(
        "d",
        &[(b'5', "d/s", ""), (b'0', "d/s/a", ""), (b'2', "d/s", "../../outside"), (b'0', "d/s/file", "")],
        out,
    );
    check("d", &[(b'0', "d/f", ""), (b'0', "d/f/file", "")], out);
    // What a link leads to that stays inside is reached by its own name.
    check(
        "d",
        &[(b'5', "d/s", ""), (b'2', "d/l", "s"), (b'0', "d/l/file", ""), (b'0', "d/s/other", "")],
        None,
    );
    check(
        "d",
        &[(b'5', "d/s", ""), (b'2', "d/l", "s"), (b'2', "d/s", "../../outside"), (b'0', "d/l/file", "")],
        out,
    );
    check("d", &[(b'2', "d/l", "l"), (b'0', "d/l/file", "")], Some("too many links"));
    check("d", &[(b'5', "d", ""), (b'2', "d/l", "here"), (b'0', "d/l/file", "")], Some("is a link here"));
    // A link that nothing is behind may lead anywhere.
    check("d", &[(b'2', "d/l", "/usr/bin/env"), (b'2', "d/up", "../../..")], None);
}

#[test]
fn links_that_are_there_already_are_no_way_out() {
    check("d", &[(b'5', "d", ""), (b'0', "d/here/file", "")], Some("is a link here"));
    check("d", &[(b'5', "d", ""), (b'5', "d/here", ""), (b'0', "d/here/file", "")], None);
    let (dir, work) = world();
    let root = fs::canonicalize(dir.path()).expect("a path");
    fs::remove_dir(work.join("d")).expect("removed");
    symlink("../outside", work.join("d")).expect("a link");
    let before = around(&root);
    // As a cache of `d` never is: without the folder itself.
    let done = unpack(&archive(&[(b'0', "d/file", "")]), &rules(&work, "d"));
    assert!(matches!(done, Err(Unfit::InTheWay(_))), "{done:?}");
    assert_eq!(around(&root), before);
    // Who asks for what lies behind their own link gets it.
    unpack(&archive(&[(b'0', "d/new", "")]), &rules(&work, "d/*")).expect("unpacked");
    assert!(root.join("outside/new").is_file());
}

#[test]
fn a_second_name_is_one_of_a_file_in_the_archive() {
    let other = Some("no file that it holds before");
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "/etc/passwd")], Some("lies outside"));
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "../outside/file")], Some("lies outside"));
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "mine")], Some("lies outside"));
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "d/later"), (b'0', "d/later", "")], other);
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "d")], other);
    check("d", &[(b'5', "d", ""), (b'1', "d/p", "d/here/file")], Some("is a link here"));
    check("d", &[(b'5', "d", ""), (b'0', "d/f", ""), (b'1', "d/p", "d/f")], None);
}

#[test]
fn what_no_cache_holds_is_refused() {
    for kind in [b'3', b'4', b'7', b'S', b'M', b'V', b'D', b'g', b'N', 0xff] {
        check("d", &[(b'5', "d", ""), (kind, "d/x", "")], Some("kind"));
    }
    check("d", &[(b'5', "d", ""), (b'6', "d/pipe", "")], None);
    let (_dir, work) = world();
    let rules = rules(&work, "d");
    let refused = |bytes: &[u8]| match sifted(bytes, &rules).1 {
        Err(Unfit::Damaged(why)) => why,
        other => panic!("{other:?}"),
    };
    let ahead = |records: &str| {
        let mut bytes = raw(b'x', b"pax", b"", records.as_bytes());
        bytes.extend(archive(&[(b'0', "d/x", "")]));
        bytes
    };
    assert!(refused(&ahead("27 GNU.sparse.name=../evil\n")).contains("GNU.sparse.name"));
    assert!(refused(&ahead("99 path=d/y\n")).contains("cannot be read"));
    // A name that a header ahead says counts, and not the one that stands there.
    assert!(matches!(sifted(&ahead("16 path=../evil\n"), &rules).1, Err(Unfit::Refused(_))));
    let mut long = raw(b'L', b"././@LongLink", b"", b"../evil\0");
    long.extend(archive(&[(b'0', "d/x", "")]));
    assert!(matches!(sifted(&long, &rules).1, Err(Unfit::Refused(_))));
    let mut huge = Header::new_ustar();
    huge.set_entry_type(EntryType::XHeader);
    huge.set_size(1 << 40);
    huge.set_cksum();
    assert!(refused(huge.as_bytes()).contains("too long"));
    assert!(refused(&archive(&[(b'0', "d/x", "")])[..700]).contains("in the middle"));
    assert!(refused(b"not an archive at all".repeat(100).as_slice()).contains("no archive"));
    let mut most = rules.clone();
    most.most = 3_000;
    let large = archive(&[(b'0', "d/x", ""), (b'0', "d/y", ""), (b'0', "d/z", "")]);
    assert!(matches!(sifted(&large, &most).1, Err(Unfit::Read(_))));
}

/// What `tar` makes of a tree, with names, modes, times and links, is the same after it was sifted.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what comes of it is what the program of the machine makes of it"
)]
fn what_tar_saves_is_restored_as_it_was() {
    let (dir, work) = world();
    let long = "n".repeat(200);
    let deep = format!("d/{}/{}", "x".repeat(120), "y".repeat(120));
    fs::create_dir_all(work.join(&deep)).expect("folders");
    fs::create_dir(work.join("d/empty")).expect("a folder");
    for name in ["d/a".to_owned(), format!("d/{long}"), format!("{deep}/z"), "d/umlaut ä\nline".to_owned()] {
        fs::write(work.join(&name), name.repeat(100)).expect("a file");
    }
    fs::set_permissions(work.join("d/a"), fs::Permissions::from_mode(0o4711)).expect("a mode");
    fs::hard_link(work.join("d/a"), work.join("d/twin")).expect("a link");
    fs::hard_link(work.join(format!("d/{long}")), work.join("d/long-twin")).expect("a link");
    symlink("a", work.join("d/to-a")).expect("a link");
    symlink(format!("/{}", "t".repeat(150)), work.join("d/far")).expect("a link");
    symlink("empty", work.join("d/to-empty")).expect("a link");
    fs::write(work.join("d/empty/inside"), "x").expect("a file");
    let home = work.with_file_name("home");
    fs::create_dir(home.join("h")).expect("a folder");
    fs::write(home.join("h/file"), "x").expect("a file");
    let list = |root: &Path| {
        let found = Command::new("find")
            .args(["work/d", "home/h", "-printf", "%p %y %m %s %T@ %l %n\n"])
            .current_dir(root)
            .output()
            .expect("find");
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for form in ["--format=posix", "--format=gnu"] {
        // With what lies behind a link by that name too, as a search through links finds it.
        let packed = Command::new("tar")
            .args([form, "-cf", "-", "-P", "-C"])
            .arg(&work)
            .args(["d", "d/to-empty/inside", "../home/h"])
            .output()
            .expect("tar");
        assert!(packed.status.success(), "{packed:?}");
        let before = list(dir.path());
        fs::remove_dir_all(work.join("d")).expect("removed");
        fs::remove_dir_all(home.join("h")).expect("removed");
        unpack(&packed.stdout, &rules(&work, "d\n~/h")).expect("restored");
        let after = list(dir.path());
        // Nobody gets the rights of an owner; and the older form has whole seconds.
        let same = |line: &String| {
            let line = line.replace(" f 4711 ", " f 711 ");
            if form == "--format=gnu" {
                line.split(' ')
                    .map(|word| word.split('.').next().unwrap_or_default().to_owned())
                    .collect::<String>()
            } else {
                line
            }
        };
        let (before, after): (Vec<_>, Vec<_>) =
            (before.iter().map(same).collect(), after.iter().map(same).collect());
        assert_eq!(before, after, "{form}");
    }
}

fn part() -> impl Strategy<Value = (u8, String, String)> {
    let names = "(d|d/l|d/s|d/l/x|d/s/x|d/s/l|d/here/x|/etc/x|\\.\\./outside/file|e)|(d|\\.|\\.\\.|l|s|here)(/(l|s|x|\\.\\.|here)){0,3}";
    let targets = "(d/)?(l|s|x|\\.|\\.\\.|here)(/(l|s|x|\\.\\.|here)){0,3}|/|/etc";
    (prop::sample::select(&b"00555221611x"[..]), names, targets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever an archive holds: what goes on to `tar` changes nothing outside of the paths.
    #[test]
    fn nothing_outside_changes(parts in prop::collection::vec(part(), 1..8), wide: bool) {
        let (dir, work) = world();
        symlink("../../outside", work.join("d/here")).expect("a link");
        let root = fs::canonicalize(dir.path()).expect("a path");
        let before = around(&root);
        // An archive whose first bad member ends it says little about those behind it.
        let rules = rules(&work, if wide { "d\n~/h" } else { "d" });
        let parts: Vec<Part<'_>> = parts.iter().map(|(kind, name, target)| (*kind, &**name, &**target)).collect();
        let good: Vec<Part<'_>> = parts.iter().fold(Vec::new(), |mut good, part| {
            good.push(*part);
            if sifted(&archive(&good), &rules).1.is_err() {
                good.pop();
            }
            good
        });
        let _ = unpack(&archive(&good), &rules);
        prop_assert_eq!(around(&root), before, "{:?}", good);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let (_dir, work) = world();
        let rules = rules(&work, "d");
        let _ = sifted(&bytes, &rules);
        let mut archive = archive(&[(b'5', "d", ""), (b'0', "d/x", ""), (b'2', "d/l", "x"), (b'1', "d/p", "d/x")]);
        for (at, byte) in flips {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        let (out, done) = sifted(&archive, &rules);
        if done.is_ok() {
            // What was written is read as it was meant.
            let (again, done) = sifted(&out, &rules);
            prop_assert!(done.is_ok() && again == out);
        }
    }
}
