//! Integration tests: the planner in a scripted world, documents, and the field's own cases.

mod conformance;
mod documents;
mod golden;
mod invariants;
mod world;
