//! The frame around every page.

use super::{View, assets, icons::Shape, marks::Tone};
use maud::{DOCTYPE, Markup, html};
use shipway_base::Timestamp;

/// What the frame needs to know beside the view.
#[derive(Clone, Copy, Debug)]
pub struct Chrome<'a> {
    /// The version of the server.
    pub version: &'a str,
    /// Whether someone is signed in; else there is nowhere to go.
    pub signed_in: bool,
}

/// The whole document.
pub fn document(view: &View, chrome: Chrome<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (view.document_title()) }
                link rel="icon" id="icon" type="image/svg+xml" href=(view.icon());
                link rel="stylesheet" href=(assets::path("app.css"));
                script type="module" src=(assets::path("app.js")) {}
                @if let Some(lines) = &view.viewer {
                    // The lines come while the script is still on its way.
                    link rel="preload" as="fetch" href=(lines) crossorigin="anonymous";
                    script type="module" src=(assets::path("log.js")) {}
                }
            }
            body {
                a class="skip" href="#main" { "Skip to content" }
                (header(view, chrome))
                main id="main" class=(view.class) tabindex="-1" data-live=[view.live.as_deref()] data-now=[view.now.map(Timestamp::as_millis)] {
                    @for region in &view.regions { (region.render()) }
                }
                p id="said" class="unseen" role="status" aria-live="polite" {}
                footer { "Shipway " (chrome.version) }
            }
        }
    }
}

fn header(view: &View, chrome: Chrome<'_>) -> Markup {
    let places = [
        ("/", "Home"),
        ("/runs", "Runs"),
        ("/workflows", "Workflows"),
        ("/rollouts", "Rollouts"),
        ("/settings", "Settings"),
    ];
    html! {
        header class="top" {
            a class="brand" href="/" {
                svg viewBox="0 0 24 24" aria-hidden="true" {
                    path d="M3 15h18l-3.2 5H6.2z" {}
                    path d="M11 3v10H5z" {}
                    path d="M13 5v8h5z" opacity=".55" {}
                }
                "Shipway"
            }
            @if chrome.signed_in {
                nav aria-label="Main" {
                    @for (path, name) in places {
                        a href=(path) aria-current=[(path == view.place).then_some("page")] { (name) }
                    }
                }
                span class="gap" {}
                @if view.live.is_some() {
                    span id="live" class="live" hidden { span class="dot" {} span id="live-word" { "Live" } }
                }
                form method="post" action="/sign-out" { button class="plain" { "Sign out" } }
            }
        }
    }
}

/// The title line of a page: a heading with its mark.
pub(super) fn heading(tone: Tone, shape: Shape, title: &Markup) -> Markup {
    html! { h1 { span class={ "sign " (tone.class()) } { (super::icons::icon(shape)) } (title) } }
}
