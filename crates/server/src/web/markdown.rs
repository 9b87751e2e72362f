//! Markdown of job summaries as HTML that can do no harm: whoever writes a step writes it.
//!
//! HTML within it is brought within bounds (`bound`) and let through by a list (`clean`). A link leads by `http`, `https` or `mailto`
//! or is no link, and an image, which no page of ours may load from elsewhere, is a link to it. What is long is cut, and what would
//! become more than it was, or take long to understand, is shown as it is written.

mod bound;
mod clean;

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd};

/// So many quotes and lists may begin on one line: each line after it is looked at once for each of them, so that 1 MiB of `> > > >`
/// with short lines would take minutes.
const MOST_NESTED: usize = 100;

/// What a page has room for, less with each text on it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// So many bytes of Markdown.
    pub(super) bytes: usize,
    /// So many pieces that they may be made of; a table of empty cells has far more of them than bytes.
    pub(super) pieces: usize,
}

/// A text on a page.
pub(super) struct Rendered {
    /// Its HTML.
    pub(super) markup: Markup,
    /// How many bytes of the text are in it.
    pub(super) bytes: usize,
}

/// The HTML of at most `most` bytes of a text, as far as there is room.
pub(super) fn render(text: &str, most: usize, room: &mut Room) -> Rendered {
    let shown = cut(text, most.min(room.bytes));
    room.bytes -= shown.len();
    let markup = match written(shown, room.pieces) {
        None => html! { pre class="prose" { (shown) } },
        Some((safe, pieces)) => {
            room.pieces -= pieces;
            html! { div class="markdown" { (PreEscaped(safe)) } }
        }
    };
    Rendered { markup, bytes: shown.len() }
}

/// What a text is made of; `None` when it is of more than `most` pieces or nested beyond what anyone reads.
fn pieces_of(text: &str, most: usize) -> Option<Vec<Event<'_>>> {
    if text.split(['\n', '\r']).any(|line| nested(line) > MOST_NESTED) {
        return None;
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let pieces: Vec<Event<'_>> = Parser::new_ext(text, options).take(most + 1).collect();
    (pieces.len() <= most).then_some(pieces)
}

/// How many quotes and lists may be open after the first words of a line: those that begin on it, and those that what is indented
/// before them may belong to.
fn nested(line: &str) -> usize {
    let mut rest = line.bytes().peekable();
    let (mut count, mut columns) = (0, 0);
    while let Some(byte) = rest.next() {
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += 4,
            b'0'..=b'9' => {}
            b'>' => count += 1 + std::mem::take(&mut columns) / 2,
            b'-' | b'*' | b'+' | b'.' | b')'
                if rest.peek().is_none_or(|next| matches!(next, b' ' | b'\t')) =>
            {
                count += 1 + std::mem::take(&mut columns) / 2;
            }
            _ => break,
        }
    }
    count
}

/// The beginning of a long text, up to the end of a line unless that line is long.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let end = text.floor_char_boundary(most);
    if end == text.len() {
        return text;
    }
    let line = text[..end].rfind('\n').map(|line| line + 1).filter(|line| *line > end / 2);
    &text[..line.unwrap_or(end)]
}

/// A text as HTML that does no harm, and how many pieces that is made of; `None` when they are more than `most`.
fn written(text: &str, most: usize) -> Option<(String, usize)> {
    let pieces = pieces_of(text, most)?;
    let count = pieces.len();
    let mut tables = Tables::default();
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, pieces.into_iter().map(|piece| tables.take(piece)));
    let (html, tags) = bound::bound(&html, most)?;
    Some((clean::clean(&html), count.max(tags)))
}

