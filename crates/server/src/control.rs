//! The loops behind the pages: load, decide, commit, act.
//!
//! [`World`](world::World) is what they share. `runs` makes runs and drives them, `deliver` has one loop for each
//! service, `watch` looks for commits, and [`Plane`](plane::Plane) is all of it as one
//! [`Backend`](crate::backend::Backend).

mod asked;
pub(crate) mod deliver;
mod journal;
mod judged;
pub(crate) mod plane;
mod present;
mod progress;
mod pushes;
mod run_artifacts;
mod runpage;
pub(crate) mod runs;
pub(crate) mod trust;
mod unpack;
mod usual;
pub(crate) mod values;
pub(crate) mod watch;
pub(crate) mod world;
