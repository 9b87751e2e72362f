//! Whole jobs and runs: with real processes on the host executor, and many of them on the dummy one.

mod actions;
mod artifacts;
mod background;
mod checkout;
mod conformance;
mod crash;
mod driving;
#[cfg(feature = "docker")]
mod engine;
mod failures;
mod hooks;
mod hostile;
mod language;
mod masks;
mod packages;
mod processes;
mod remote;
mod status;
mod world;
