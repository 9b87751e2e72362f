//! The integration tests of this crate, in one binary.

mod conformance;
mod expr_properties;
mod expressions;
mod yaml_properties;
