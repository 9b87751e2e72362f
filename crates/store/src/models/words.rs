//! Words of a fixed set, as they stand in columns.

use crate::{FromValue, Value};
use shipway_workflow::run;
use std::fmt;

/// Declares an enum whose variants are words in a column.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every variant in order.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The word in the column.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl From<$name> for Value {
            fn from(value: $name) -> Value {
                Value::Text(value.word().to_owned())
            }
        }

        impl FromValue for $name {
            fn from_value(value: &Value) -> Result<$name, String> {
                let text = String::from_value(value)?;
                let found = $name::ALL.iter().find(|known| known.word() == text);
                found.copied().ok_or_else(|| format!("unknown {}: {text:?}", stringify!($name)))
            }
        }
    };
}

words!(
    /// Where a run, a job or a step stands.
    Status {
        /// It has not begun.
        Queued = "queued",
        /// It has begun.
        InProgress = "in_progress",
        /// It has ended; its conclusion says how.
        Completed = "completed",
    }
);

words!(
    /// How a run, a job or a step ended.
    Conclusion {
        /// All went well.
        Success = "success",
        /// Something failed.
        Failure = "failure",
        /// It was stopped before its end.
        Cancelled = "cancelled",
        /// It never started.
        Skipped = "skipped",
    }
);

words!(
    /// How serious an annotation is.
    Level {
        /// An error.
        Error = "error",
        /// A warning.
        Warning = "warning",
        /// A notice.
        Notice = "notice",
    }
);

impl From<run::Conclusion> for Conclusion {
    fn from(conclusion: run::Conclusion) -> Conclusion {
        match conclusion {
            run::Conclusion::Success => Conclusion::Success,
            run::Conclusion::Failure => Conclusion::Failure,
            run::Conclusion::Cancelled => Conclusion::Cancelled,
            run::Conclusion::Skipped => Conclusion::Skipped,
        }
    }
}

impl From<Conclusion> for run::Conclusion {
    fn from(conclusion: Conclusion) -> run::Conclusion {
        match conclusion {
            Conclusion::Success => run::Conclusion::Success,
            Conclusion::Failure => run::Conclusion::Failure,
            Conclusion::Cancelled => run::Conclusion::Cancelled,
            Conclusion::Skipped => run::Conclusion::Skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_others_are_refused() {
        for status in Status::ALL {
            assert_eq!(Status::from_value(&Value::from(*status)), Ok(*status));
        }
        assert_eq!(Status::from_value(&"done".into()), Err("unknown Status: \"done\"".to_owned()));
    }
}
