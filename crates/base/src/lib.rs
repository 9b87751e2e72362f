//! Values every crate shares; no domain nouns, no clock, no input or output.
//!
//! Time and chance enter as arguments: [`Timestamp`] is only ever read from a [`Clock`] that the binary hands
//! down, and [`Id`] is composed from parts that the caller supplies.

mod bucket;
mod clock;
mod diagnostic;
mod digest;
mod duration;
mod id;
mod line;
mod secret;
mod span;
mod time;
pub mod yaml;

pub use bucket::{BUCKETS, Bucket, Share, bucket};
pub use clock::Clock;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use digest::{Digest, DigestError, is_object_id};
pub use duration::{DurationError, human_duration, parse_duration};
pub use id::{Id, IdError};
pub use line::one_line;
pub use secret::Secret;
pub use span::{Pos, Source, Span, Spanned};
pub use time::{Timestamp, TimestampError};
