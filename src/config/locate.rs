//! Which line of the manifest a field is on.
//!
//! serde_yaml reports lines only for its own errors. So a walk down the field's path fails on purpose at the field, and
//! serde_yaml says where that was: there is no second reading of YAML that could disagree with the first.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// A field's place in the manifest. Displays as `ingress[0].listen_port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Key(&'static str),
    Index(usize),
}

impl FieldPath {
    /// A path of keys alone, written with dots.
    pub(super) fn new(keys: &'static str) -> FieldPath {
        FieldPath(keys.split('.').map(Step::Key).collect())
    }

    /// The key of the list item `index` (from 0) of this path.
    pub(super) fn item(mut self, index: usize, key: &'static str) -> FieldPath {
        self.0.extend([Step::Index(index), Step::Key(key)]);
        self
    }

    /// The line, from 1, of this field in `text`, or of the nearest section around it that is there. `None` when the
    /// manifest has not even that.
    pub(super) fn line_in(&self, text: &str) -> Option<usize> {
        (1..=self.0.len()).rev().find_map(|length| line_of(text, self.0.get(..length)?))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn line_of(text: &str, steps: &[Step]) -> Option<usize> {
    let found = Cell::new(false);
    let end = Walk { steps, found: &found }.deserialize(serde_yaml::Deserializer::from_str(text));
    let location = end.err()?.location()?;
    found.get().then(|| location.line())
}

/// Goes down the steps that are left. Never succeeds: at the field it stops with an error that has the field's
/// location, elsewhere with one that is ignored.
struct Walk<'a> {
    steps: &'a [Step],
    found: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps {
            [] => {
                self.found.set(true);
                deserializer.deserialize_any(Stop)
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let [Step::Key(wanted), rest @ ..] = self.steps {
            let key = Key { wanted, stop: rest.is_empty().then_some(self.found) };
            while let Some(matches) = map.next_key_seed(key)? {
                match matches {
                    true => map.next_value_seed(Walk { steps: rest, found: self.found })?,
                    false => map.next_value::<IgnoredAny>().map(|_| ())?,
                }
            }
        }
        Err(A::Error::custom("absent"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let [Step::Index(wanted), rest @ ..] = self.steps {
            for _ in 0..*wanted {
                items.next_element::<IgnoredAny>()?;
            }
            items.next_element_seed(Walk { steps: rest, found: self.found })?;
        }
        Err(A::Error::custom("absent"))
    }
}

/// Reads a key: whether it is the wanted one. With `stop`, the wanted one is the field itself.
#[derive(Clone, Copy)]
struct Key<'a> {
    wanted: &'static str,
    stop: Option<&'a Cell<bool>>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match self.stop {
            Some(found) if key == self.wanted => {
                found.set(true);
                Err(E::custom("here"))
            }
            _ => Ok(key == self.wanted),
        }
    }
}

/// Accepts no value at all, so that serde_yaml fails where the value begins.
struct Stop;

impl Visitor<'_> for Stop {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
version: v1
ingress:
  - listen_port: 80
  -
    tls: {cert_file: a}
    listen_port: 81
api: { # flow

  listen_port: 82 }
quoted:
  \"listen_port\": 83
";

    #[test]
    fn a_field_is_found_on_its_own_line() {
        let line = |path: FieldPath| path.line_in(TEXT);
        assert_eq!(line(FieldPath::new("version")), Some(2));
        assert_eq!(line(FieldPath::new("ingress")), Some(3));
        assert_eq!(line(FieldPath::new("ingress").item(0, "listen_port")), Some(4));
        assert_eq!(line(FieldPath::new("ingress").item(1, "listen_port")), Some(7));
        assert_eq!(line(FieldPath::new("api.listen_port")), Some(10));
        assert_eq!(line(FieldPath::new("quoted.listen_port")), Some(12));
    }

    #[test]
    fn an_absent_field_is_placed_at_the_section_around_it() {
        assert_eq!(FieldPath::new("api.other").line_in(TEXT), Some(8));
        assert_eq!(FieldPath::new("ingress").item(1, "other").line_in(TEXT), Some(6));
        assert_eq!(FieldPath::new("ingress").item(2, "listen_port").line_in(TEXT), Some(3));
        assert_eq!(FieldPath::new("egress.proxy_port").line_in(TEXT), None);
        assert_eq!(FieldPath::new("version.x").line_in(TEXT), Some(2));
    }

    #[test]
    fn a_path_displays_as_people_write_it() {
        assert_eq!(FieldPath::new("ingress").item(3, "listen_port").to_string(), "ingress[3].listen_port");
        assert_eq!(FieldPath::new("storage.s3.bucket").to_string(), "storage.s3.bucket");
    }
}
