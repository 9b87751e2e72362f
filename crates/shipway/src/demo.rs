//! The demo: the whole road once, in a temporary folder that it owns.

pub(crate) mod report;
pub(crate) mod repository;
pub(crate) mod story;
