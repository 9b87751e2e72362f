//! Tests of the HTTP layer and the pages against a backend in memory, and of the whole control plane in this process.

mod access;
mod api;
mod client;
mod fake;
mod hooks;
mod hostile;
mod live;
mod pages;
mod settings;
mod up;
mod workflows;
