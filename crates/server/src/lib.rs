//! The control plane: HTTP API, web pages, and the loops that load, decide, commit and act.

pub mod backend;
pub mod http;
pub mod web;
