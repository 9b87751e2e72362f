//! Domain values and their stored forms, field by field.

use crate::{Result, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use shipway_base::{Digest, Id, Share, Source, Timestamp};
use shipway_rollout::delivery::Spec;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A domain value that has a stored form.
pub(super) trait Stored: Sized {
    /// The stored form.
    type Row: Serialize + DeserializeOwned;

    fn store(&self) -> Self::Row;

    /// Fails when the stored form holds a value that the domain does not allow.
    fn restore(row: Self::Row, specs: &mut Specs) -> Result<Self>;
}

/// A stored enum.
pub(super) trait Tagged {
    /// The word that tags the variant.
    fn word(&self) -> &'static str;
}

/// How the specifications of releases become values again: a release is stored with the text it was read from. One such
/// value for all rows of a stream reads each text once, however many rows hold it.
#[derive(Debug, Default)]
pub struct Specs(BTreeMap<(String, Arc<str>, Arc<str>), Arc<Spec>>);

impl Specs {
    /// Nothing read yet.
    pub fn new() -> Specs {
        Specs::default()
    }

    pub(super) fn get(&mut self, source: Source, service: String) -> Result<Arc<Spec>> {
        let key = (service, Arc::clone(&source.name), Arc::clone(&source.text));
        if let Some(spec) = self.0.get(&key) {
            return Ok(Arc::clone(spec));
        }
        let spec = Spec::parse(&source, &key.0).map_err(|found| {
            StoreError::corrupt(
                format_args!("the stored document of service {}", key.0),
                found.to_string().trim_end(),
            )
        })?;
        let spec = Arc::new(spec);
        self.0.insert(key, Arc::clone(&spec));
        Ok(spec)
    }
}

/// Declares the stored form of a struct or of an enum whose variants have named fields or none. Enums are tagged by `is`.
macro_rules! stored {
    ($(struct $row:ident = $domain:ident { $($field:ident: $type:ty,)* })*) => {
        $(#[derive(serde::Serialize, serde::Deserialize)]
        pub(super) struct $row {
            $($field: <$type as $crate::rows::stored::Stored>::Row,)*
        }

        impl $crate::rows::stored::Stored for $domain {
            type Row = $row;

            fn store(&self) -> $row {
                $row { $($field: self.$field.store(),)* }
            }

            fn restore(row: $row, specs: &mut $crate::rows::Specs) -> $crate::Result<$domain> {
                Ok($domain { $($field: $crate::rows::stored::Stored::restore(row.$field, specs)?,)* })
            }
        })*
    };
    (enum $row:ident = $domain:ident { $($word:literal $variant:ident { $($field:ident: $type:ty),* })* }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(tag = "is")]
        pub(super) enum $row {
            $(#[serde(rename = $word)]
            $variant { $($field: <$type as $crate::rows::stored::Stored>::Row,)* },)*
        }

        impl $crate::rows::stored::Stored for $domain {
            type Row = $row;

            fn store(&self) -> $row {
                match self {
                    $($domain::$variant { $($field,)* } => $row::$variant { $($field: $field.store(),)* },)*
                }
            }

            fn restore(row: $row, specs: &mut $crate::rows::Specs) -> $crate::Result<$domain> {
                // An enum whose variants have no fields does not ask for it.
                let _ = &specs;
                Ok(match row {
                    $($row::$variant { $($field,)* } => $domain::$variant {
                        $($field: $crate::rows::stored::Stored::restore($field, specs)?,)*
                    },)*
                })
            }
        }

        impl $crate::rows::stored::Tagged for $row {
            fn word(&self) -> &'static str {
                match self {
                    $($row::$variant { .. } => $word,)*
                }
            }
        }
    };
}
pub(super) use stored;

/// Values that are stored as they are.
macro_rules! as_is {
    ($($type:ty),*) => {
        $(impl Stored for $type {
            type Row = $type;

            fn store(&self) -> $type {
                self.clone()
            }

            fn restore(row: $type, _: &mut Specs) -> Result<$type> {
                Ok(row)
            }
        })*
    };
}

as_is!(bool, u16, u32, u64, i32, usize, String, Timestamp, Digest, [u64; 3], BTreeMap<String, u64>);

impl<T> Stored for Id<T> {
    type Row = Id<T>;

    fn store(&self) -> Id<T> {
        *self
    }

    fn restore(row: Id<T>, _: &mut Specs) -> Result<Id<T>> {
        Ok(row)
    }
}

impl Stored for Share {
    /// Basis points.
    type Row = u16;

    fn store(&self) -> u16 {
        self.as_basis_points()
    }

    fn restore(row: u16, _: &mut Specs) -> Result<Share> {
        Ok(Share::basis_points(row))
    }
}

impl Stored for Duration {
    /// Nanoseconds.
    type Row = u64;

    fn store(&self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }

    fn restore(row: u64, _: &mut Specs) -> Result<Duration> {
        Ok(Duration::from_nanos(row))
    }
}

impl<T: Stored> Stored for Option<T> {
    type Row = Option<T::Row>;

    fn store(&self) -> Self::Row {
        self.as_ref().map(T::store)
    }

    fn restore(row: Self::Row, specs: &mut Specs) -> Result<Self> {
        row.map(|row| T::restore(row, specs)).transpose()
    }
}

impl<T: Stored> Stored for Box<T> {
    type Row = Box<T::Row>;

    fn store(&self) -> Self::Row {
        Box::new(self.as_ref().store())
    }

    fn restore(row: Self::Row, specs: &mut Specs) -> Result<Self> {
        T::restore(*row, specs).map(Box::new)
    }
}

impl<T: Stored> Stored for Vec<T> {
    type Row = Vec<T::Row>;

    fn store(&self) -> Self::Row {
        self.iter().map(T::store).collect()
    }

    fn restore(row: Self::Row, specs: &mut Specs) -> Result<Self> {
        row.into_iter().map(|row| T::restore(row, specs)).collect()
    }
}
