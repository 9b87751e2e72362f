//! The integration tests of this crate, in one binary.

mod conformance;
mod document_properties;
mod documents;
mod expr_properties;
mod expressions;
mod run_model;
mod transcripts;
mod worlds;
mod yaml_properties;
