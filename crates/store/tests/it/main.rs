//! The store as its callers see it: promises about order, races, crashes and full disks.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic, in helpers as well")]

mod crash;
mod events;
mod full;
mod leases;
mod logs;
mod models;
mod rows;
mod sessions;
mod support;
