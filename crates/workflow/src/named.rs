//! Texts and secrets by name, in the order in which they were written: expressions show them in that order, as GitHub's do.

use indexmap::IndexMap;
use shipway_base::Secret;

/// Texts by name, such as outputs and variables. One that is written again keeps its place.
pub type Texts = IndexMap<String, String>;

/// Secrets by name.
pub type Secrets = IndexMap<String, Secret>;
