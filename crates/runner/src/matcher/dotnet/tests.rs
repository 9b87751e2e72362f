//! What .NET makes of expressions. The expectations were printed by its own code (that of .NET Framework, as Mono has it), with the
//! options of `IssueMatcher.cs`.

use super::{
    super::pattern::{PatternError, Regexp},
    *,
};

/// An expression, a line, and the groups in .NET's order where it matches.
type Case = (&'static str, &'static str, Option<&'static [&'static str]>);

const MATCHES: &[Case] = &[
    ("[a-z-[aeiou]]+", "xyza", Some(&["xyz"])),
    ("[a-z-[aeiou]]+", "aei", None),
    (r#"[\w-[\d]]+"#, "ab1", Some(&["ab"])),
    ("[a-z-[aeiou-[e]]]+", "e", Some(&["e"])),
    ("[a-z-[aeiou-[e]]]+", "aio", None),
    ("[^a-z-[x1]]", "1", None),
    ("[^a-z-[x1]]", "x", None),
    ("[^a-z-[x1]]", "2", Some(&["2"])),
    ("[a-z-[é]]", "é", None),
    ("[a-z-[é]]", "e", Some(&["e"])),
    (r#"[\p{L}-[a-m]]+"#, "amnéz", Some(&["néz"])),
    (r#"(?<=LB\s{1,3})x"#, "LB  x", Some(&["x"])),
    (r#"(?<=LB\s{1,3})x"#, "LB    x", None),
    ("(?<=a+)b", "aab", Some(&["b"])),
    ("(?<=a+)b", "b", None),
    ("(?<!a|bc)d", "bcd", None),
    ("(?<!a|bc)d", "xd", Some(&["d"])),
    ("(?<=^(?:x|yy)+)z", "xyyz", Some(&["z"])),
    ("(?<=^(?:x|yy)+)z", "xyz", None),
    ("(?<=(a))b", "ab", Some(&["b", "a"])),
    ("(?<!no )(error) (.+)", "no error x", None),
    ("(?<!no )(error) (.+)", "an error x", Some(&["error x", "error", "x"])),
    (r#"\p{IsGreek}+"#, "xαβ", Some(&["αβ"])),
    (r#"\P{IsBasicLatin}"#, "a", None),
    (r#"\P{IsBasicLatin}"#, "aé", Some(&["é"])),
    (r#"[\p{IsGreek}a]+"#, "aα", Some(&["aα"])),
    (r#"[^\p{IsCyrillic}]"#, "ж", None),
    (r#"[^\p{IsCyrillic}]"#, "z", Some(&["z"])),
    (r#"[\P{IsCyrillic}ж]+"#, "жz", Some(&["жz"])),
    (r#"[\P{IsCyrillic}ж]+"#, "щ", None),
    (r#"\p{Lu}\p{Ll}+"#, "Äüa", Some(&["Äüa"])),
    (r#"\p{IsCJKUnifiedIdeographs}+"#, "a中文", Some(&["中文"])),
    (r#"\d+"#, "٣", None),
    (r#"\d+"#, "٣4", Some(&["4"])),
    (r#"\w+"#, "äbc", Some(&["bc"])),
    (r#"\W"#, "ä", Some(&["ä"])),
    (r#"\D"#, "٣", Some(&["٣"])),
    (r#"\s"#, "\u{a0}", None),
    (r#"\s"#, "\t", Some(&["\t"])),
    (r#"\s"#, "\u{85}", None),
    (r#"\s"#, "\u{b}", Some(&["\u{b}"])),
    (r#"\S"#, "\u{a0}", Some(&["\u{a0}"])),
    (r#"[\d\s]+"#, " 1\u{a0}", Some(&[" 1"])),
    (r#"[^\w]+"#, "aäb", Some(&["ä"])),
    (r#"\bé"#, "aé", Some(&["é"])),
    (r#"\bé"#, "é", None),
    (r#"\bb"#, "ab", None),
    (r#"\bb"#, "äb", Some(&["b"])),
    (r#"\bb"#, " b", Some(&["b"])),
    (r#"b\b"#, "bä", Some(&["b"])),
    (r#"b\b"#, "bc", None),
    (r#"a\Bb"#, "ab", Some(&["ab"])),
    (r#"é\Bé"#, "éé", Some(&["éé"])),
    ("(?<n>a)(b)", "ab", Some(&["ab", "b", "a"])),
    ("(?'n'a)(b)(?<m>c)(d)", "abcd", Some(&["abcd", "b", "d", "a", "c"])),
    (r#"(a)\1"#, "aa", Some(&["aa", "a"])),
    (r#"(a)\1"#, "a", None),
    (r#"(?<n>a)\k<n>"#, "aa", Some(&["aa", "a"])),
    (r#"(?<n>a)\k<n>"#, "ab", None),
    (r#"(?<n>a)(b)\1\2"#, "abba", Some(&["abba", "b", "a"])),
    (r#"(?<n>a)(b)\1\2"#, "abab", None),
    (r#"(a)?\1b"#, "b", Some(&["b", ""])),
    (r#"(a)?\1b"#, "aab", Some(&["aab", "a"])),
    (r#"(?<n>a)?\k'n'b"#, "b", Some(&["b", ""])),
    (r#"(a)(b)\12"#, "aba2", Some(&["aba2", "a", "b"])),
    ("(?>a+)b", "aab", Some(&["aab"])),
    ("(a)?(?(1)b|c)", "ab", Some(&["ab", "a"])),
    ("(a)?(?(1)b|c)", "c", Some(&["c", ""])),
    ("(?:a|b)+?c", "abac", Some(&["abac"])),
    (r#"\G a"#, " a", Some(&[" a"])),
    (r#"\G a"#, "x a", None),
    (r#"\Aa\Z"#, "a", Some(&["a"])),
    (r#"\Aa\Z"#, "ab", None),
    (r#"a\z"#, "ba", Some(&["a"])),
    ("a{,3}", "a{,3}", Some(&["a{,3}"])),
    ("a{2", "a{2", Some(&["a{2"])),
    ("{a", "{a", Some(&["{a"])),
    ("}", "}", Some(&["}"])),
    ("]", "]", Some(&["]"])),
    ("a{2,}", "aaa", Some(&["aaa"])),
    ("a{1,2}?", "aa", Some(&["a"])),
    ("x{0}y", "xy", Some(&["y"])),
    (r#"\x41\u0042"#, "AB", Some(&["AB"])),
    (r#"\cA\cz"#, "\u{1}\u{1a}", Some(&["\u{1}\u{1a}"])),
    (r#"\e\a\f\v\t"#, "\u{1b}\u{7}\u{c}\u{b}\t", Some(&["\u{1b}\u{7}\u{c}\u{b}\t"])),
    (r#"\011\07"#, "\t\u{7}", Some(&["\t\u{7}"])),
    (r#"\0418"#, "!8", Some(&["!8"])),
    (r#"\08"#, "\u{0}8", Some(&["\u{0}8"])),
    (r#"\Q\h\R\K\X\N\i\_\-\/\<\>\'\"\!"#, r#"QhRKXNi_-/<>'"!"#, Some(&[r#"QhRKXNi_-/<>'"!"#])),
    ("[[a]b]", "[b]", Some(&["[b]"])),
    ("[[a]b]", "ab]", Some(&["ab]"])),
    ("[a&&b]+", "&a&", Some(&["&a&"])),
    ("[a~~b]+", "~", Some(&["~"])),
    ("[]a]+", "]a", Some(&["]a"])),
    ("[^]a]", "b", Some(&["b"])),
    ("[^]a]", "]", None),
    ("[a-]+", "-a", Some(&["-a"])),
    ("[-a]+", "-a", Some(&["-a"])),
    (r#"[\d-x]+"#, "5-x", Some(&["5-x"])),
    (r#"[a\-z]+"#, "-a", Some(&["-a"])),
    (r#"[a\-z]+"#, "m", None),
    (r#"[a\]b]+"#, "]", Some(&["]"])),
    (r#"[\b]"#, "\u{8}", Some(&["\u{8}"])),
    (r#"[\x41-\x43]+"#, "ABCD", Some(&["ABC"])),
    ("[a-c-e]+", "-e", Some(&["-e"])),
    ("[+--]+", "+,-.", Some(&["+,-"])),
    (r#"[a\^]"#, "^", Some(&["^"])),
    (r#"[\w.]+"#, "a.b", Some(&["a.b"])),
    (r#"[\[\]]+"#, "[]", Some(&["[]"])),
    ("[a^]", "^", Some(&["^"])),
    ("[.*+?]+", ".*+?", Some(&[".*+?"])),
    ("(?#c)a", "a", Some(&["a"])),
    ("a(?#c)*", "aa", Some(&["aa"])),
    ("(?x)a b # c", "ab", Some(&["ab"])),
    ("(?x:a b) c", "ab c", Some(&["ab c"])),
    ("(?n)(a)(?<x>b)", "ab", Some(&["ab", "b"])),
    ("(?n:(a))(b)", "ab", Some(&["ab", "b"])),
    ("(?i)aB", "Ab", Some(&["Ab"])),
    ("(?i:a)b", "Ab", Some(&["Ab"])),
    ("(?i:a)b", "AB", None),
    ("(?i)a(?-i)b", "Ab", Some(&["Ab"])),
    ("(?i)a(?-i)b", "AB", None),
    ("(a(?i)b|c)", "aB", Some(&["aB", "aB"])),
    ("(a(?i)b|c)", "C", Some(&["C", "C"])),
    ("(?s-i)a.", "ab", Some(&["ab"])),
    (
        r#"^(?:\s+\d+\>)?([^\s].*)\((\d+),(\d+)\)\s*:\s+(error|warning|info)\s+(\w{1,2}\d+)\s*:\s*(.*)$"#,
        "  1>a/b.cs(3,4): error CS12: no",
        Some(&["  1>a/b.cs(3,4): error CS12: no", "a/b.cs", "3", "4", "error", "CS12", "no"]),
    ),
    (
        r#"^\s*File\s\"(.*)\",\sline\s(\d+)"#,
        r#"  File "a.py", line 7"#,
        Some(&[r#"  File "a.py", line 7"#, "a.py", "7"]),
    ),
    ("(a)|(b)", "b", Some(&["b", "", "b"])),
    (r#"a\/b"#, "a/b", Some(&["a/b"])),
    ("[[]x{y}", "[x{y}", Some(&["[x{y}"])),
    ("(?<x>a|b)+", "ab", Some(&["ab", "b"])),
    (r#"^(.+):(\d+):\s(.+)$"#, "é/ü.c:3: 日本", Some(&["é/ü.c:3: 日本", "é/ü.c", "3", "日本"])),
];

/// What .NET refuses.
const INVALID: &[&str] = &[
    "[a-[b]",
    "(?P<x>a)",
    "a++",
    "a*+",
    "a{2}{3}",
    r#"\p{Greek}"#,
    r#"\pL"#,
    r#"\p{Foo}"#,
    r#"\p{IsFoo}"#,
    "[a--b]",
    "[z-a]",
    r#"[a-\d]"#,
    r#"\u{41}"#,
    r#"\x4"#,
    r#"\cé"#,
    "a{2,1}",
    "a**",
    "*a",
    "a|*",
    "(*)",
    "(",
    "a)",
    "[a",
    "[",
    r#"\"#,
    "(?<>a)",
    "(?<n",
    "(?<1x>a)",
    "(?",
    "(?)",
    "(?z)",
    "(?#a",
    r#"\k<n>"#,
    r#"\kx"#,
    "[a-z-[aeiou]x]",
    "(?(1)a|b)",
    "a???",
    "(?i)*",
    "[]",
    "[^]",
    "(?<n>a",
    r#"\p{"#,
];

#[test]
fn means_what_it_means_to_dotnet() {
    for (pattern, line, expect) in MATCHES {
        let found = Regexp::new(pattern).expect(pattern).search(line).expect("in time");
        let found = found.as_ref().map(|groups| groups.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), *expect, "{pattern} on {line}");
    }
}

#[test]
fn refuses_what_dotnet_refuses() {
    for pattern in INVALID {
        let refused = Regexp::new(pattern).map(|_| translated(pattern).expect("taken").pattern);
        assert!(matches!(refused, Err(PatternError::Invalid(_))), "{pattern}: {refused:?}");
    }
}

#[test]
fn says_what_only_dotnet_takes() {
    let check = |pattern: &str, what: &str| {
        assert_eq!(translated(pattern), Err(Refused::Beyond(what.to_owned())), "{pattern}");
    };
    check("(?<b>y)(?<a-b>x)", "a balancing group");
    check("(?<n>a)(?<n>b)", "two groups of one name");
    check("(?<2>a)(b)", "a group with a number of its own");
    check("\\1(a)", "a reference to a group that is not opened before it");
    check("(?(?=a)a|b)", "a condition that is not the number of a group");
    check("(?<=(a+))b", "a group or reference within a lookbehind of varying length");
    check("(a)(?<=\\1)", "a group or reference within a lookbehind of varying length");
    check("\\p{Cs}", "halves of characters beyond U+FFFF");
    check("\\ud83d", "the half of a character beyond U+FFFF");
    check("[a-\\-]", "a range that ends with \\-");
    check("a\\b*", "a quantifier behind an assertion");
    check("[[:x:]]", "[: :] in a class");
    check("(?<n>a)\\<n>", "a reference without \\k");
    check(&"(".repeat(1_000), "more than 200 groups within one another");
    check(&"[a-".repeat(1_000), "classes subtracted from classes without end");
    let huge = Regexp::new("(?:a{1000}){1000}").map(|_| ());
    assert!(matches!(huge, Err(PatternError::Beyond(_))), "{huge:?}");
}
