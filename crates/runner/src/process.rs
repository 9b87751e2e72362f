//! Operating-system processes: finding all that belong to a job, and ending them.

mod end;
mod orphans;
mod proc;

pub(crate) use end::{end_tree, kill_now};
pub(crate) use orphans::OrphanRecord;
pub use orphans::reap_orphans;
pub(crate) use proc::{Scope, TRACKING_ENV, forks, tracking_of};
