//! Suites of tests: what a run of them said (JUnit XML), how they are shared out over machines, which failed and must run
//! again, and which are flaky.
//!
//! Everything here is a plain function of bytes and lists. Which files there are, which commit it is and where results are
//! kept is the business of whoever calls.

mod flaky;
mod junit;
mod record;
mod runner;
mod select;
mod shard;
mod times;

pub use flaky::{Quarantine, QuarantineError, Reason, Verdict, flaky, verdict};
pub use junit::{Case, JunitError, Outcome, parse};
pub use record::{Entry, Record};
pub use runner::{Runner, case_id};
pub use select::{again, arguments};
pub use shard::{Plan, Unit, plan};
pub use times::Times;
