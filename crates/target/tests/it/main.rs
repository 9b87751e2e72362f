//! Integration tests: real processes on this machine.

mod adoption;
mod lifecycle;
mod service;
