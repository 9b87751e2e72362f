//! Builders, virtual clock, scripted worlds and load for tests.

pub mod backend;
pub mod clock;
pub mod mutate;

/// The product's own load generator, which tests use as the demo does.
pub use shipway_router::load;
