//! Which HTML of a summary is let through, as GitHub lets it: no scripts, no styles, no addresses within the page, nothing that
//! loads anything. `ammonia` parses it as a browser does and writes it anew, so that what it is here it is there.

use super::bound::ELEMENTS;
use ammonia::{Builder, UrlRelative};
use std::sync::LazyLock;

/// Where links may lead.
pub(super) const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

const HEADINGS: [&str; 4] = ["h3", "h4", "h5", "h6"];

/// What elements may have.
const ATTRIBUTES: [(&str, &[&str]); 14] = [
    ("a", &["href", "title"]),
    ("abbr", &["title"]),
    ("bdo", &["dir"]),
    ("code", &["class"]),
    ("details", &["open"]),
    ("dfn", &["title"]),
    ("div", &["align", "dir"]),
    ("li", &["dir", "value"]),
    ("ol", &["reversed", "start"]),
    ("p", &["align", "dir"]),
    ("span", &["dir"]),
    ("td", &["align", "colspan", "dir", "rowspan"]),
    ("th", &["align", "colspan", "dir", "rowspan"]),
    ("tr", &["align"]),
];

/// What is put around a table, and nothing else has.
const AROUND: [(&str, &str); 4] =
    [("class", "scroll"), ("tabindex", "0"), ("role", "group"), ("aria-label", "Table")];

static LIST: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let headings = HEADINGS.into_iter().map(|heading| (heading, ["align"].as_slice()));
    let attributes = ATTRIBUTES.into_iter().chain(headings);
    let around = AROUND.into_iter().map(|(key, value)| (key, [value].into())).collect();
    let mut list = Builder::empty();
    list.tags(ELEMENTS.into())
        .tag_attributes(attributes.map(|(name, keys)| (name, keys.iter().copied().collect())).collect())
        .tag_attribute_values([("div", around)].into())
        .url_schemes(SCHEMES.into())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"));
    list
});

/// What of a text of HTML may stand on a page.
pub(super) fn clean(html: &str) -> String {
    LIST.clean(html).to_string()
}
