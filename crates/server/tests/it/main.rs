//! Tests of the HTTP layer and the pages against a backend in memory, and of the whole control plane in this process.

// The fuzz targets take their macro from a crate of this name.
extern crate self as libfuzzer_sys;

mod access;
mod api;
mod client;
mod fake;
mod fuzz_targets;
mod hooks;
mod hostile;
mod live;
mod pages;
mod settings;
mod up;
mod workflows;
