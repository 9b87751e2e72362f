//! How a run is shown: the seam between what happens and what is printed.

use super::documents::Planned;
use shipway_runner::Report;
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

    /// A run is over. `artifacts` are the folder and the names of what was uploaded.
    fn end(&mut self, run: usize, state: &Run, conclusion: Conclusion, artifacts: Option<(&Path, &[String])>);

    /// Nothing more is known for the moment: what was held back is to be seen.
    fn flush(&mut self) -> io::Result<()>;
}
