//! The page of an error: what happened, why, what to do, and the code to look it up by.

use super::{Chrome, View, document, icons::Shape, layout::heading, marks::Tone};
use maud::{Markup, html};
use shipway_api::Problem;

/// The whole document; with the menu for who is signed in.
pub fn page(problem: &Problem, signed_in: bool) -> Markup {
    let mut view = View::new(problem.title.clone(), "", "narrow").with("error", content(problem));
    view.tone = Tone::Bad;
    document(&view, Chrome { version: env!("CARGO_PKG_VERSION"), signed_in })
}

fn content(problem: &Problem) -> Markup {
    html! {
        (heading(Tone::Bad, Shape::Cross, &html! { (problem.title) }))
        p class="lead" { (sentence(&problem.detail)) }
        @if let Some(help) = &problem.help { p { (help) } }
        @if problem.findings.len() > 1 {
            ul { @for finding in &problem.findings { li { code { (finding) } } } }
        }
        p { a class="button" href="/" { "Go home" } }
        p class="dim" { "Code " code { (problem.code) } ", status " (problem.status) "." }
    }
}

/// Details are written without a capital and without an end, to be joined to other texts.
fn sentence(detail: &str) -> String {
    let mut chars = detail.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if detail.ends_with(['.', '?', ':']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
