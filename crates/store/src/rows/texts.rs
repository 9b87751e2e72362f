//! Texts by name as an object whose keys stand in the order in which they were written.

use super::stored::{Specs, Stored};
use crate::Result;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use shipway_workflow::Texts;
use std::fmt;

/// The stored form of [`Texts`]. Rows from before the order was kept have theirs sorted.
pub(super) struct TextsRow(Texts);

impl Stored for Texts {
    type Row = TextsRow;

    fn store(&self) -> TextsRow {
        TextsRow(self.clone())
    }

    fn restore(row: TextsRow, _: &mut Specs) -> Result<Texts> {
        Ok(row.0)
    }
}

impl Serialize for TextsRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl<'de> Deserialize<'de> for TextsRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<TextsRow, D::Error> {
        deserializer.deserialize_map(Keeping).map(TextsRow)
    }
}

struct Keeping;

impl<'de> Visitor<'de> for Keeping {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Texts, A::Error> {
        let mut texts = Texts::new();
        while let Some((name, text)) = map.next_entry()? {
            texts.insert(name, text);
        }
        Ok(texts)
    }
}
