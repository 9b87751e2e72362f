//! Forms of YAML that GitHub's reader takes and the parser behind `shipway_base::yaml` does not by itself.

use shipway_base::{
    Pos, Source, Span,
    yaml::{self, Limits, Node},
};

fn tree(text: &str) -> Node {
    match yaml::parse(&Source::new("t.yml", text), Limits::default()) {
        Ok(Some(node)) => node,
        other => panic!("{other:?}"),
    }
}

fn refusal(text: &str) -> String {
    match yaml::parse(&Source::new("t.yml", text), Limits::default()) {
        Err(found) => found.to_string(),
        Ok(tree) => panic!("accepted: {tree:?}"),
    }
}

fn shown(node: &Node) -> String {
    if let Some(items) = node.as_sequence() {
        return format!("[{}]", items.iter().map(|item| shown(item) + ", ").collect::<String>());
    }
    let Some(mapping) = node.as_mapping() else { return node.as_text().unwrap_or("null").to_owned() };
    let pairs = mapping.iter().map(|(key, value)| format!("{}: {}, ", key.value, shown(value)));
    format!("{{{}}}", pairs.collect::<String>())
}

#[test]
fn a_tab_may_stand_behind_a_colon() {
    let node = tree("on:\tpush\na:\t\t{k:\tv}\nb: |\n  x:\ty\nc: \"d:\te\"\nf:\ttrue # é:\tg\n");
    let map = node.as_mapping().expect("mapping");
    let text = |key: &str| map.get(key).and_then(Node::as_text);
    assert_eq!((text("on"), text("b"), text("c")), (Some("push"), Some("x:\ty\n"), Some("d:\te")));
    assert_eq!(map.get("a").and_then(|a| a.as_mapping()?.get("k")?.as_text()), Some("v"));
    assert_eq!(map.get("f").and_then(Node::as_bool), Some(true));
    assert_eq!(map.get("on").expect("on").span, Span::new(Pos::new(1, 5), Pos::new(1, 9)));
    // It indents nothing.
    refusal("a:\tb: c\n");
    refusal("a:\t- b\n");
    refusal("a:\n\tb: c\n");
    let many: String = (0..3_000).map(|n| format!("k{n}:\tv\n")).collect();
    assert!(refusal(&many.repeat(30)).contains("SW0001"));
}

#[test]
fn brackets_and_quotes_ask_for_no_indentation() {
    let text = concat!(
        "m:\n  - [\n    \"a, é\",\n    b c\n  ]\n  - - k: [\n  x,\n{ y: z\n}]\n    - \"1\n 2\n\n3\"\n  - l: [\nv,\n]\n",
        "q: 'a\n\tb\nc' # 'd\nr: [1]#one\ns: \"é\"#[\nt: |#two\n  |#u\n# ]\n",
    );
    let node = tree(text);
    let map = node.as_mapping().expect("mapping");
    let m = map.get("m").and_then(Node::as_sequence).expect("m");
    let texts = |node: &Node| -> Vec<String> {
        node.as_sequence().unwrap_or_default().iter().filter_map(|n| n.as_text().map(str::to_owned)).collect()
    };
    assert_eq!(texts(&m[0]), ["a, é", "b c"]);
    let inner = m[1].as_sequence().expect("- -");
    let k = inner[0].as_mapping().and_then(|map| map.get("k")?.as_sequence()).expect("k");
    assert_eq!(
        (k[0].as_text(), k[1].as_mapping().and_then(|map| map.get("y")?.as_text())),
        (Some("x"), Some("z"))
    );
    assert_eq!(inner[1].as_text(), Some("1 2\n3"));
    assert_eq!(texts(m[2].as_mapping().and_then(|map| map.get("l")).expect("l")), ["v"]);
    let text = |key: &str| map.get(key).and_then(Node::as_text);
    assert_eq!((text("q"), text("s"), text("t")), (Some("a b c"), Some("é"), Some("|#u\n")));
    assert_eq!(texts(map.get("r").expect("r")), ["1"]);
    // Places are those of the text as it is written.
    assert_eq!(k[0].span, Span::new(Pos::new(7, 3), Pos::new(7, 4)));
    let y = k[1].as_mapping().and_then(|map| map.iter().next()).expect("y");
    assert_eq!((y.0.span.start, k[1].span.end), (Pos::new(8, 3), Pos::new(8, 7)));
    assert_eq!(map.get("s").expect("s").span.start, Pos::new(21, 4));

    // What is open still has to end, and blocks are made by indentation alone.
    refusal("a: [\nb\n");
    refusal("a: 'b\nc\n");
    refusal("a:\n    b: 1\n  c: 2\n");
    assert!(refusal("a:\n  - [\nb\n]]\n").starts_with("t.yml:4:2: "), "{}", refusal("a:\n  - [\nb\n]]\n"));
    // Only so often, for each time costs a reading.
    let many = format!("a:\n  - [\n{}]\n", "x,\n".repeat(200_000));
    assert!(refusal(&many).contains("SW0001"));
    let some = format!("a:\n  - [\n{}]\n", "x,\n".repeat(500));
    tree(&some);
    // A carriage return alone ends a line as well.
    let lines = "a:\n  - b: [\nx, 'y\nz'\n]#c\n  - d\n";
    assert_eq!(shown(&tree(lines)), "{a: [{b: [x, y z, ], }, d, ], }");
    for text in [
        lines.replace('\n', "\r"),
        lines.replacen('\n', "\r", 3),
        lines.replacen('\n', "\r\n", 2).replace("#c\n", "#c\r"),
    ] {
        assert_eq!(shown(&tree(&text)), shown(&tree(lines)), "{text:?}");
    }
    tree("a:\r\n  - b: [\r\nx\r\n]");
    // A bracket that is never closed is told where the block around it goes on.
    let unclosed = refusal("a:\n  b: [x, y\nc: d\n");
    assert!(unclosed.starts_with("t.yml:3:2: error[SW0001]: this is not YAML: invalid indent"), "{unclosed}");
}
