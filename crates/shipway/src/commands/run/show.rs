//! How a run is shown: the seam between what happens and what is printed.

use super::{breaks::Waiting, documents::Planned};
use shipway_runner::{BreakNews, Report};
use shipway_workflow::run::{Conclusion, Run};
use std::{io, path::Path};

/// Shows runs. They are told by their places in the list that [`begin`](Show::begin) is given; everything that is shown
/// is masked already.
pub(super) trait Show: Send {
    /// Before anything happens.
    fn begin(&mut self, planned: &[Planned]);

    /// Something happened in a job.
    fn report(&mut self, run: usize, report: &Report);

    /// Ctrl-C was pressed so many times by now.
    fn interrupted(&mut self, times: u32);

    /// A step failed, and waits for somebody to decide.
    fn stopped(&mut self, run: usize, report: &Report, waiting: &Waiting);

    /// Something was done or decided at the failed step `index`, which waits as number `id`.
    fn decided(&mut self, run: usize, report: &Report, index: usize, id: u32, news: &BreakNews);

    /// What somebody asked for cannot be done.
    fn refused(&mut self, why: &str);

    /// A word to whoever sits at the terminal.
    fn tell(&mut self, text: &str);

    /// The question that stands below everything else, or none.
    fn prompt(&mut self, question: Option<String>);

    /// Whether another program has the terminal: nothing is written until it has not.
    fn hold(&mut self, hold: bool);

    /// A run is over. `artifacts` are the folder and the names of what was uploaded.
    fn end(&mut self, run: usize, state: &Run, conclusion: Conclusion, artifacts: Option<(&Path, &[String])>);

    /// Nothing more is known for the moment: what was held back is to be seen.
    fn flush(&mut self) -> io::Result<()>;
}
