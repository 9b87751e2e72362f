//! Secrets and variables. No secret's value ever comes here.

use super::{View, parts};
use maud::{Markup, html};
use shipway_api::{NamedValue, ValueKind};
use shipway_base::Timestamp;

/// The page.
pub fn view(secrets: &[NamedValue], variables: &[NamedValue], now: Timestamp) -> View {
    View::new("Settings", "/settings", "wide")
        .with("head", html! { h1 { "Settings" } })
        .with("secrets", section(ValueKind::Secret, secrets, now))
        .with("variables", section(ValueKind::Variable, variables, now))
}

fn section(kind: ValueKind, values: &[NamedValue], now: Timestamp) -> Markup {
    let (title, what) = match kind {
        ValueKind::Secret => (
            "Secrets",
            "Workflows read them as secrets.NAME; logs show *** instead. A value that was set is never shown again.",
        ),
        ValueKind::Variable => ("Variables", "Workflows read them as vars.NAME. They are not secret."),
    };
    html! {
        h2 { (title) }
        p class="dim" { (what) }
        @if !values.is_empty() {
            ul class="rows" { @for value in values { (row(kind, value, now)) } }
        }
        form class="command-form inputs" method="post" action={ "/settings/" (kind.segment()) } {
            label for={ (kind.word()) "-name" } { "Name" }
            input type="text" id={ (kind.word()) "-name" } name="name" required autocomplete="off" spellcheck="false";
            label for={ (kind.word()) "-environment" } { "Environment" span class="dim" { " (empty for every job)" } }
            input type="text" id={ (kind.word()) "-environment" } name="environment" autocomplete="off";
            label for={ (kind.word()) "-value" } { "Value" }
            textarea id={ (kind.word()) "-value" } name="value" rows="2" required autocomplete="off" spellcheck="false" {}
            button { "Set " (kind.word()) }
        }
    }
}

fn row(kind: ValueKind, value: &NamedValue, now: Timestamp) -> Markup {
    html! {
        li {
            div class="what" {
                code class="title" { (value.name) }
                @if let Some(text) = &value.value { span class="dim" { (shortened(text)) } }
            }
            @if let Some(environment) = &value.environment { span class="tag" { (environment) } }
            span class="num dim" { (parts::ago(value.updated_at, now)) }
            form method="post" action={ "/settings/" (kind.segment()) "/remove" } {
                input type="hidden" name="name" value=(value.name);
                input type="hidden" name="environment" value=(value.environment.as_deref().unwrap_or_default());
                button aria-label={ "Remove " (kind.word()) " " (value.name) } { "Remove" }
            }
        }
    }
}

/// The beginning of a long value: a page has its budget.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
