//! The `shipway` binary: one thin arm per role.
fn main() {}
