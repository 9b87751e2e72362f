//! One module a verb.

pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod demo_service;
pub(crate) mod deploy;
pub(crate) mod dispatch;
mod entry;
pub(crate) mod expr;
pub(crate) mod lint;
pub(crate) mod rerun;
pub(crate) mod rollout;
pub(crate) mod run;
pub(crate) mod sign_in;
pub(crate) mod split;
pub(crate) mod up;
pub(crate) mod value;
pub(crate) mod why;
