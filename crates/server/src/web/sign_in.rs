//! Signing in: a link from the command line, used once.

use super::{View, parts};
use maud::{Markup, html};

/// Why the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody is signed in.
    Fresh,
    /// The link was used already, has expired, or never was one.
    Dead,
}

/// The page that says how to get a link.
pub fn view(reason: Reason, command: &str) -> View {
    let title = match reason {
        Reason::Fresh => "Sign in",
        Reason::Dead => "This sign-in link no longer works",
    };
    View::new(title, "", "narrow").with("sign-in", content(reason, title, command))
}

/// The page after a link that was opened from elsewhere: the browser sends the new cookie from here on only.
pub fn done(next: &str) -> View {
    let content = html! {
        h1 { "You are signed in" }
        p { a class="button" href=(next) data-go { "Continue" } }
    };
    View::new("Signed in", "", "narrow").with("sign-in", content)
}

fn content(reason: Reason, title: &str, command: &str) -> Markup {
    html! {
        h1 { (title) }
        @match reason {
            Reason::Fresh => p class="lead" { "Shipway has no passwords. A link from the command line signs this browser in." },
            Reason::Dead => p class="lead" { "Each link works once and for fifteen minutes. Nothing is wrong; ask for a new one." },
        }
        p { "On the machine where the server runs:" }
        (parts::command(command))
        @if reason == Reason::Dead { p class="dim" { "Code " code { (shipway_api::codes::SIGN_IN_LINK) } "." } }
        p class="dim" { "Open the link it prints in this browser. You then stay signed in for a week." }
    }
}
