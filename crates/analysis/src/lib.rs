//! How a release is judged: evidence, sequential tests, conditions, and the words for it.
//!
//! Pure: the router (or a simulation) gathers [`Evidence`]; functions here turn it into a verdict.

mod evidence;

pub use evidence::{ArmCount, ArmTotals, Evidence, FirstEvents, Signal};
