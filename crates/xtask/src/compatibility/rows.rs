//! The rows of the table, by area.

mod actions;
mod expressions;
mod jobs;
mod places;
mod steps;
mod workflow;

use super::row::Row;

/// All rows, in the order of the table.
pub(crate) fn rows() -> Vec<Row> {
    let parts = [
        workflow::triggers(),
        workflow::keys(),
        jobs::rows(),
        steps::rows(),
        actions::rows(),
        expressions::rows(),
        expressions::commands(),
        places::rows(),
        places::services(),
    ];
    parts.into_iter().flatten().collect()
}
