//! What no manifest may hold, whatever its fields: nothing at all, several documents, a key twice, tags, or aliases that
//! expand without end.
//!
//! A pass of its own because derived readers find a duplicate key only at the end of its section, and maps not at all.
//! Once it has passed, reading the same text again cannot take much memory.

use super::limits;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

/// Why a text cannot be a manifest.
#[derive(Debug)]
pub(super) enum Flaw {
    /// No document, or one that is null.
    Empty,
    /// A `---` between two documents.
    Documents,
    /// serde_yaml's own error, or one of ours that it has located.
    Yaml(serde_yaml::Error),
}

/// Checks the structure alone.
pub(super) fn check(text: &str) -> Result<(), Flaw> {
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let first = documents.next().ok_or(Flaw::Empty)?;
    let left = Cell::new(limits::MANIFEST_EXPANDED);
    let filled = Node { left: &left }.deserialize(first).map_err(Flaw::Yaml)?;
    match (filled, documents.next()) {
        (_, Some(_)) => Err(Flaw::Documents),
        (Content::Null, None) => Err(Flaw::Empty),
        (Content::Something, None) => Ok(()),
    }
}

enum Content {
    Null,
    Something,
}

/// Visits one value and all inside it; `left` is how much may still come.
#[derive(Clone, Copy)]
struct Node<'a> {
    left: &'a Cell<usize>,
}

impl Node<'_> {
    fn spend<E: Error>(self, cost: usize) -> Result<Content, E> {
        match self.left.get().checked_sub(cost) {
            Some(left) => {
                self.left.set(left);
                Ok(Content::Something)
            }
            None => Err(E::custom("the aliases expand the manifest beyond all use")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        self.spend(1).map(|_| Content::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        self.spend(1).map(|_| Content::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Content, E> {
        self.spend(1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        self.spend(1 + text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        self.spend(1)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut seen = BTreeSet::new();
        while map.next_key_seed(Key { node: self, seen: &mut seen })?.is_some() {
            map.next_value_seed(self)?;
        }
        self.spend(1)
    }
}

struct Key<'a> {
    node: Node<'a>,
    seen: &'a mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.node.spend(1 + key.len())?;
        match self.seen.insert(key.to_owned()) {
            true => Ok(()),
            false => Err(E::custom(format_args!("the key {key:?} is here twice"))),
        }
    }
}

#[cfg(test)]
mod tests;
