//! Markdown of job summaries as HTML that can do no harm: whoever writes a step writes it.
//!
//! HTML within it is shown as text, a link leads by `http`, `https` or `mailto` or is no link, and an image, which no page of ours
//! may load from elsewhere, is a link to it. What is long is cut, and what would become more than it was, or take long to understand,
//! is shown as it is written.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

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
    let markup = match pieces_of(shown, room.pieces) {
        None => html! { pre class="prose" { (shown) } },
        Some(pieces) => {
            room.pieces -= pieces.len();
            html! { div class="markdown" { (PreEscaped(written(pieces))) } }
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

fn written(pieces: Vec<Event<'_>>) -> String {
    let mut state = State::default();
    let mut safe = Vec::with_capacity(pieces.len());
    for piece in pieces {
        state.take(piece, &mut safe);
    }
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, safe.into_iter());
    out
}

/// Which links and images are open, and whether each is written as a link.
#[derive(Default)]
struct State {
    open: Vec<bool>,
}

impl State {
    fn take<'t>(&mut self, piece: Event<'t>, safe: &mut Vec<Event<'t>>) {
        match piece {
            // It is text like any other, but for remarks, which nobody is meant to see.
            Event::Html(text) | Event::InlineHtml(text) => {
                if !(text.trim_start().starts_with("<!--") && text.trim_end().ends_with("-->")) {
                    safe.push(Event::Text(text));
                }
            }
            Event::Start(Tag::HtmlBlock) => safe.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => safe.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Link { dest_url, .. }) => self.begin(dest_url, None, safe),
            Event::Start(Tag::Image { dest_url, .. }) => self.begin(dest_url, Some("Image: "), safe),
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if self.open.pop() == Some(true) {
                    safe.push(Event::End(TagEnd::Link));
                }
            }
            // The page has its own headings above them.
            Event::Start(Tag::Heading { level, .. }) => {
                let level = lower(level);
                safe.push(Event::Start(Tag::Heading {
                    level,
                    id: None,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
            }
            Event::End(TagEnd::Heading(level)) => safe.push(Event::End(TagEnd::Heading(lower(level)))),
            // Its alignment would be a style in the page, which none of ours may have.
            Event::Start(Tag::Table(columns)) => {
                let scrolls = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\">";
                safe.push(Event::Html(CowStr::Borrowed(scrolls)));
                safe.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
            }
            Event::End(TagEnd::Table) => {
                safe.extend([Event::End(TagEnd::Table), Event::Html(CowStr::Borrowed("</div>"))]);
            }
            Event::TaskListMarker(done) => safe.push(Event::Text(if done { "☑ " } else { "☐ " }.into())),
            // What is left has no addresses and no attributes of its author's.
            other @ (Event::Start(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule) => safe.push(other),
        }
    }

    fn begin<'t>(&mut self, address: CowStr<'t>, word: Option<&'static str>, safe: &mut Vec<Event<'t>>) {
        let links = is_address(&address) && !self.open.contains(&true);
        self.open.push(links);
        if links {
            safe.push(Event::Start(Tag::Link {
                link_type: pulldown_cmark::LinkType::Inline,
                dest_url: address,
                title: CowStr::Borrowed(""),
                id: CowStr::Borrowed(""),
            }));
        }
        safe.extend(word.map(|word| Event::Text(word.into())));
    }
}

/// Whether a link may lead there.
fn is_address(address: &str) -> bool {
    let Some((scheme, _)) = address.split_once(':') else { return false };
    ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
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

    #[test]
    fn what_summaries_have_is_rendered() {
        check("# Tests\n\n**3** of `4`", "<h3>Tests</h3>\n<p><strong>3</strong> of <code>4</code></p>");
        check("- [x] a\n- [ ] b", "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>");
        check("```sh\na < b\n```", "<pre><code class=\"language-sh\">a &lt; b\n</code></pre>");
        check("~~old~~", "<p><del>old</del></p>");
        check("[x](https://a.example/?b=1&c=2)", "<p><a href=\"https://a.example/?b=1&amp;c=2\">x</a></p>");
        check("<mailto:a@b.example>", "<p><a href=\"mailto:a@b.example\">mailto:a@b.example</a></p>");
        let table = rendered("| a | b |\n|:-:|--:|\n| 1 | 2 |\n");
        assert!(
            table.contains("<th>a</th>") && table.contains("<td>2</td>") && !table.contains("style"),
            "{table}"
        );
    }

    #[test]
    fn what_would_do_harm_is_text() {
        check("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
        check("a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>");
        check("a <!-- hidden --> b", "<p>a  b</p>");
        check("[x](javascript:alert(1))", "<p>x</p>");
        check("[x](JavaScript&colon;alert)", "<p>x</p>");
        check("[x](data:text/html,y) [z](/runs/1) [w](//evil.example)", "<p>x z w</p>");
        check(
            "![chart](https://a.example/c.png)",
            "<p><a href=\"https://a.example/c.png\">Image: chart</a></p>",
        );
        check("![chart](chart.png)", "<p>Image: chart</p>");
        check(
            "[![badge](https://a.example/b.svg)](https://a.example)",
            "<p><a href=\"https://a.example\">Image: badge</a></p>",
        );
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

    proptest! {
        #[test]
        fn no_text_becomes_more_than_it_may(
            parts in prop::collection::vec(prop_oneof![
                "\\PC{0,12}",
                prop::sample::select(vec![
                    "<script>", "</div>", "<img src=x onerror=y>", "[a](", ")", "![", "](javascript:x)", "|", "|-|", "\n", "```", "> ",
                    "# ", "- [x] ", "<https://a.example>", "&lt;", "\u{0}", "\"", "'", "<!--", "-->", "[a]: javascript:x\n", "[^1]",
                ]).prop_map(str::to_owned),
            ], 0..40),
        ) {
            let text = parts.concat();
            let found = rendered(&text);
            let known = [
                "a", "blockquote", "br", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong",
                "table", "tbody", "td", "th", "thead", "tr", "ul",
            ];
            for tag in found.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').expect("what is text is escaped");
                let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                prop_assert!(known.contains(&name.as_str()), "<{tag}> of {text:?}");
                if let Some((_, address)) = tag.split_once("href=\"") {
                    prop_assert!(is_address(address), "{tag}");
                }
                prop_assert!(!tag.contains(" on") && !tag.contains("style="), "<{tag}> of {text:?}");
            }
        }
    }
}
