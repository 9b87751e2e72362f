//! What a router obeys: routes, arms, weights and instances as `Eq` values.
//!
//! Nothing here moves traffic. A planner makes a [`Table`], a router obeys it, and both can ask whether two tables
//! are the same.

mod client;
mod cookie;
mod route;

pub use client::{ClientKey, fingerprint};
pub use cookie::{Affinity, AffinityKey, COOKIE, Names, Signer, cookie_values};
pub use route::{Arm, ArmName, Client, Instance, InstanceState, Route, RouteError, Split, Table};
