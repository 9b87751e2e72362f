//! The body of `Put Block List`: which blocks make up a blob, in order.
//!
//! It is a small XML document of one fixed form, and is read as that form only: no entities but those that base64 cannot
//! need, no comments, no nesting. Anything else is refused with the place where it stops being that form.

/// The most blocks that a blob may have, as Azure has it.
pub(crate) const MOST_BLOCKS: usize = 50_000;

/// The longest id of a block, in base64.
pub(crate) const MOST_ID: usize = 96;

/// Where a block of the list is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the blocks of the blob as it stands.
    Committed,
    /// Among those put since.
    Uncommitted,
    /// Among those put since, then among those of the blob as it stands.
    Latest,
}

/// A block of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Where to look for it.
    pub(crate) place: Place,
    /// Its id, in base64 as it was sent.
    pub(crate) id: String,
}

/// Whether a text can be the id of a block.
pub(crate) fn is_id(id: &str) -> bool {
    let character =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    !id.is_empty() && id.len() <= MOST_ID && id.bytes().all(character)
}

/// Reads the list.
///
/// # Errors
/// What it should have been, and at which byte.
pub(crate) fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let mut reader = Reader { text, at: 0 };
    reader.take("\u{feff}");
    reader.space();
    if reader.take("<?xml") {
        reader.after("?>")?;
    }
    reader.space();
    if reader.take("<BlockList/>") || reader.take("<BlockList />") {
        return reader.end(Vec::new());
    }
    if !reader.take("<BlockList>") {
        return Err(reader.expected("<BlockList>"));
    }
    let mut list = Vec::new();
    loop {
        reader.space();
        if reader.take("</BlockList>") {
            return reader.end(list);
        }
        let (place, name) = if reader.take("<Latest>") {
            (Place::Latest, "</Latest>")
        } else if reader.take("<Uncommitted>") {
            (Place::Uncommitted, "</Uncommitted>")
        } else if reader.take("<Committed>") {
            (Place::Committed, "</Committed>")
        } else {
            return Err(reader.expected("<Latest>, <Uncommitted>, <Committed> or </BlockList>"));
        };
        let id = reader.after(name)?.trim();
        if !is_id(id) {
            return Err(format!("the block list names {:?}, which is not the id of a block", clip(id)));
        }
        if list.len() == MOST_BLOCKS {
            return Err(format!("the block list has more than {MOST_BLOCKS} blocks"));
        }
        list.push(Listed { place, id: id.to_owned() });
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// What stands before the token, which is passed over.
    fn after(&mut self, token: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let length = rest.find(token).ok_or_else(|| self.expected(token))?;
        self.at += length + token.len();
        Ok(&rest[..length])
    }

    fn end(mut self, list: Vec<Listed>) -> Result<Vec<Listed>, String> {
        self.space();
        if self.rest().is_empty() { Ok(list) } else { Err(self.expected("the end")) }
    }

    fn expected(&self, what: &str) -> String {
        format!("the block list cannot be read: {what} is expected at byte {}", self.at)
    }
}

fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(place: Place, id: &str) -> Listed {
        Listed { place, id: id.to_owned() }
    }

    #[test]
    fn reads_what_clients_send() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<BlockList><Latest>QUFB</Latest>\
                    <Uncommitted>QkJC</Uncommitted>\n  <Committed>Q0ND</Committed></BlockList>\n";
        assert_eq!(
            parse(text),
            Ok(vec![
                listed(Place::Latest, "QUFB"),
                listed(Place::Uncommitted, "QkJC"),
                listed(Place::Committed, "Q0ND")
            ])
        );
        assert_eq!(parse("<BlockList></BlockList>"), Ok(Vec::new()));
        assert_eq!(parse("<BlockList/>"), Ok(Vec::new()));
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [
            "",
            "<BlockList>",
            "<BlockList><Latest>QUFB</BlockList>",
            "<BlockList><Latest>a b</Latest></BlockList>",
            "<BlockList><Latest></Latest></BlockList>",
            "<BlockList><Other>QUFB</Other></BlockList>",
            "<BlockList></BlockList>x",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><BlockList></BlockList>",
            "<BlockList><Latest>&lt;</Latest></BlockList>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let many = "<Latest>QQ==</Latest>".repeat(MOST_BLOCKS + 1);
        assert!(parse(&format!("<BlockList>{many}</BlockList>")).is_err());
    }

    fn block() -> impl Strategy<Value = Listed> {
        let place = prop_oneof![Just(Place::Committed), Just(Place::Uncommitted), Just(Place::Latest)];
        (place, "[A-Za-z0-9+/]{1,40}={0,2}").prop_map(|(place, id)| Listed { place, id })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(list in proptest::collection::vec(block(), 0..50), gap in "[ \n\t]{0,3}") {
            let mut text = String::from("<BlockList>");
            for Listed { place, id } in &list {
                let name = format!("{place:?}");
                text.push_str(&format!("{gap}<{name}>{id}</{name}>"));
            }
            text.push_str("</BlockList>");
            prop_assert_eq!(parse(&text), Ok(list));
        }

        #[test]
        fn any_text_is_answered(text in "(<BlockList>|<Latest>|</Latest>|QUFB|</BlockList>|.){0,30}") {
            // Ok or not, it must come to an answer and never invent a block.
            if let Ok(list) = parse(&text) {
                prop_assert!(list.iter().all(|listed| text.contains(&listed.id)));
            }
        }
    }
}
