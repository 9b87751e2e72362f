//! Tests of the HTTP layer and the pages against a backend in memory.

mod access;
mod api;
mod client;
mod fake;
mod hostile;
mod live;
mod pages;
