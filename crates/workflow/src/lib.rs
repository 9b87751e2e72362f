//! GitHub workflow and action documents, expressions, plans and the run state machine.

pub mod expr;
