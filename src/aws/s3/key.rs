//! Keys that cannot be wrong.

use std::fmt;

use crate::config::limits;

/// A key below the manifest's prefix: not empty, no leading `/`, no `..` segment, no control character, and not longer
/// than S3 allows with the prefix before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

/// What keys of a list start with: as [`Key`], but may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start(String);

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is empty.
    Empty,
    /// It starts with a slash.
    LeadingSlash,
    /// One of its segments is `..`.
    Parent,
    /// It has a control character.
    Control,
    /// With the manifest's prefix it is longer than [`limits::S3_KEY`].
    TooLong,
}

impl Key {
    /// Checks a key that will stand behind `prefix`.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: String, prefix: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        check(&text, prefix)?;
        Ok(Self(text))
    }

    /// The key's text, without the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Start {
    /// Checks what will stand behind `prefix`.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: String, prefix: &str) -> Result<Self, KeyError> {
        check(&text, prefix)?;
        Ok(Self(text))
    }

    /// The text, without the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str, prefix: &str) -> Result<(), KeyError> {
    if text.starts_with('/') {
        return Err(KeyError::LeadingSlash);
    }
    if text.split('/').any(|segment| segment == "..") {
        return Err(KeyError::Parent);
    }
    if text.chars().any(char::is_control) {
        return Err(KeyError::Control);
    }
    if prefix.len() + text.len() > limits::S3_KEY {
        return Err(KeyError::TooLong);
    }
    Ok(())
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("must not be empty"),
            Self::LeadingSlash => f.write_str("must not start with a slash"),
            Self::Parent => f.write_str("must not have a \"..\" segment"),
            Self::Control => f.write_str("must not have control characters"),
            Self::TooLong => {
                write!(f, "must be at most {} bytes with storage.s3.prefix before it", limits::S3_KEY)
            }
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Key, KeyError> {
        Key::parse(text.to_owned(), "app/")
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        for (text, expected) in [
            ("", KeyError::Empty),
            ("/a", KeyError::LeadingSlash),
            ("/", KeyError::LeadingSlash),
            ("..", KeyError::Parent),
            ("../a", KeyError::Parent),
            ("a/..", KeyError::Parent),
            ("a/../b", KeyError::Parent),
            ("a\0b", KeyError::Control),
            ("a\nb", KeyError::Control),
            ("a\u{7f}", KeyError::Control),
            ("a\u{85}", KeyError::Control),
            (&"a".repeat(1021), KeyError::TooLong),
            (&"ü".repeat(511), KeyError::TooLong),
        ] {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn every_other_key_is_a_key() {
        for text in ["a b+c/ü?#%", "...", "a..b", "..a/b..", "a//b/", ".", "a/./b", "%2e%2e/", "\\", &"a".repeat(1020)]
        {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Start::parse(String::new(), "app/").unwrap().as_str(), "");
        assert_eq!(Start::parse("a/../".into(), ""), Err(KeyError::Parent));
    }
}
