//! Read models: what pages and loops ask for, typed. Writes are [`Statement`](crate::Statement)s that ride with the
//! events that cause them; reads are methods of [`Store`](crate::Store).

pub mod deliveries;
pub mod jobs;
mod page;
pub mod releases;
pub mod rollouts;
pub mod runs;
pub mod values;
mod words;

pub use page::{Page, Paging};
pub use words::{Conclusion, Level, Status};
