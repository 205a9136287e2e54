//! Reads CBOR (RFC 8949) the way an attestation document is written, and in no other way.
//!
//! Promises: every length is in its shortest form and definite, so that each document has one spelling only; nothing is
//! read beyond the input; no recursion, no allocation. Never skips what it does not know: the caller names what must come
//! next.

use std::fmt;

/// Where reading stopped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CborError {
    /// The byte of the input, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The input ends within an item.
    Truncated,
    /// A length or number that is not in its shortest form, or an indefinite length.
    NotCanonical,
    /// Another kind of item is wanted: this one.
    Wanted(&'static str),
    /// Text that is not UTF-8.
    NotText,
    /// So many bytes follow the document.
    Trailing(usize),
}

impl fmt::Display for CborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Truncated => write!(f, "truncated CBOR: it ends within the item at byte {}", self.at),
            Fault::NotCanonical => {
                write!(f, "non-canonical CBOR: the length at byte {} is not in its shortest form", self.at)
            }
            Fault::Wanted(what) => write!(f, "byte {} does not begin {what}", self.at),
            Fault::NotText => write!(f, "the text at byte {} is not UTF-8", self.at),
            Fault::Trailing(count) => write!(f, "trailing bytes: {count} behind the end at byte {}", self.at),
        }
    }
}

impl std::error::Error for CborError {}

/// The kinds of items that documents consist of; their numbers are CBOR's major types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned = 0,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
}

/// CBOR's null.
const NULL: u8 = 0xf6;

/// Takes one item after another out of bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A number.
    ///
    /// # Errors
    /// See [`CborError`]; so for all of these.
    pub fn unsigned(&mut self) -> Result<u64, CborError> {
        self.head(Kind::Unsigned, "a number")
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let start = self.at;
        let length = self.head(Kind::Bytes, "a byte string")?;
        self.take(length, start)
    }

    /// A byte string, or null.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>, CborError> {
        if self.bytes.get(self.at) == Some(&NULL) {
            self.at += 1;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// A text.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        let start = self.at;
        let length = self.head(Kind::Text, "a text")?;
        let bytes = self.take(length, start)?;
        std::str::from_utf8(bytes).map_err(|_| CborError { at: start, fault: Fault::NotText })
    }

    /// The beginning of an array: how many items follow. Not to be trusted with memory.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn array(&mut self) -> Result<u64, CborError> {
        self.head(Kind::Array, "an array")
    }

    /// The beginning of a map: how many pairs follow. Not to be trusted with memory.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn map(&mut self) -> Result<u64, CborError> {
        self.head(Kind::Map, "a map")
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`CborError`].
    pub fn end(&self) -> Result<(), CborError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(CborError { at: self.at, fault: Fault::Trailing(left) }),
        }
    }

    /// The first byte of an item says what it is, and its length or where to find that.
    fn head(&mut self, kind: Kind, wanted: &'static str) -> Result<u64, CborError> {
        let start = self.at;
        let first = self.take(1, start)?[0];
        if first >> 5 != kind as u8 {
            return Err(CborError { at: start, fault: Fault::Wanted(wanted) });
        }
        let (size, least) = match first & 0x1f {
            short @ 0..24 => return Ok(short.into()),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(CborError { at: start, fault: Fault::NotCanonical }),
        };
        let value = self.take(size, start)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        if value < least {
            return Err(CborError { at: start, fault: Fault::NotCanonical });
        }
        Ok(value)
    }

    /// The next `length` bytes, of the item that began at `start`.
    fn take(&mut self, length: u64, start: usize) -> Result<&'a [u8], CborError> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(CborError { at: start, fault: Fault::Truncated })?;
        self.at += taken.len();
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: fmt::Debug>(result: Result<T, CborError>) -> Fault {
        result.unwrap_err().fault
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let mut reader = Reader::new(&[0x82, 0x17, 0x18, 24, 0x42, 1, 2, 0xf6, 0x61, b'a', 0xa1, 0x1a, 0, 1, 0, 0]);
        assert_eq!(reader.array(), Ok(2));
        assert_eq!((reader.unsigned(), reader.unsigned()), (Ok(23), Ok(24)));
        assert_eq!(reader.bytes(), Ok(&[1, 2][..]));
        assert_eq!(reader.bytes_or_null(), Ok(None));
        assert_eq!((reader.text(), reader.map(), reader.unsigned()), (Ok("a"), Ok(1), Ok(65_536)));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_number_has_one_spelling_only() {
        for longer in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 1, 1, 1, 1]] {
            assert_eq!(fault(Reader::new(longer).unsigned()), Fault::NotCanonical);
        }
        for indefinite in [0x5f, 0x5c] {
            assert_eq!(fault(Reader::new(&[indefinite, 0xff]).bytes()), Fault::NotCanonical);
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        for short in [&[][..], &[0x58], &[0x42, 1], &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(fault(Reader::new(short).bytes()), Fault::Truncated);
        }
        assert_eq!(fault(Reader::new(&[0]).end()), Fault::Trailing(1));
        assert_eq!(fault(Reader::new(&[0x61, 0xff]).text()), Fault::NotText);
        assert_eq!(fault(Reader::new(&[0x40]).text()), Fault::Wanted("a text"));
    }
}
