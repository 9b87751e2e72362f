//! Which contexts and functions an expression may use, by the key at which it stands.

use super::fold;

/// The names that a key allows, beside the functions that are allowed everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedNames<'a> {
    contexts: &'a [&'a str],
    functions: &'a [Function<'a>],
}

/// A function and how many arguments it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name; upper and lower case are the same.
    pub name: &'a str,
    /// The least number of arguments.
    pub min: usize,
    /// The greatest number of arguments.
    pub max: usize,
}

impl<'a> AllowedNames<'a> {
    /// Names from tables.
    pub const fn new(contexts: &'a [&'a str], functions: &'a [Function<'a>]) -> AllowedNames<'a> {
        AllowedNames { contexts, functions }
    }

    /// The contexts, in the order of the table.
    pub const fn contexts(&self) -> &'a [&'a str] {
        self.contexts
    }

    /// The functions beside the built-in ones.
    pub const fn functions(&self) -> &'a [Function<'a>] {
        self.functions
    }

    /// A context that may be used, as the table spells it, so that a [`Scope`](super::Scope) need not care for case.
    pub fn context(&self, name: &str) -> Option<&'a str> {
        self.contexts.iter().find(|known| fold::eq(known, name)).copied()
    }

    /// The function of that name, built-in or of this key.
    pub fn function(&self, name: &str) -> Option<Function<'a>> {
        let built_in = BUILT_IN.iter().find(|known| fold::eq(known.name, name));
        built_in.or_else(|| self.functions.iter().find(|known| fold::eq(known.name, name))).copied()
    }
}

impl<'a> Function<'a> {
    /// A function that takes `min` to `max` arguments.
    pub const fn new(name: &'a str, min: usize, max: usize) -> Function<'a> {
        Function { name, min, max }
    }
}

/// The functions that are allowed everywhere and depend on nothing but their arguments.
pub(super) const BUILT_IN: &[Function<'static>] = &[
    Function::new("case", 3, 255),
    Function::new("contains", 2, 2),
    Function::new("endsWith", 2, 2),
    Function::new("format", 1, 255),
    Function::new("fromJSON", 1, 1),
    Function::new("join", 1, 2),
    Function::new("startsWith", 2, 2),
    Function::new("toJSON", 1, 1),
];
