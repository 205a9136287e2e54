//! Request bodies: JSON objects whose fields are taken out one by one, each with its type, until none is left.
//!
//! A name that stands twice in one object, at any depth, is refused: two readers could take two values. So is a body of
//! very many values: each takes up to 300 times the memory that its text does.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{ApiError, Problem};
use crate::config::limits;

/// A body that is something else, of which nothing is repeated.
pub(super) fn no_object<E: Error>() -> E {
    E::custom("must be a JSON object")
}

/// An object, and where in the body it stands.
#[derive(Debug)]
pub(super) struct Object {
    place: String,
    fields: Map<String, Value>,
}

impl Object {
    /// A whole body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let (mut left, mut deserializer) = (limits::API_VALUES, serde_json::Deserializer::from_slice(body));
        let value = Strict(&mut left).deserialize(&mut deserializer).map_err(ApiError::Json)?;
        deserializer.end().map_err(ApiError::Json)?;
        match value {
            Value::Object(fields) => Ok(Self { place: String::new(), fields }),
            _ => Err(ApiError::Json(no_object())),
        }
    }

    /// A whole body that was read field by field.
    pub(super) fn of(fields: Map<String, Value>) -> Self {
        Self { place: String::new(), fields }
    }

    /// An object within another.
    pub(super) fn nested(place: String, value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self { place: format!("{place}."), fields }),
            _ => Err(ApiError::Field(place, Problem::Type("an object"))),
        }
    }

    /// The path of a field of this object.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// A problem with a field of this object.
    pub(super) fn wrong(&self, name: &str, problem: Problem) -> ApiError {
        ApiError::Field(self.path(name), problem)
    }

    /// A field's value; `null` counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, Problem::Type("text"))),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional_text(name)?.ok_or_else(|| self.wrong(name, Problem::Missing))
    }

    /// `false` when absent.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(name, Problem::Type("true or false"))),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Self, ApiError> {
        let value = self.take(name).ok_or_else(|| self.wrong(name, Problem::Missing))?;
        Self::nested(self.path(name), value)
    }

    pub(super) fn optional_hex(&mut self, name: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        decode_hex(&text).map(Some).map_err(|problem| self.wrong(name, problem))
    }

    pub(super) fn hex(&mut self, name: &str) -> Result<Vec<u8>, ApiError> {
        self.optional_hex(name)?.ok_or_else(|| self.wrong(name, Problem::Missing))
    }

    /// Refuses what nobody has taken.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.fields.keys().next() {
            Some(name) => Err(ApiError::Unknown(self.path(name))),
            None => Ok(()),
        }
    }
}

/// Bytes in hexadecimal, `0x` in front or not.
pub(super) fn decode_hex(text: &str) -> Result<Vec<u8>, Problem> {
    base16ct::mixed::decode_vec(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| Problem::Hex)
}

/// Padded standard base64.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, Problem> {
    Base64::decode_vec(text).map_err(|_| Problem::Base64)
}

/// Padded standard base64.
pub(super) fn encode_base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Lower-case hexadecimal behind `0x`.
pub(super) fn encode_hex(bytes: &[u8]) -> String {
    format!("0x{}", base16ct::lower::encode_string(bytes))
}

/// Reads a JSON value without repeated names, and counts it and those within, down from as many as there may be.
pub(super) struct Strict<'a>(pub(super) &'a mut usize);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let too_many = || D::Error::custom(format_args!("more than {} values", limits::API_VALUES));
        *self.0 = self.0.checked_sub(1).ok_or_else(too_many)?;
        deserializer.deserialize_any(StrictVisitor(self.0))
    }
}

struct StrictVisitor<'a>(&'a mut usize);

impl<'de> Visitor<'de> for StrictVisitor<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Strict(self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Strict(self.0))?;
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name}: there twice")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        Object::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        assert!(error(r#"{"a":1,"a":1}"#).contains("a: there twice"));
        assert!(error(r#"{"b":[{"a":1,"\u0061":1}]}"#).contains("a: there twice"));
    }

    #[test]
    fn what_is_no_object_and_what_is_too_deep_is_refused() {
        assert!(error("[]").contains("must be a JSON object"));
        assert!(error("").contains("EOF"));
        assert!(error(&"[".repeat(100_000)).contains("recursion limit"));
        assert!(error("{} {}").contains("trailing"));
        assert!(error(r#"{"a":1e999}"#).contains("out of range"));
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn more_values_than_a_body_may_have_are_refused_however_they_are_nested() {
        // The object itself, the list, and what is in it.
        let list = |items: usize, item: &str| format!("{{\"a\":[{}{item}]}}", format!("{item},").repeat(items - 1));
        assert!(Object::parse(list(limits::API_VALUES - 2, "1").as_bytes()).is_ok());
        assert!(error(&list(limits::API_VALUES - 1, "1")).contains("more than 65536 values"));
        assert!(error(&list(limits::API_VALUES / 2, "{\"b\":1}")).contains("more than 65536 values"));
        let fields: String = (0..limits::API_VALUES).map(|n| format!("\"{n}\":0,")).collect();
        assert!(error(&format!("{{{}}}", fields.trim_end_matches(','))).contains("more than 65536 values"));
    }

    #[test]
    fn fields_are_named_when_they_are_missing_wrong_or_unknown() {
        let mut object = Object::parse(br#"{"a":{"b":1},"c":"0xzz","d":"yes"}"#).unwrap();
        assert_eq!(object.text("x").unwrap_err().to_string(), "x: missing");
        assert_eq!(object.hex("c").unwrap_err().to_string(), "c: not hexadecimal with two digits a byte");
        assert_eq!(object.flag("d").unwrap_err().to_string(), "d: must be true or false");
        assert_eq!(object.object("a").unwrap().text("b").unwrap_err().to_string(), "a.b: must be text");
        let rest = Object::parse(br#"{"z":null}"#).unwrap();
        assert_eq!(rest.finish().unwrap_err().to_string(), "z: no such field");
    }
}
