//! Entries on a real disk, with time as an argument and faults put in.

use super::*;
use axum::body::Body;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn limits() -> CacheLimits {
    CacheLimits {
        entry: 1_000,
        namespace: 100,
        unused: Duration::from_secs(50),
        reservation: Duration::from_secs(10),
    }
}

fn open(dir: &Path, unique: &str) -> CacheFolder {
    CacheFolder::open(dir, limits(), unique).expect("opened")
}

fn name(scope: &str, key: &str) -> EntryName {
    let text = str::to_owned;
    EntryName { namespace: text("acme/web"), scope: text(scope), version: text("v"), key: text(key) }
}

async fn save(folder: &CacheFolder, scope: &str, key: &str, content: &'static str, now: i64) -> Entry {
    let id = u64::try_from(now).expect("a time");
    let reserved = folder.reserve(name(scope, key), id, at(now)).expect("reserved");
    reserved.upload.whole(Body::from(content)).await.expect("taken");
    folder.finish(&reserved, Some(content.len() as u64), at(now)).expect("kept")
}

fn find(folder: &CacheFolder, scopes: &[&str], keys: &[&str], now: i64) -> Option<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let found = folder.find("acme/web", &texts(scopes), "v", &texts(keys), at(now))?;
    Some(format!("{} {}", found.entry.name.scope, found.entry.name.key))
}

#[tokio::test]
async fn the_own_scope_comes_first_and_then_the_newest() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = open(dir.path(), "one");
    save(&folder, "main", "npm-1", "x", 1).await;
    save(&folder, "main", "npm-2", "x", 2).await;
    save(&folder, "main", "npm", "x", 3).await;
    save(&folder, "topic", "npm-0", "x", 4).await;
    let check = |scopes: &[&str], keys: &[&str], expect: Option<&str>| {
        assert_eq!(find(&folder, scopes, keys, 5).as_deref(), expect, "{scopes:?} {keys:?}");
    };
    check(&["main"], &["npm-1"], Some("main npm-1"));
    check(&["main"], &["npm"], Some("main npm"));
    check(&["main"], &["npm-"], Some("main npm-2"));
    check(&["main"], &["npm-9", "npm-1", "npm-"], Some("main npm-1"));
    check(&["topic", "main"], &["npm-2", "npm-"], Some("topic npm-0"));
    check(&["topic", "main"], &["npm-2"], Some("main npm-2"));
    check(&["topic"], &["npm-2"], None);
    check(&["main"], &["pip"], None);
    assert_eq!(folder.find("other", &["main".to_owned()], "v", &["npm".to_owned()], at(5)), None);
    assert_eq!(folder.find("acme/web", &["main".to_owned()], "w", &["npm".to_owned()], at(5)), None);
    assert_eq!(folder.list("acme/web", &["main".to_owned()], "npm-").len(), 2);
}

#[tokio::test]
async fn of_two_who_save_a_key_one_wins() {
    let dir = tempfile::tempdir().expect("a folder");
    let (one, two) = (open(dir.path(), "one"), open(dir.path(), "two"));
    let first = one.reserve(name("main", "k"), 1, at(0)).expect("reserved");
    assert_eq!(two.reserve(name("main", "k"), 2, at(1)).expect_err("taken").kind, RefusalKind::Exists);
    assert_eq!(one.reserve(name("main", "k"), 3, at(1)).expect_err("taken").kind, RefusalKind::Exists);
    first.upload.whole(Body::from("one")).await.expect("taken");
    assert_eq!(find(&two, &["main"], &["k"], 2), None, "nothing is seen before it is finished");
    one.finish(&first, Some(3), at(2)).expect("kept");
    assert_eq!(two.reserve(name("main", "k"), 4, at(3)).expect_err("there").kind, RefusalKind::Exists);
    assert_eq!(find(&two, &["main"], &["k"], 3).as_deref(), Some("main k"));
}

