//! The shapes of states, drawn on a grid of 16 by 16.

use maud::{Markup, html};

/// A shape that can be told apart without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A filled circle with a tick.
    Check,
    /// A filled octagon with a cross.
    Cross,
    /// A ring with a moving arc.
    Arc,
    /// An empty circle.
    Circle,
    /// A circle with two bars.
    Bars,
    /// A square with a slash.
    Slash,
    /// Two angles to the right.
    Skip,
    /// A filled diamond with an arrow to the left.
    Back,
}

/// The shape as an image without a name: the word always stands beside it.
pub(super) fn icon(shape: Shape) -> Markup {
    html! { svg class="icon" viewBox="0 0 16 16" aria-hidden="true" { (paths(shape)) } }
}

/// The paths alone, for a place within a larger image.
pub(super) fn paths(shape: Shape) -> Markup {
    match shape {
        Shape::Check => {
            html! { circle class="f" cx="8" cy="8" r="7" {} path class="k" d="M4.7 8.3l2.2 2.2 4.4-4.8" {} }
        }
        Shape::Cross => html! {
            path class="f" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" {}
            path class="k" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" {}
        },
        Shape::Arc => html! {
            circle class="s dim" cx="8" cy="8" r="6" {}
            path class="s spin" d="M8 2a6 6 0 0 1 6 6" {}
        },
        Shape::Circle => html! { circle class="s" cx="8" cy="8" r="6" {} },
        Shape::Bars => {
            html! { circle class="s" cx="8" cy="8" r="6.2" {} path class="s" d="M6.2 5.5v5M9.8 5.5v5" {} }
        }
        Shape::Slash => html! {
            rect class="s" x="2.2" y="2.2" width="11.6" height="11.6" rx="2" {}
            path class="s" d="M5 11l6-6" {}
        },
        Shape::Skip => html! { path class="s" d="M3.5 3.5L8 8l-4.5 4.5M8.5 3.5L13 8l-4.5 4.5" {} },
        Shape::Back => html! {
            path class="f" d="M8 .5L15.5 8 8 15.5.5 8z" {}
            path class="k" d="M11 8H5.3M7.6 5.6L5.2 8l2.4 2.4" {}
        },
    }
}
