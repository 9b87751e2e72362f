//! The services over HTTP: protocols, hostile requests, many clients at once, and clients that are cut off.

mod artifacts;
mod caches;
mod caches_v1;
mod client;
mod conformance;
mod doors;
mod hostile;
mod identity;
mod local;
mod store;
