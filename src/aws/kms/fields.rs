//! JSON objects, taken apart and put together again without reading what is in their fields.
//!
//! Numbers, escapes and order stay as they were written: what KMS or a client said passes as it was said.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::config::limits;

/// The fields of an object in their order, no name twice. Values are left where they are: what is secret among them is
/// not copied.
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads a text that is one JSON object.
    ///
    /// # Errors
    /// Anything else, and an object with a name twice or with more than [`limits::KMS_FIELDS`].
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Whether there is a field of this name whose value is not `null`, which AWS takes for an absent one.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value != "null")
    }

    /// The text of a field; `None` when there is no such field, or it is no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.get())
    }

    /// The object again, without the fields of these names, and with one more whose value is written as JSON already.
    #[must_use]
    pub fn replace(&self, without: &[&str], name: &str, value: &str) -> Zeroizing<Vec<u8>> {
        let kept = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let fields: Vec<(String, &str)> = kept
            .map(|(name, value)| (name.as_str(), value.get()))
            .chain([(name, value)])
            .map(|(name, value)| (serde_json::Value::from(name).to_string(), value))
            .collect();
        // Allocated once: growing would leave copies that nobody wipes.
        let length = fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(length + 2));
        for (at, (name, value)) in fields.iter().enumerate() {
            text.push(if at == 0 { b'{' } else { b',' });
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
        }
        text.push(b'}');
        text
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.len() == limits::KMS_FIELDS {
                        return Err(Error::custom("too many fields"));
                    }
                    if fields.iter().any(|(earlier, _)| *earlier == name) {
                        return Err(Error::custom("a name twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_replaced_stays_as_it_was_written() {
        let text =
            r#"{"a" : 12345678901234567890.10e+1, "Plaintext":null,"\u00fc":"\ud83d\ude00\/", "b":{"a":[1,1.0]}}"#;
        let fields = Fields::parse(text.as_bytes()).unwrap();
        let replaced = fields.replace(&["Plaintext"], "Plaintext", r#""x""#);
        let expected = r#"{"a":12345678901234567890.10e+1,"ü":"\ud83d\ude00\/","b":{"a":[1,1.0]},"Plaintext":"x"}"#;
        assert_eq!(str::from_utf8(&replaced).unwrap(), expected);
        assert_eq!(Fields::parse(b"{}").unwrap().replace(&[], "c", "1").as_slice(), b"{\"c\":1}");
    }

    #[test]
    fn a_null_is_an_absent_field_and_text_is_read() {
        let fields = Fields::parse(br#"{"a":null,"b":"\u0041","c":0}"#).unwrap();
        assert_eq!(["a", "b", "c", "d"].map(|name| fields.has(name)), [false, true, true, false]);
        assert_eq!(["a", "b", "c", "d"].map(|name| fields.text(name)), [None, Some("A".to_owned()), None, None]);
    }

    #[test]
    fn so_many_fields_that_looking_for_repeated_ones_takes_long_are_refused() {
        let object =
            |count: usize| format!("{{{}}}", (0..count).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
        assert!(Fields::parse(object(limits::KMS_FIELDS).as_bytes()).is_ok());
        assert!(Fields::parse(object(limits::KMS_FIELDS + 1).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_object_with_each_name_once_is_refused() {
        for text in
            ["", "[]", "null", "{", "{}{}", r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":}"#, "\u{feff}{}"]
        {
            assert!(Fields::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Fields::parse(&[b"{\"a\":".as_slice(), &[b'['; 100_000]].concat()).is_err());
        assert!(Fields::parse(b"{\"a\":\"\xff\"}").is_err());
    }
}
