//! Builders, virtual clock, scripted worlds and load for tests.