#[tokio::test]
async fn a_reservation_lapses_with_its_time_or_its_owner() {
    let dir = tempfile::tempdir().expect("a folder");
    let (one, two) = (open(dir.path(), "one"), open(dir.path(), "two"));
    let slow = one.reserve(name("main", "k"), 1, at(0)).expect("reserved");
    slow.upload.whole(Body::from("slow")).await.expect("taken");
    let second = two.reserve(name("main", "k"), 2, at(10)).expect("the first one lapsed");
    assert!(one.finish(&slow, None, at(11)).is_err());
    second.upload.whole(Body::from("second")).await.expect("taken");
    two.finish(&second, None, at(11)).expect("kept");
    // Killed: its lock is free and its files lie there.
    let killed = one.reserve(name("main", "killed"), 3, at(12)).expect("reserved");
    killed.upload.whole(Body::from("half")).await.expect("taken");
    drop(one);
    assert_eq!(find(&two, &["main"], &["killed"], 13), None);
    two.reserve(name("main", "killed"), 4, at(13)).expect("its owner is gone");
    drop(two);
    let three = open(dir.path(), "three");
    assert_eq!(fs::read_dir(dir.path().join("uploads")).expect("uploads").count(), 0);
    assert_eq!(fs::read_dir(dir.path().join("trash")).expect("trash").count(), 0);
    assert_eq!(find(&three, &["main"], &["k"], 14).as_deref(), Some("main k"));
}

#[tokio::test]
async fn the_least_recently_used_goes_first_and_the_unused_after_its_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = open(dir.path(), "one");
    let forty = "0123456789012345678901234567890123456789";
    save(&folder, "main", "a", forty, 1).await;
    save(&folder, "main", "b", forty, 2).await;
    assert!(find(&folder, &["main"], &["a"], 3).is_some());
    save(&folder, "topic", "c", forty, 4).await;
    let left = |now| ["a", "b", "c"].map(|key| find(&folder, &["main", "topic"], &[key], now).is_some());
    assert_eq!(left(5), [true, false, true], "b was used longest ago");
    assert!(find(&folder, &["main"], &["a"], 50).is_some());
    folder.evict_all(at(56));
    assert_eq!(left(57), [true, false, false], "c was not used for 50 seconds");
}

#[tokio::test]
async fn a_damaged_entry_is_not_found_and_makes_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = open(dir.path(), "one");
    save(&folder, "main", "k", "content", 1).await;
    let place =
        folder.find("acme/web", &["main".to_owned()], "v", &["k".to_owned()], at(2)).expect("found").place;
    assert_eq!(folder.open_entry(&place).expect("opened").len(), 1);
    fs::write(folder.entries().join(&place).join("part-1"), "con").expect("cut");
    assert_eq!(find(&folder, &["main"], &["k"], 3), None);
    save(&folder, "main", "k", "again", 4).await;
    assert_eq!(find(&folder, &["main"], &["k"], 5).as_deref(), Some("main k"));
    for bad in ["", "../../../x", "a/b/c/d", &place[1..]] {
        assert!(folder.open_entry(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_content_of_many_blocks_is_joined() {
    let dir = tempfile::tempdir().expect("a folder");
    let roomy = CacheLimits { namespace: 1_000, ..limits() };
    let folder = CacheFolder::open(dir.path(), roomy, "one").expect("opened");
    let reserved = folder.reserve(name("main", "k"), 1, at(0)).expect("reserved");
    let mut list = Vec::new();
    for number in 0..(MOST_PARTS + 10) {
        let id = format!("id{number}");
        reserved.upload.block(&id, Body::from("x")).await.expect("taken");
        list.push(crate::blocks::Listed { place: crate::blocks::Place::Latest, id });
    }
    reserved.upload.list(&list).expect("listed");
    let entry = folder.finish(&reserved, None, at(1)).expect("kept");
    assert_eq!((entry.parts.len(), entry.size()), (1, 138));
    assert_eq!(find(&folder, &["main"], &["k"], 3).as_deref(), Some("main k"));
}

#[test]
fn many_threads_get_one_reservation() {
    let dir = tempfile::tempdir().expect("a folder");
    let folders: Vec<CacheFolder> = (0..8).map(|number| open(dir.path(), &format!("p{number}"))).collect();
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = folders
            .iter()
            .enumerate()
            .map(|(id, folder)| {
                scope.spawn(move || folder.reserve(name("main", "k"), id as u64, at(0)).is_ok())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}