/// How the columns of the table that is written are aligned. Others write that as a style, which no page of ours may have.
#[derive(Default)]
struct Tables {
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

impl Tables {
    fn take<'t>(&mut self, piece: Event<'t>) -> Event<'t> {
        let html = |text: &'static str| Event::Html(CowStr::Borrowed(text));
        match piece {
            Event::Start(Tag::Table(columns)) => {
                self.columns = columns;
                html("<table>\n")
            }
            Event::End(TagEnd::Table) => html("</tbody></table>\n"),
            Event::Start(Tag::TableHead) => {
                (self.column, self.in_head) = (0, true);
                html("<thead><tr>")
            }
            Event::End(TagEnd::TableHead) => {
                self.in_head = false;
                html("</tr></thead>\n<tbody>")
            }
            Event::Start(Tag::TableRow) => {
                self.column = 0;
                html("<tr>")
            }
            Event::End(TagEnd::TableRow) => html("</tr>\n"),
            Event::Start(Tag::TableCell) => {
                let column = self.columns.get(self.column).copied().unwrap_or(Alignment::None);
                self.column += 1;
                html(match (self.in_head, column) {
                    (true, Alignment::None) => "<th>",
                    (true, Alignment::Left) => "<th align=\"left\">",
                    (true, Alignment::Center) => "<th align=\"center\">",
                    (true, Alignment::Right) => "<th align=\"right\">",
                    (false, Alignment::None) => "<td>",
                    (false, Alignment::Left) => "<td align=\"left\">",
                    (false, Alignment::Center) => "<td align=\"center\">",
                    (false, Alignment::Right) => "<td align=\"right\">",
                })
            }
            Event::End(TagEnd::TableCell) => html(if self.in_head { "</th>" } else { "</td>" }),
            Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
            other @ (Event::Start(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::Code(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule) => other,
        }
    }
}

/// Whether a link may lead there.
fn is_address(address: &str) -> bool {
    let Some((scheme, _)) = address.split_once(':') else { return false };
    clean::SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(text: &str) -> String {
        render(text, 16 << 10, &mut Room { bytes: 1 << 20, pieces: 20_000 }).markup.into_string()
    }

    fn check(text: &str, expect: &str) {
        let found = rendered(text);
        let inner =
            found.strip_prefix("<div class=\"markdown\">").and_then(|rest| rest.strip_suffix("</div>"));
        assert_eq!(inner.map(str::trim_end), Some(expect), "{text:?}");
    }

    const REL: &str = "rel=\"nofollow noopener noreferrer\"";

    #[test]
    fn what_summaries_have_is_rendered() {
        check("# Tests\n\n**3** of `4`", "<h3>Tests</h3>\n<p><strong>3</strong> of <code>4</code></p>");
        check("- [x] a\n- [ ] b", "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>");
        check("```sh\na < b\n```", "<pre><code class=\"language-sh\">a &lt; b\n</code></pre>");
        check("~~old~~", "<p><del>old</del></p>");
        check(
            "[x](https://a.example/?b=1&c=2)",
            &format!("<p><a href=\"https://a.example/?b=1&amp;c=2\" {REL}>x</a></p>"),
        );
        check(
            "<mailto:a@b.example>",
            &format!("<p><a href=\"mailto:a@b.example\" {REL}>mailto:a@b.example</a></p>"),
        );
        let table = rendered("| a | b |\n|:-:|--:|\n| 1 | 2 |\n");
        for expect in [
            "<div class=\"scroll\"",
            "<th align=\"center\">a</th>",
            "<td align=\"right\">2</td></tr>\n</tbody></table></div>",
        ] {
            assert!(table.contains(expect) && !table.contains("style"), "{table}");
        }
    }

    /// What `@actions/core`'s `summary` writes for each of its methods.
    #[test]
    fn what_actions_write_is_rendered() {
        check("<h1>T &amp; U</h1>\n", "<h3>T &amp; U</h3>");
        check("<ul><li>a</li><li>b</li></ul>\n", "<ul><li>a</li><li>b</li></ul>");
        check("<ol><li>a</li></ol>\n", "<ol><li>a</li></ol>");
        check(
            "<details><summary>More</summary>text</details>\n",
            "<details><summary>More</summary>text</details>",
        );
        check(
            "<pre lang=\"js\"><code>a < b\n\n  c</code></pre>\n",
            "<pre><code>a &lt; b\n\n  c</code></pre>",
        );
        check("<blockquote cite=\"https://a.example\">q</blockquote>\n", "<blockquote>q</blockquote>");
        check("one<br>two<hr>\n", "<p>one<br>two</p><hr>");
        check("<hr>\n", "<hr>");
        check(
            "<a href=\"https://a.example\">x</a>\n",
            &format!("<p><a href=\"https://a.example\" {REL}>x</a></p>"),
        );
        check(
            "<img src=\"https://a.example/c.png\" alt=\"a <b> chart\" width=\"2\">\n",
            &format!("<a href=\"https://a.example/c.png\" {REL}>Image: a &lt;b&gt; chart</a>"),
        );
        let table = rendered(
            "<table><tr><th>a</th></tr><tr><td colspan=\"2\" rowspan=\"9999\">1</td></tr></table>\n",
        );
        assert!(
            table.contains(
                "<table><tbody><tr><th>a</th></tr><tr><td colspan=\"2\">1</td></tr></tbody></table></div>"
            ),
            "{table}"
        );
        check(
            "<details>\n<summary>S</summary>\n\n**b**\n\n</details>\n\nafter",
            "<details>\n<summary>S</summary>\n<p><strong>b</strong></p>\n</details>\n<p>after</p>",
        );
    }

    #[test]
    fn what_would_do_harm_is_left_out() {
        check("<script>alert(1)</script>", "");
        check("a <script>alert(1)", "<p>a alert(1)</p>");
        check("a <b onclick=x style='color: red' id=live>c</b>", "<p>a <b>c</b></p>");
        check("a <!-- hidden --> b", "<p>a  b</p>");
        check("a <!-- never ends", "<p>a &lt;!-- never ends</p>");
        check("[x](javascript:alert(1))", "<p>x</p>");
        check("[x](JavaScript&colon;alert)", "<p>x</p>");
        check("<a href=\"javascript:alert(1)\">x</a>", "<p>x</p>");
        check("<a href=\" &#106;avascript:alert(1)\">x</a>", "<p>x</p>");
        check("[x](data:text/html,y) [z](/runs/1) [w](//evil.example)", "<p>x z w</p>");
        let image = |word: &str| format!("<p><a href=\"https://a.example/c.png\" {REL}>{word}</a></p>");
        check("![chart](https://a.example/c.png)", &image("Image: chart"));
        check("![](https://a.example/c.png)", &image("Image"));
        check("![chart](chart.png)", "<p>Image: chart</p>");
        check(
            "[![badge](https://a.example/b.svg)](https://a.example)",
            &format!("<p><a href=\"https://a.example\" {REL}>Image: badge</a></p>"),
        );
        check("<form action=/runs/1/cancel><button>x</button><input name=y></form>", "x");
        check(
            "<iframe src=https://evil.example>y</iframe>\n\n<svg><a xlink:href=javascript:x>y</a></svg> b",
            "\n<p> b</p>",
        );
        check("<style>body { display: none }</style>\n\n<base href=//evil.example> b", "\n b");
    }

    #[test]
    fn nothing_leaves_its_place() {
        check("</div></main></body>\n\n# a", "\n<h3>a</h3>");
        check("<div><b>a\n\nb", "<div><b>a\n<p>b</p>\n</b></div>");
        let nested = rendered("<table><tr><td><table><tr><td>a</div></section>\n\nb");
        let cell = "<table><tbody><tr><td>a";
        assert!(nested.contains(&format!("<table><tbody><tr><td>{cell}\n")), "{nested}");
        assert!(
            nested.ends_with("</td></tr></tbody></table></td></tr></tbody></table></div></div>"),
            "{nested}"
        );
        // Texts that other sanitisers wrote such that a browser read them otherwise.
        check("<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "<p>Image\"&gt;</p>");
        check(
            "<p><a title=\"</p><b onclick=x>\" href='https://a.example/\"x'>y</a>",
            &format!(
                "<p><a title=\"&lt;/p&gt;&lt;b onclick=x&gt;\" href=\"https://a.example/&quot;x\" {REL}>y</a></p>"
            ),
        );
        let style = "<style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">";
        let found = rendered(&format!("<math><mtext><table><mglyph>{style}"));
        assert!(!found.contains("onerror") && !found.contains("<img"), "{found}");
    }

    #[test]
    fn what_is_long_is_cut_and_what_grows_is_shown_as_it_is() {
        let long = "a line of words\n".repeat(2_000);
        let mut room = Room { bytes: 20 << 10, pieces: 20_000 };
        let found = render(&long, 16 << 10, &mut room);
        assert_eq!((found.bytes, room.bytes), (16 << 10, 4 << 10));
        assert_eq!(render(&long, 16 << 10, &mut room).bytes, 4 << 10);
        assert_eq!((room.bytes, render(&long, 16 << 10, &mut room).bytes), (0, 0));
        assert_eq!((cut("a\ncdé", 5), cut("abcd\ne", 5), cut("a\nbcde", 5)), ("a\ncd", "abcd\n", "a\nbcd"));
        let wide = format!("|{}\n|{}\n{}", "a|".repeat(600), "-|".repeat(600), "|\n".repeat(2_000));
        let found = rendered(&wide);
        assert!(found.len() < 800 << 10, "{} bytes", found.len());
        let deep = "> ".repeat(8_000);
        assert!(rendered(&deep).len() < 2 << 20);
    }

    #[test]
    fn what_is_nested_beyond_reading_is_shown_as_it_is() {
        for (line, count) in [
            ("> - 1. 2) a > b", 4),
            ("-- a", 0),
            ("", 0),
            (">>\t+ *", 6),
            ("      code", 0),
            ("    - a", 3),
            ("\t\t1. a", 5),
            ("12 > a", 1),
        ] {
            assert_eq!(nested(line), count, "{line}");
        }
        for marker in ["> ", ">", "- ", "1. ", "> * "] {
            let found = rendered(&format!("a\n{}b\nc\n", marker.repeat(MOST_NESTED + 1)));
            assert!(found.starts_with("<pre class=\"prose\">a\n"), "{found}");
            let found = rendered(&format!("{}b", marker.repeat(20)));
            assert!(found.starts_with("<div class=\"markdown\">"), "{found}");
        }
    }

    /// Holds what is written to the list, and every element to its end.
    fn harmless(found: &str) {
        let mut open = Vec::new();
        for tag in found.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("what is text is escaped");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{found}");
                continue;
            }
            let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(bound::ELEMENTS.contains(&name), "<{tag}> in {found}");
            if !matches!(name, "br" | "hr" | "wbr") {
                open.push(name);
            }
            while let Some((key, value)) = rest.split_once("=\"") {
                let (value, after) = value.split_once('"').expect("a value ends");
                let fits = match (name, key.trim()) {
                    ("a", "href") => is_address(value),
                    ("a", "rel") => value == "nofollow noopener noreferrer",
                    ("div", "class") => ["scroll", "markdown"].contains(&value),
                    ("pre", "class") => value == "prose",
                    ("code", "class") => value.starts_with("language-"),
                    (_, key) => {
                        let known = [
                            "title", "align", "colspan", "rowspan", "start", "value", "reversed", "open",
                            "dir",
                        ];
                        known.contains(&key)
                            || name == "div" && ["tabindex", "role", "aria-label"].contains(&key)
                    }
                };
                assert!(fits, "{key}={value:?} in {found}");
                rest = after;
            }
        }
        assert_eq!(open, Vec::<&str>::new(), "{found}");
    }

    #[test]
    fn what_a_browser_would_take_long_for_takes_no_time() {
        let many = |text: &str, count: usize| text.repeat(count);
        for text in [
            many("<span>", 90_000) + &many("</i>", 90_000),
            (0..40_000).map(|n| format!("<p><b title={n}></p>x")).collect(),
            (0..40_000).map(|n| format!("<b title={n}><p></b>")).collect(),
            many("<table><tr><td>", 60_000),
            many("<a <a <b=\"", 100_000),
            many("<div <", 150_000) + ">",
            many("<!--", 250_000),
            many("<script>", 130_000),
            many("<li><ul>", 130_000),
            many("</p", 300_000),
            many("<details><summary>", 50_000),
            many("<a href=https://a.example><table>", 30_000),
            many("<ruby><rt>", 100_000),
        ] {
            let (html, _) = bound::bound(&text, usize::MAX).expect("as many as there are");
            assert!(html.len() < 6 << 20, "{} bytes of {}", html.len(), &text[..20]);
            let deepest = html.split('<').skip(1).scan(0_i32, |deep, tag| {
                *deep += if tag.starts_with('/') { -1 } else { 1 };
                Some(*deep)
            });
            // Nothing is nested, so that nothing that follows looks through more than this for each tag.
            assert!(deepest.max() <= Some(102), "{}", &text[..20]);
            let mut room = Room { bytes: 1 << 20, pieces: 250_000 };
            harmless(&render(&text, 1 << 20, &mut room).markup.into_string());
        }
    }

    proptest! {
        #[test]
        fn no_text_becomes_more_than_it_may(
            parts in prop::collection::vec(prop_oneof![
                "\\PC{0,12}",
                prop::sample::select(vec![
                    "<script>", "</script>", "</div>", "<div>", "<img src=x onerror=y>", "[a](", ")", "![", "](javascript:x)", "|", "|-|",
                    "\n", "\n\n", "```", "> ", "# ", "- [x] ", "<https://a.example>", "&lt;", "\u{0}", "\"", "'", "<!--", "-->",
                    "[a]: javascript:x\n", "[^1]", "<table>", "<tr>", "<td align=right>", "</table>", "<p>", "</p>", "<b>", "</b>", "<i>",
                    "<a href='https://a.example'>", "<a href=\"java\nscript:x\">", "</a>", "<svg>", "<math>", "<style>", "</style>",
                    "<details open>", "<summary>", "</details>", "<li>", "<select>", "<textarea>", "<title>", "<plaintext>", "<xmp>",
                    "<template>", "<form>", "<p id=live class=region style=x>", "<h1>", "</h1>", "<center>", "<caption>", "<ruby>", "<rt>",
                    "<noscript>", "<frameset>", "<body onload=x>", "<html>", "<br/>", "</br>", "<hr>", "<a title='", ">", "<", "</",
                    "<code class=\"language-x y\">", "<![CDATA[", "]]>", "<?", "<mglyph>", "<mtext>", "<foreignObject>", "<nobr>", "=",
                ]).prop_map(str::to_owned),
            ], 0..40),
        ) {
            harmless(&rendered(&parts.concat()));
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), tags in "[<>/=\"' a-z!-]{0,200}") {
            harmless(&rendered(&String::from_utf8_lossy(&bytes)));
            harmless(&rendered(&tags));
        }

        /// What is bounded stays as it is, so that bounding takes nothing away twice.
        #[test]
        fn what_is_bounded_is_bounded(html in "(<(/?(b|p|li|ul|td|tr|table|div|a href=\"https:x\"))>|x| ){0,30}") {
            let (once, _) = bound::bound(&html, usize::MAX).expect("few");
            let opens = once.matches('<').count() - once.matches("</").count();
            prop_assert_eq!(opens, once.matches("</").count());
        }
    }
}
