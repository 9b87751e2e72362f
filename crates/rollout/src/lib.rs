//! Delivery documents, the planner of rollouts and its state.
//!
//! Everything here is a pure function of its arguments. [`document`] reads what a person wrote; [`delivery`] decides
//! what to do about it: commands become events, events make the state, and the state with what is observed and the
//! time becomes an immutable plan that carries its reasons.

pub mod delivery;
pub mod document;
