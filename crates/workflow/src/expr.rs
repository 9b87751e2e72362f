//! The expression language of GitHub Actions: what stands between `${{` and `}}`, and in every `if`.
//!
//! Text is cut into tokens (`lex`), parsed under the names that a key allows (`parse`, [`AllowedNames`]), and
//! evaluated against a [`Scope`]. Nothing here reads a file or knows a run: contexts and the functions that depend on
//! them (`success()`, `hashFiles()` and so on) come through the scope. Words of error messages follow GitHub's, so
//! that a search for them finds its answers.
//!
//! Sources: docs.github.com "Evaluate expressions in workflows and actions", the expression cases of
//! actions/languageservices, and the behaviour of actions/runner where those are silent.

pub mod as_json;
mod ast;
mod condition;
mod error;
mod eval;
mod fold;
mod functions;
mod json;
mod keys;
mod lex;
mod names;
mod newtonsoft;
mod number;
mod object;
mod parse;
mod place;
mod reference;
mod standalone;
mod template;
mod value;

pub use ast::Expr;
pub(crate) use ast::{Comparison, Node};
pub use condition::Condition;
pub use error::{ExprError, ExprErrorKind};
pub use eval::{EXPRESSION_BYTES, Scope, TEMPLATE_BYTES, eval, eval_within};
pub use keys::*;
pub use names::{AllowedNames, Function};
pub use newtonsoft::{JsonError, MAX_DEPTH as MAX_JSON_DEPTH, read as read_json};
pub use object::Object;
pub use parse::{MAX_CHARACTERS, MAX_DEPTH, parse};
pub(crate) use reference::{Key, Reference};
pub use standalone::{evaluate_json, status_function};
pub use template::{Template, has_expression};
pub use value::Value;
