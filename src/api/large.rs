//! A request body with one text so large that it is decoded where it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64ct::{Base64, Encoding};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Map;
use zeroize::Zeroizing;

use super::error::{ApiError, Problem};
use super::json::{Object, Strict, no_object};
use crate::config::limits;

/// A JSON object, apart from the field that is large.
#[derive(Debug)]
pub(super) struct Apart {
    /// Every other field.
    pub(super) rest: Object,
    text: Text,
}

/// Where the large field's text is.
enum Text {
    /// In the body, between these bytes.
    Within(Range<usize>),
    /// It has escapes, which base64 needs none of, and so had to be copied.
    Copied(Zeroizing<Vec<u8>>),
    /// It is absent or null.
    Absent,
    /// It is something else.
    Other,
}

/// Decoded bytes, in the buffer that the request came in if that could be.
pub(super) struct Decoded {
    buffer: Zeroizing<Vec<u8>>,
    range: Range<usize>,
}

impl Decoded {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }
}

impl Apart {
    /// Reads a whole body in which the field called `name` is large.
    pub(super) fn parse(body: &[u8], name: &'static str) -> Result<Self, ApiError> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let (fields, text) =
            deserializer.deserialize_any(ApartVisitor { name, left: limits::API_VALUES }).map_err(ApiError::Json)?;
        deserializer.end().map_err(ApiError::Json)?;
        let text = match text {
            None | Some(Found::Null) => Text::Absent,
            Some(Found::Other) => Text::Other,
            Some(Found::Text(Cow::Owned(copied))) => Text::Copied(Zeroizing::new(copied.into_bytes())),
            Some(Found::Text(Cow::Borrowed(text))) => {
                let start = text.as_ptr().addr() - body.as_ptr().addr();
                Text::Within(start..start + text.len())
            }
        };
        Ok(Self { rest: Object::of(fields), text })
    }

    /// The large field, which must be padded standard base64, decoded in `body`, which this was read from.
    pub(super) fn decode(text: TextOf, name: &str, body: Zeroizing<Vec<u8>>) -> Result<Decoded, ApiError> {
        let (mut buffer, range) = match text.0 {
            Text::Absent => return Err(ApiError::field(name, Problem::Missing)),
            Text::Other => return Err(ApiError::field(name, Problem::Type("text"))),
            Text::Copied(copied) => {
                let all = 0..copied.len();
                (copied, all)
            }
            Text::Within(range) => (body, range),
        };
        let start = range.start;
        let wrong = || ApiError::field(name, Problem::Base64);
        let text = buffer.get_mut(range).ok_or_else(wrong)?;
        // Decoding in place forgets to look at the last group's unused bits, which must be zero.
        let last = text.get(text.len().saturating_sub(4)..).unwrap_or_default();
        Base64::decode(last, &mut [0; 3]).map_err(|_| wrong())?;
        let length = Base64::decode_in_place(text).map_err(|_| wrong())?.len();
        Ok(Decoded { buffer, range: start..start + length })
    }

    /// The other fields, and what [`Apart::decode`] takes once they are checked.
    pub(super) fn split(self) -> (Object, TextOf) {
        (self.rest, TextOf(self.text))
    }
}

/// The large field, not decoded yet.
pub(super) struct TextOf(Text);

impl TextOf {
    /// Upper bound of the decoded bytes.
    pub(super) fn decoded_length(&self) -> usize {
        let encoded = match &self.0 {
            Text::Within(range) => range.len(),
            Text::Copied(copied) => copied.len(),
            Text::Absent | Text::Other => 0,
        };
        encoded / 4 * 3
    }
}

/// The text is nobody's business.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

enum Found<'de> {
    Null,
    Text(Cow<'de, str>),
    Other,
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FoundVisitor)
    }
}

struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_unit<E: Error>(self) -> Result<Found<'de>, E> {
        Ok(Found::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found<'de>, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }
}

struct ApartVisitor {
    name: &'static str,
    /// How many values the other fields may have, with all that is in them.
    left: usize,
}

impl<'de> Visitor<'de> for ApartVisitor {
    type Value = (Map<String, serde_json::Value>, Option<Found<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// serde's own error would repeat all of it.
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_object())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut fields, mut large) = (Map::new(), None);
        while let Some(name) = entries.next_key::<String>()? {
            let twice = A::Error::custom(format_args!("{name}: there twice"));
            if name == self.name {
                if large.replace(entries.next_value::<Found<'de>>()?).is_some() {
                    return Err(twice);
                }
            } else if fields.insert(name, entries.next_value_seed(Strict(&mut self.left))?).is_some() {
                return Err(twice);
            }
        }
        Ok((fields, large))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &str) -> Result<(Vec<u8>, bool), ApiError> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let place = body.as_ptr();
        let (rest, text) = Apart::parse(&body, "value")?.split();
        rest.finish()?;
        let decoded = Apart::decode(text, "value", body)?;
        Ok((decoded.bytes().to_vec(), decoded.buffer.as_ptr() == place))
    }

    #[test]
    fn a_text_is_decoded_where_it_is_and_one_with_escapes_is_copied() {
        assert_eq!(decode(r#"{"value":"aGVsbG8="}"#).unwrap(), (b"hello".to_vec(), true));
        assert_eq!(decode(r#"{"value":""}"#).unwrap(), (Vec::new(), true));
        assert_eq!(decode(r#"{"value":"\/\u002f8="}"#).unwrap(), (vec![255, 255], false));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_name() {
        let error = |body: &str| decode(body).expect_err(body).to_string();
        assert_eq!(error("{}"), "value: missing");
        assert_eq!(error(r#"{"value":null}"#), "value: missing");
        for other in ["1", "-1", "1.5", "true", "[{}]", "{\"a\":[1]}"] {
            assert_eq!(error(&format!("{{\"value\":{other}}}")), "value: must be text");
        }
        for bad in ["a", "aGVsbG8", "aGVsbG9=", "aGVs bG8=", "aGVsbG8=\\n", "_-8="] {
            assert_eq!(error(&format!("{{\"value\":\"{bad}\"}}")), "value: not padded standard base64", "{bad}");
        }
        assert_eq!(error(r#"{"value":"","x":1}"#), "x: no such field");
        assert!(error(r#"{"value":"","value":""}"#).contains("value: there twice"));
        let many = format!("{{\"value\":\"\",\"a\":[{}1]}}", "1,".repeat(limits::API_VALUES - 1));
        assert!(error(&many).contains("more than 65536 values"));
        assert!(error(r#"{"value":"","a":1,"a":1}"#).contains("a: there twice"));
        assert!(error(r#"{"value":""} x"#).contains("trailing"));
        assert!(error("[]").contains("a JSON object"));
        // Not even when a whole body is one.
        for text in [r#""a secret""#, r#""\u0061 secret""#] {
            let told = error(text);
            assert!(told.contains("must be a JSON object") && !told.contains("secret"), "{told}");
        }
    }
}
