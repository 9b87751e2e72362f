//! Uploads against a model that holds everything in memory.

use super::*;
use proptest::prelude::*;

fn upload(limit: u64) -> (tempfile::TempDir, Upload) {
    let dir = tempfile::tempdir().expect("a folder");
    let upload = Upload::new(dir.path().to_owned(), limit);
    (dir, upload)
}

fn listed(ids: &[&str]) -> Vec<Listed> {
    ids.iter().map(|id| Listed { place: Place::Latest, id: (*id).to_owned() }).collect()
}

fn bytes(content: &Content) -> Vec<u8> {
    content.0.iter().flat_map(|(path, _)| fs::read(path).expect("a part")).collect()
}

fn files(upload: &Upload) -> usize {
    fs::read_dir(upload.dir()).expect("the folder").count()
}

/// A body that ends with an error after some bytes, as when a client is killed.
fn cut(bytes: &'static [u8]) -> Body {
    let pieces = [Ok(bytes::Bytes::from_static(bytes)), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    Body::from_stream(futures_util::stream::iter(pieces))
}

#[tokio::test]
async fn blocks_become_a_content_in_the_order_of_the_list() {
    let (_dir, upload) = upload(100);
    for (id, text) in [("QQ==", "one"), ("Qg==", "two"), ("Qw==", "unused")] {
        upload.block(id, Body::from(text)).await.expect("taken");
    }
    upload.list(&listed(&["Qg==", "QQ==", "Qg=="])).expect("listed");
    assert_eq!(files(&upload), 2);
    let content = upload.finish(Some(9)).expect("whole");
    assert_eq!(bytes(&content), b"twoonetwo");
    assert!(upload.block("QQ==", Body::from("late")).await.is_err());
    assert!(upload.finish(None).is_err());
}

#[tokio::test]
async fn a_cut_upload_leaves_nothing_behind() {
    let (_dir, upload) = upload(100);
    let refused = upload.block("QQ==", cut(b"half")).await.expect_err("cut");
    assert_eq!(refused.kind, RefusalKind::Mismatch);
    assert!(upload.whole(cut(b"half")).await.is_err());
    assert_eq!(files(&upload), 0);
    assert_eq!(upload.held.load(Ordering::Relaxed), 0);
    assert!(upload.list(&listed(&["QQ=="])).is_err());
    assert!(upload.finish(None).is_err());
    assert!(upload.range(0, 10, cut(b"half")).await.is_err());
    assert!(upload.finish(Some(10)).is_err());
}

#[tokio::test]
async fn no_more_than_the_limit_is_taken() {
    let (_dir, upload) = upload(10);
    for body in [Body::from("eleven bytes"), Body::from_stream(endless())] {
        let refused = upload.whole(body).await.expect_err("too large");
        assert_eq!(refused.kind, RefusalKind::TooLarge);
    }
    for id in ["QQ==", "Qg=="] {
        upload.block(id, Body::from("ten bytes.")).await.expect("taken");
    }
    let refused = upload.block("Qw==", Body::from("x")).await.expect_err("too much in all");
    assert_eq!(refused.kind, RefusalKind::TooLarge);
    assert_eq!(upload.list(&listed(&["QQ==", "Qg=="])).expect_err("too large").kind, RefusalKind::TooLarge);
    upload.list(&listed(&["QQ=="])).expect("listed");
    assert_eq!(
        upload.range(1, u64::MAX, Body::empty()).await.expect_err("large").kind,
        RefusalKind::TooLarge
    );
    assert_eq!(bytes(&upload.finish(None).expect("whole")), b"ten bytes.");
}

fn endless() -> impl futures_util::Stream<Item = io::Result<bytes::Bytes>> {
    futures_util::stream::iter(std::iter::repeat_with(|| Ok(bytes::Bytes::from_static(&[0; 8]))))
}

#[tokio::test]
async fn ranges_fill_a_content_in_any_order() {
    let (_dir, upload) = upload(100);
    upload.range(3, 3, Body::from("def")).await.expect("taken");
    assert_eq!(upload.finish(Some(6)).expect_err("a hole").kind, RefusalKind::Mismatch);
    assert!(upload.range(0, 3, Body::from("ab")).await.is_err());
    assert!(upload.range(0, 3, Body::from("abcd")).await.is_err());
    upload.range(0, 3, Body::from("abc")).await.expect("taken");
    assert!(upload.finish(Some(5)).is_err());
    assert_eq!(bytes(&upload.finish(Some(6)).expect("whole")), b"abcdef");
}

#[derive(Clone, Debug)]
enum Act {
    Block(usize, Vec<u8>),
    Whole(Vec<u8>),
    List(Vec<(Place, usize)>),
}

fn act() -> impl Strategy<Value = Act> {
    let content = proptest::collection::vec(any::<u8>(), 0..12);
    let place = prop_oneof![Just(Place::Committed), Just(Place::Uncommitted), Just(Place::Latest)];
    prop_oneof![
        4 => (0_usize..4, content.clone()).prop_map(|(id, content)| Act::Block(id, content)),
        1 => content.prop_map(Act::Whole),
        2 => proptest::collection::vec((place, 0_usize..4), 0..5).prop_map(Act::List),
    ]
}

/// What Azure's documents say, with everything in memory.
#[derive(Default)]
struct Model {
    blocks: BTreeMap<usize, Vec<u8>>,
    committed: Option<Vec<(usize, Vec<u8>)>>,
}

impl Model {
    fn list(&mut self, list: &[(Place, usize)]) -> bool {
        let mut content = Vec::new();
        for (place, id) in list {
            let put = self.blocks.get(id).cloned();
            let old = self
                .committed
                .iter()
                .flatten()
                .find(|(known, _)| known == id)
                .map(|(_, bytes)| bytes.clone());
            let found = match place {
                Place::Uncommitted => put,
                Place::Committed => old,
                Place::Latest => put.or(old),
            };
            let Some(found) = found else { return false };
            content.push((*id, found));
        }
        self.committed = Some(content);
        self.blocks.clear();
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_sequence_gives_what_the_model_gives(acts in proptest::collection::vec(act(), 0..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (_dir, upload) = upload(1_000);
            let mut model = Model::default();
            for act in acts {
                match act {
                    Act::Block(id, content) => {
                        upload.block(&format!("id{id}"), Body::from(content.clone())).await.expect("taken");
                        model.blocks.insert(id, content);
                    }
                    Act::Whole(content) => {
                        upload.whole(Body::from(content.clone())).await.expect("taken");
                        model.blocks.clear();
                        model.committed = Some(vec![(usize::MAX, content)]);
                    }
                    Act::List(list) => {
                        let sent: Vec<Listed> =
                            list.iter().map(|(place, id)| Listed { place: *place, id: format!("id{id}") }).collect();
                        prop_assert_eq!(upload.list(&sent).is_ok(), model.list(&list));
                    }
                }
            }
            match (upload.finish(None), model.committed) {
                (Ok(content), Some(expect)) => {
                    let expect: Vec<u8> = expect.into_iter().flat_map(|(_, bytes)| bytes).collect();
                    prop_assert_eq!(content.0.iter().map(|(_, length)| length).sum::<u64>(), expect.len() as u64);
                    prop_assert_eq!(bytes(&content), expect);
                }
                (Err(_), None) => {}
                (found, expect) => prop_assert!(false, "{:?} {:?}", found, expect),
            }
            Ok(())
        })?;
    }
}
