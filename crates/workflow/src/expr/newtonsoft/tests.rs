//! What Newtonsoft's reader takes and refuses. The expectations were printed by the reader itself (its code, run on Mono with the
//! settings of `FromJson.cs`), and are strict JSON here.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;

/// A text, and the JSON of what it is read as.
const TAKEN: &[(&str, &str)] = &[
    ("['3.9', '3.10']", r#"["3.9","3.10"]"#),
    ("[1,2,]", "[1,2]"),
    ("{'a':1}", r#"{"a":1}"#),
    ("{a:1}", r#"{"a":1}"#),
    (r#"{"a":1} // c"#, r#"{"a":1}"#),
    (r#"{"a":1, "b":[1,2,], }"#, r#"{"a":1,"b":[1,2]}"#),
    ("[1,,2]", r#"[1,"",2]"#),
    ("[,]", r#"[""]"#),
    ("[,1]", r#"["",1]"#),
    ("[,,]", r#"["",""]"#),
    (",", r#""""#),
    ("undefined", r#""""#),
    ("[undefined]", r#"[""]"#),
    ("{a:undefined}", r#"{"a":""}"#),
    ("{a:,}", r#"{"a":""}"#),
    ("{a:,b:1}", r#"{"a":"","b":1}"#),
    ("1e5", "100000"),
    ("0x10", "16"),
    ("0X1f", "31"),
    ("010", "8"),
    ("00", "0"),
    ("-010", "-10"),
    ("-0", "0"),
    ("-0.0", "0"),
    (".5", "0.5"),
    ("5.", "5"),
    ("-.5", "-0.5"),
    ("0xFFFFFFFFFFFFFFFF", "-1"),
    ("01777777777777777777777", "-1"),
    ("0.5", "0.5"),
    ("0e1", "0"),
    ("9007199254740993", "9007199254740992"),
    ("1 garbage", "1"),
    ("1)", "1"),
    ("1/", "1"),
    ("true x", "true"),
    ("true//", "true"),
    ("true/*", "true"),
    (r#""a"x"#, r#""a""#),
    ("[1]x", "[1]"),
    ("// c", r#"" c""#),
    ("// c\n1", r#"" c""#),
    ("/* c */ [1]", r#"" c ""#),
    ("[/*c*/1/*d*/,//e\n2]", "[1,2]"),
    ("{/*c*/a:/*d*/1/*e*/,/*f*/}", r#"{"a":1}"#),
    ("{a :1}", r#"{"a":1}"#),
    ("{_$1:1}", r#"{"_$1":1}"#),
    ("{1:2}", r#"{"1":2}"#),
    ("{\u{e9}:1}", r#"{"\u00e9":1}"#),
    (r#"'it\'s'"#, r#""it's""#),
    (r#""a'b""#, r#""a'b""#),
    (r#"'a"b'"#, r#""a\u0022b""#),
    ("\"a\nb\"", r#""a\u000ab""#),
    ("\"\t\u{1}\"", r#""\u0009\u0001""#),
    (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
    (r#""\ud83d""#, r#""\ufffd""#),
    (r#""\ude00""#, r#""\ufffd""#),
    (r#""\ud83dx""#, r#""\ufffdx""#),
    (r#""\ud83d\u0041""#, r#""\ufffdA""#),
    (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
    (r#""\uD83D\n""#, r#""\ufffd\u000a""#),
    ("null", "null"),
    (r#"{"a":1,"A":2,"a":3}"#, r#"{"a":2}"#),
    (r#"{"A":1,"a":2}"#, r#"{"A":2}"#),
    ("{a:1,a:[2]}", r#"{"a":[2]}"#),
    (r#""2020-01-01T00:00:00Z""#, r#""2020-01-01T00:00:00Z""#),
    (r#"["2020-01-01"]"#, r#"["2020-01-01"]"#),
    ("\u{a0}[1]", "[1]"),
    ("[1\u{2003},\u{85}2]", "[1,2]"),
    ("\u{0} 1", "1"),
    ("[1\u{0},2]", "[1,2]"),
    ("true\u{0}x", "true"),
    ("{a\u{0}:1}", r#"{"a":1}"#),
    ("{\u{0}a:1}", r#"{"a":1}"#),
    ("[1,2];", "[1,2]"),
    ("'a'", r#""a""#),
    ("''", r#""""#),
    ("{'':1}", r#"{"":1}"#),
    (r#"{"":1}"#, r#"{"":1}"#),
    ("[1.5e3,1E-2,1e+2]", "[1500,0.01,100]"),
    ("1e-99999999999", "0"),
    ("0.1", "0.1"),
    ("[true,false,null]", "[true,false,null]"),
    (r#"{"a":1}}"#, r#"{"a":1}"#),
    ("[1]]", "[1]"),
    ("[1,2]//", "[1,2]"),
    ("{a:1,/*x*/}", r#"{"a":1}"#),
    ("\r\n[1,\r\n2]", "[1,2]"),
    ("1//", "1"),
    ("1/x", "1"),
    ("{'a\nb':1}", r#"{"a\u000ab":1}"#),
    ("\u{2028}[1]", "[1]"),
    ("[,1,]", r#"["",1]"#),
    ("[1,,]", r#"[1,""]"#),
    ("[1,,,]", r#"[1,"",""]"#),
    ("{a:[,]}", r#"{"a":[""]}"#),
    (r#"{"a":'b',}"#, r#"{"a":"b"}"#),
    ("{$:1}", r#"{"$":1}"#),
    ("{a\n:\n1}", r#"{"a":1}"#),
    ("0x1F", "31"),
    ("0xabcdef", "11259375"),
    ("1E5", "100000"),
    ("0E5", "0"),
    ("0.", "0"),
    ("-0.5", "-0.5"),
    ("-00", "0"),
    ("-1.", "-1"),
    ("1.e5", "100000"),
    (r#""\/""#, r#""/""#),
    (r#""\u00e9""#, r#""\u00e9""#),
    ("\"\u{7f}\"", r#""\u007f""#),
    ("1\u{0}", "1"),
    ("[1]\u{0}", "[1]"),
    ("\u{b}1", "1"),
    ("\u{c}1", "1"),
    ("{a:1\u{0}}", r#"{"a":1}"#),
    ("[\u{0}]", "[]"),
];

const REFUSED: &[&str] = &[
    "{a:}",
    "{,}",
    "{a:1,,}",
    "-Inf",
    "08",
    "+5",
    ".",
    "-",
    "1e",
    "1e+",
    "--1",
    "1-2",
    "0x",
    "0x10000000000000000",
    "-0x10",
    "02000000000000000000000",
    "00.5",
    "0b1",
    "1a",
    "1f",
    "1garbage",
    "[1)",
    "truex",
    "true/",
    "true)",
    "[1}",
    "[}",
    "{]",
    "{a:]",
    "]",
    ")",
    "}",
    "",
    "  ",
    "/* c",
    "/",
    "/x",
    "{/*c*/a/*d*/:1}",
    r#"{"a"/**/:1}"#,
    "{a b:1}",
    "{a-b:1}",
    r#"{"a" 1}"#,
    "[1 2]",
    r#"[1 "a"]"#,
    "{a:1 b:2}",
    r#""\q""#,
    r#""\x41""#,
    r#""\u12""#,
    r#""\u12g4""#,
    r#""abc"#,
    r#"'abc""#,
    "[1",
    "{",
    "{a",
    "{a:",
    "{a:1",
    r#"["a""#,
    "new",
    "nul",
    "nullx",
    "n",
    "nx",
    "None",
    "True",
    "False",
    "\u{feff}[1]",
    "tru\u{0}e",
    "['a' 'b']",
    "[[]",
    "1\u{660}",
    "\u{661}",
    "{:1}",
    "[tRue]",
    "1.2.3",
    "1e5e5",
    "1_000",
    "{a:b}",
    "a",
    "'\\\n'",
    r#""\0""#,
    "[1/x]",
    "[1/]",
    "-Infinityx",
    "InfinityX",
    "Nan",
    "[true1]",
    "[-]",
    "{\u{1d400}:1}",
    "{a\u{aa}\u{b2}:1}",
    "u",
    "{a:1,b}",
    "{a:1,b:}",
    "{a:1,b:2",
    "0x1g",
    "-a",
    "- 1",
    ".e5",
    "e5",
    "\u{200b}1",
    "\u{180e}1",
];

#[test]
fn what_it_takes_is_read_as_it_reads_it() {
    for (text, expect) in TAKEN {
        let expect = Value::from_json(&serde_json::from_str(expect).expect("JSON"));
        assert_eq!(read(text).map_err(|error| error.to_string()), Ok(expect), "{text}");
    }
}

#[test]
fn what_it_refuses_is_refused() {
    for text in REFUSED {
        let error = read(text).expect_err(text);
        assert!(error.line >= 1 && error.column >= 1, "{text}: {error}");
    }
}

#[test]
fn numbers_that_json_lacks_are_read() {
    let check = |text: &str, expect: &str| {
        let value = read(text).expect(text);
        let items = value.as_array().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
        let texts: Vec<_> = items.iter().map(|item| item.to_text().to_string()).collect();
        assert_eq!(texts.join(" "), expect, "{text}");
    };
    check("NaN", "NaN");
    check("NaN,", "NaN");
    check("[NaN, Infinity,-Infinity]", "NaN Infinity -Infinity");
    check("-Infinity]", "-Infinity");
    // .NET reads what is too large as infinite; the Mono of the other cases does not.
    check("[1e400, -1e400, 1e99999999999]", "Infinity -Infinity Infinity");
    check(&"9".repeat(380), "Infinity");
    check(&"9".repeat(308), "1E+308");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let check = |text: &str, expect: &str| assert_eq!(read(text).expect_err(text).to_string(), expect);
    check("", "the text ends where a value is expected at line 1 column 1");
    check("[1, 2", "the text ends within a list at line 1 column 6");
    check("{\n \"a\": 1 \"b\"}", "\" where , or } is expected at line 2 column 9");
    check("{\"é\" 1}", "1 where : is expected at line 1 column 6");
    check("[\r\n  True]", "T where a value is expected at line 2 column 3");
    check("[1, \u{201c}a\u{201d}]", "U+201C where a value is expected at line 1 column 5");
    check("'abc", "the text ends before the closing ' of a text at line 1 column 5");
    check("/* c", "the text ends before the closing */ of a comment at line 1 column 5");
    check("{a-b: 1}", "- in a name without quotes at line 1 column 3");
    check("{\"a\": nope}", "a word that is no JSON; null is expected at line 1 column 7");
    check("new Date(1)", "a constructor is no JSON at line 1 column 1");
    check("[08]", "a number that is none at line 1 column 2");
    check("12px", "p in a number at line 1 column 3");
    check(r#""\q""#, "\\ before q, which is no escape at line 1 column 3");
    check(&"9".repeat(381), "a number that is none at line 1 column 1");
}

#[test]
fn depth_is_bounded_and_time_linear() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let keys = |depth: usize| "{a:".repeat(depth) + "1" + &"}".repeat(depth);
    assert!(read(&deep(MAX_DEPTH)).is_ok() && read(&keys(MAX_DEPTH)).is_ok());
    let expect = "more than 64 lists and objects within one another at line 1 column ";
    assert_eq!(read(&deep(65)).expect_err("a refusal").to_string(), format!("{expect}65"));
    assert_eq!(read(&keys(65)).expect_err("a refusal").to_string(), format!("{expect}193"));
    assert_eq!(read(&deep(1_000_000)).expect_err("a refusal").to_string(), format!("{expect}65"));
    // Each would take many minutes if anything were looked at twice.
    for piece in ["[1,2],", "/*x*/", "'", "\\u", "{a:1},", "// \n", "\"\\ud800", "\n", "1", "tru"] {
        let many = piece.repeat(400_000 / piece.len());
        for text in [format!("[{many}"), format!("'{many}"), format!("{{{many}")] {
            let _either = read(&text);
        }
    }
}

/// JSON of any kind.
pub(in crate::expr) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "\\PC{0,9}".prop_map(Json::from),
    ];
    leaf.prop_recursive(8, 64, 12, |inner| {
        let keys = prop_oneof!["[a-cA-C]", "\\PC{0,6}", any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            proptest::collection::vec((keys, inner), 0..12).prop_map(Json::from_iter),
        ]
    })
}

/// The same text with every character of its texts written as escapes, surrogate pairs among them.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
    out
}

/// Equal, but for the last digits of a number: `serde_json` reads them fast, not exactly.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.to_bits().abs_diff(b.to_bits()) <= 8,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|((ka, a), (kb, b))| ka == kb && same(a, b))
        }
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn strict_json_is_read_as_serde_reads_it(json in json(), pretty in any::<bool>(), behind in "[ x\\]}]{0,2}") {
        let text = if pretty { format!("{json:#}") } else { json.to_string() };
        let expect = Value::from_json(&json);
        for text in [text.clone(), escaped(&text), format!(" \n{text} {behind}")] {
            let found = read(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(found, expect.clone(), "{}", text);
        }
    }

    /// Texts that are nearly JSON: what `serde_json` takes is read the same; nothing panics, and places are within the text.
    #[test]
    fn texts_of_its_letters_are_read_or_told(text in "[\\[\\]{}:,'\"/*\\\\u0-9a-fx.eE+ \\nté😀-]{0,40}") {
        let strict = serde_json::from_str::<Json>(&text);
        match (read(&text), strict) {
            (Ok(found), Ok(strict)) => prop_assert!(same(&found, &Value::from_json(&strict)), "{text}: {found:?}"),
            (Ok(_), Err(_)) => {}
            (Err(error), strict) => {
                prop_assert!(strict.is_err(), "{text}: {error}");
                let line = text.split('\n').nth(error.line - 1).expect("a line of the text");
                prop_assert!(error.column <= line.chars().count() + 1, "{text}: {error}");
            }
        }
    }
}
