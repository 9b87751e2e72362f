//! Patterns against paths, and searches in folders.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::symlink;

const ALL: Find<'static> = Find { descendants: true, folders: false, hidden: true, sight: Sight::Links };

fn check(lines: &[&str], path: &str, expect: bool) {
    let patterns = Patterns::parse(lines.iter().copied(), Path::new("/w"), Path::new("/home/me"));
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    assert_eq!(patterns.expect("patterns").matches(&names, false, ALL), expect, "{lines:?} {path}");
}

#[test]
fn matches_as_the_toolkit_does() {
    check(&["*.txt"], "/w/a.txt", true);
    check(&["*.txt"], "/w/sub/a.txt", false);
    check(&["**/*.txt"], "/w/sub/deep/a.txt", true);
    check(&["**/*.txt"], "/w/a.txt", true);
    check(&["sub"], "/w/sub/deep/a.txt", true);
    check(&["sub/"], "/w/sub/deep/a.txt", true);
    check(&["sub/"], "/w/sub", false);
    check(&["./sub", "."], "/w/sub", true);
    check(&["su?/[a-c].t[!a]t"], "/w/sub/b.txt", true);
    check(&["su?/[a-c].t[!x]t"], "/w/sub/b.txt", false);
    check(&["/abs/*"], "/abs/x/y", true);
    check(&["~/x"], "/home/me/x", true);
    check(&["~"], "/home/me/x", true);
    check(&["~x"], "/w/~x", true);
    check(&["**", "!sub/**"], "/w/sub/a", false);
    check(&["**", "!sub/**", "sub/a"], "/w/sub/a", true);
    check(&["**", "!!sub/a"], "/w/sub/a", true);
    check(&["# no", "", "a\nb"], "/w/b", true);
    check(&["a[b"], "/w/a[b", true);
    check(&[r"a\*"], "/w/a*", true);
    check(&[r"a\*"], "/w/ab", false);
    check(&["a[*]"], "/w/a*", true);
    for bad in ["../x", "a/./b", "a/../b", "!"] {
        assert!(Patterns::parse([bad], Path::new("/w"), Path::new("/")).is_err(), "{bad}");
    }
}

/// A folder with these files; what ends in a slash is an empty folder, `link -> target` a link.
fn tree(entries: &[&str]) -> tempfile::TempDir {
    // A search that begins in a hidden folder finds nothing, and the temporary one may be hidden.
    let dir = tempfile::Builder::new().prefix("tree").tempdir().expect("a folder");
    for entry in entries {
        let (name, target) = entry.split_once(" -> ").map_or((*entry, None), |(name, to)| (name, Some(to)));
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        match target {
            Some(target) => symlink(target, path).expect("a link"),
            None if name.ends_with('/') => fs::create_dir_all(path).expect("a folder"),
            None => fs::write(path, name).expect("a file"),
        }
    }
    dir
}

fn finds(dir: &tempfile::TempDir, lines: &[&str], find: Find<'_>, expect: &str) {
    let root = dir.path().canonicalize().expect("a folder");
    let patterns = Patterns::parse(lines.iter().copied(), &root, Path::new("/nowhere")).expect("patterns");
    let found = patterns.search(find, &|| Ok(())).expect("found");
    let found: Vec<_> =
        found.iter().map(|path| path.strip_prefix(&root).expect("below").display().to_string()).collect();
    assert_eq!(found.join(" "), expect, "{lines:?} {find:?}");
}

#[test]
fn searches_come_one_after_the_other_and_each_in_the_order_of_names() {
    let dir = tree(&["b/z", "b/a/x", "b/a.b", "a/one", ".hid/in", "a/.dot"]);
    finds(&dir, &["b/**", "a/**"], ALL, "b/a/x b/a.b b/z a/.dot a/one");
    finds(&dir, &["b/a", "b", "a/on*"], ALL, "b/a/x b/a.b b/z a/one");
    finds(&dir, &["."], Find { hidden: false, ..ALL }, "a/one b/a/x b/a.b b/z");
    finds(&dir, &[".hid/in", ".hid"], Find { hidden: false, ..ALL }, "");
    finds(&dir, &[".hid/in"], Find { hidden: false, ..ALL }, ".hid/in");
    let folders = Find { descendants: false, folders: true, hidden: true, sight: Sight::Links };
    finds(&dir, &["b/**"], folders, "b b/a b/a/x b/a.b b/z");
    finds(&dir, &["b", "*/one"], folders, "a/one b");
    finds(&dir, &["*/"], folders, ".hid a b");
    finds(&dir, &["nothing", "b/z"], folders, "b/z");
}

#[test]
fn links_are_followed_when_that_is_asked_for() {
    let dir = tree(&[
        "real/in",
        "real/up -> ..",
        "link -> real",
        "file -> real/in",
        "broken -> nowhere",
        "self -> self",
    ]);
    finds(&dir, &["**"], ALL, "broken file link real/in real/up self");
    let through = Find { sight: Sight::Machine, ..ALL };
    finds(&dir, &["**"], through, "file link/in real/in");
    // Up and round once, until a folder comes again.
    finds(&dir, &["link/*"], through, "link/in link/up/file");
}

#[test]
fn only_what_can_match_is_entered() {
    let dir = tree(&["src/a", "closed/b"]);
    fs::remove_dir_all(dir.path().join("closed")).expect("removed");
    // An entry that cannot be read would fail the search.
    symlink("/proc/1/nowhere/at/all", dir.path().join("closed")).expect("a link");
    finds(&dir, &["src/*", "*/a"], Find { sight: Sight::Machine, ..ALL }, "src/a");
}

proptest! {
    #[test]
    fn a_path_matches_itself_and_a_star(name in "[a-z][a-z.]{0,7}") {
        check(&[&format!("x/{name}")], &format!("/w/x/{name}"), true);
        check(&["x/*"], &format!("/w/x/{name}"), true);
    }

    #[test]
    fn never_panics(pattern in "[\\[\\]!a*?/\\\\^~. -]{0,12}", text in "[a/\\[\\]-]{0,8}") {
        if let Ok(patterns) = Patterns::parse([pattern.as_str()], Path::new("/w"), Path::new("/h")) {
            let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
            let names = [&["w"], names.as_slice()].concat();
            // What is found is never in a folder that is not entered.
            if patterns.matches(&names, false, ALL) {
                let mut above = (0..names.len()).map(|end| &names[..end]);
                prop_assert!(above.all(|above| patterns.may_match_below(above, ALL)), "{pattern} {names:?}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_time(stars in 1_usize..60, names in 1_usize..60) {
        let pattern = "**/a*/".repeat(stars) + "z";
        let path = "/ab".repeat(names);
        check(&[&pattern], &format!("/w{path}"), false);
    }
}
