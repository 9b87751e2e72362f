//! The control plane: HTTP API, web pages, and the loops that load, decide, commit and act.

pub mod backend;
mod control;
pub mod git;
#[doc(hidden)]
pub mod hostile;
pub mod http;
pub mod job_services;
pub mod source;
pub mod up;
mod vault;
pub mod web;

pub use control::trust::{Isolate, Isolation};
