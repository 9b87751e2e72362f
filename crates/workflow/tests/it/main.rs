//! The integration tests of this crate, in one binary.

mod again;
mod calls;
mod conformance;
mod document_properties;
mod documents;
mod expr_properties;
mod expressions;
mod groups;
mod lint;
mod lint_actions;
mod lint_conformance;
mod lint_fixes;
mod lint_properties;
mod lint_seeds;
mod manifests;
mod matrices;
mod reader;
mod refusals;
mod run_model;
mod schema;
mod transcripts;
mod triggers;
mod worlds;
mod yaml_forms;
mod yaml_properties;
