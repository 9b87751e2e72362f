//! The pages, as pure functions from wire types to HTML.
//!
//! A page is a [`View`]: a title, a tone, and regions with ids. The same regions make the whole page and the live
//! patches, so the two cannot disagree. Nothing here reads a clock or asks the backend; `now` is an argument.
//! maud is used in this module only.

mod ansi;
pub mod assets;
mod chart;
pub mod error;
mod evidence;
mod graph;
pub mod home;
mod icons;
mod instances;
pub mod job;
mod jobs;
mod layout;
mod markdown;
mod marks;
mod parts;
pub mod rollout;
pub mod rollouts;
pub mod run;
pub mod runs;
pub mod settings;
pub mod sign_in;
mod steps;
mod summaries;
pub mod workflow;
pub mod workflows;

use marks::Tone;
use maud::{Markup, html};
use serde_json::Value;
use shipway_api::{Job, Run};
use shipway_base::Timestamp;

pub(crate) use ansi::plain as plain_text;
pub(crate) use jobs::view as jobs_page;
pub use layout::{Chrome, document};
pub(crate) use markdown::cut as beginning;
pub(crate) use summaries::{Stamp, stamp};

/// One page, or the live part of one.
#[derive(Debug)]
pub struct View {
    /// What the page is about, without the name of the product.
    title: String,
    /// The word for its state, which leads the title.
    word: Option<std::borrow::Cow<'static, str>>,
    /// How it is going, for the icon of the window.
    tone: Tone,
    /// Which of the places in the navigation it belongs to, as its path.
    place: &'static str,
    /// The class of the main element, which arranges the regions.
    class: &'static str,
    /// The path of the stream of its updates, when it has any.
    live: Option<String>,
    /// Its parts in order.
    pub(crate) regions: Vec<Region>,
    /// What scripts are told beside the regions: the name of an event, and its data.
    pub(crate) facts: Vec<(&'static str, Value)>,
    /// The server's idea of now, which ages on the page are counted from.
    now: Option<Timestamp>,
    /// For a page with the log viewer: the path of the lines that it will ask for first.
    viewer: Option<String>,
}

/// A part of a page that is replaced as a whole.
#[derive(Debug)]
pub(crate) struct Region {
    /// The id of its element.
    pub(crate) id: &'static str,
    /// What is in it.
    content: Markup,
}

impl View {
    fn new(title: impl Into<String>, place: &'static str, class: &'static str) -> View {
        View {
            title: title.into(),
            word: None,
            tone: Tone::Quiet,
            place,
            class,
            live: None,
            regions: Vec::new(),
            facts: Vec::new(),
            now: None,
            viewer: None,
        }
    }

    fn with(mut self, id: &'static str, content: Markup) -> View {
        self.regions.push(Region { id, content });
        self
    }

    /// Adds the summaries of the jobs of a run.
    pub(crate) fn with_summaries(self, run: &Run) -> View {
        self.with("summaries", summaries::of_run(run))
    }

    /// Adds all of the summary of a job.
    pub(crate) fn with_summary(self, run: &Run, job: &Job, text: Option<&str>) -> View {
        self.with("summary", summaries::of_job(run, job, text))
    }

    /// Makes the page live: the stream of its updates, and when it was rendered.
    fn lives_on(&mut self, stream: String, now: Timestamp) {
        self.live = Some(stream);
        self.now = Some(now);
    }

    /// The title of the window: the state first, so that it can be read off a tab.
    pub(crate) fn document_title(&self) -> String {
        match &self.word {
            Some(word) => format!("{word}: {} - Shipway", self.title),
            None => format!("{} - Shipway", self.title),
        }
    }

    /// The path of the icon of the window.
    pub(crate) fn icon(&self) -> &'static str {
        assets::path(match self.tone {
            Tone::Good => "icon-good.svg",
            Tone::Bad => "icon-bad.svg",
            Tone::Busy => "icon-busy.svg",
            Tone::Wait => "icon-wait.svg",
            Tone::Quiet => "icon.svg",
        })
    }
}

impl Region {
    /// Its element. An empty region keeps its place without taking room.
    pub(crate) fn render(&self) -> Markup {
        html! { div class="region" id=(self.id) { (self.content) } }
    }
}
