//! GitHub workflow and action documents, expressions, plans and the run state machine.

pub mod action;
pub mod document;
pub mod event;
pub mod expr;
pub mod lint;
pub mod lock;
pub mod matrix;
mod named;
pub mod plan;
pub mod run;

pub use named::{Secrets, Texts};
