//! The S3 storage for the application: what stands in a request, what in an answer.
//!
//! A large object is in memory once: it is decoded in the buffer that its request came in, and encoded as its answer is
//! read, each piece being freed on the way. Base64 with escapes in it, which it needs none of, is copied first.

use std::collections::VecDeque;
use std::io::{self, Read};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::{ApiError, Problem};
use super::json::Object;
use super::large::Apart;
use super::route::StorageCall;
use crate::aws::s3::key::{Key, Start};
use crate::aws::s3::{self, Store};
use crate::config::limits;
use crate::http::service::{Answer, Body, JSON};

/// One of the four, as an answer of the API's.
pub(super) fn serve(store: &Store, call: StorageCall, body: Zeroizing<Vec<u8>>) -> Result<Answer, ApiError> {
    match call {
        StorageCall::Get => {
            let stored = get(store, &body)?;
            let (length, fields) = (stored.length(), Vec::new());
            let body = Body::Stream(length, Box::new(stored));
            Ok(Answer { status: 200, content_type: JSON.to_owned(), fields, body })
        }
        StorageCall::Put => put(store, body).map(|value| Answer::json(&value)),
        StorageCall::Delete => delete(store, &body).map(|value| Answer::json(&value)),
        StorageCall::List => list(store, &body).map(|value| Answer::json(&value)),
    }
}

/// POST `/v1/s3/get`.
///
/// # Errors
/// 404 when there is no such object.
fn get(store: &Store, body: &[u8]) -> Result<Stored, ApiError> {
    let mut request = Object::parse(body)?;
    let key = key(store, &mut request)?;
    request.finish()?;
    store.get(&key)?.map(Stored::new).ok_or(ApiError::NoObject)
}

/// POST `/v1/s3/put`. Takes the body, to decode the object in it.
///
/// # Errors
/// 413 when the object is larger than [`limits::S3_OBJECT`].
fn put(store: &Store, body: Zeroizing<Vec<u8>>) -> Result<Value, ApiError> {
    let (mut request, value) = Apart::parse(&body, "value")?.split();
    let key = key(store, &mut request)?;
    let content_type = request.optional_text("content_type")?;
    let printable = |text: &String| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if content_type.as_ref().is_some_and(|text| !printable(text) || text.trim() != text) {
        return Err(request.wrong("content_type", Problem::FieldValue));
    }
    if content_type.as_ref().is_some_and(|text| text.len() > limits::S3_CONTENT_TYPE) {
        return Err(request.wrong("content_type", Problem::TooLong(limits::S3_CONTENT_TYPE)));
    }
    request.finish()?;
    if value.decoded_length() > limits::S3_OBJECT + 2 {
        return Err(ApiError::ObjectTooLarge);
    }
    let value = Apart::decode(value, "value", body)?;
    if value.bytes().len() > limits::S3_OBJECT {
        return Err(ApiError::ObjectTooLarge);
    }
    store.put(&key, content_type.as_deref(), value.bytes())?;
    Ok(json!({ "success": true }))
}

/// POST `/v1/s3/delete`. Deleting what is not there succeeds, as it does at S3.
///
/// # Errors
/// See [`ApiError`].
fn delete(store: &Store, body: &[u8]) -> Result<Value, ApiError> {
    let mut request = Object::parse(body)?;
    let key = key(store, &mut request)?;
    request.finish()?;
    store.delete(&key)?;
    Ok(json!({ "success": true }))
}

/// POST `/v1/s3/list`.
///
/// # Errors
/// See [`ApiError`].
fn list(store: &Store, body: &[u8]) -> Result<Value, ApiError> {
    let mut request = Object::parse(body)?;
    let start = request.optional_text("prefix")?.unwrap_or_default();
    let start = Start::parse(start, store.prefix()).map_err(|e| request.wrong("prefix", Problem::Key(e)))?;
    let token = request.optional_text("continuation_token")?;
    match &token {
        Some(token) if token.is_empty() => return Err(request.wrong("continuation_token", Problem::Empty)),
        Some(token) if token.len() > limits::S3_TOKEN => {
            return Err(request.wrong("continuation_token", Problem::TooLong(limits::S3_TOKEN)));
        }
        _ => {}
    }
    let most = match request.take("max_keys") {
        None => None,
        // S3 gives at most a thousand at a time, whatever it is asked for.
        Some(count) => match count.as_u64().filter(|count| *count > 0) {
            Some(count) => Some(count),
            None => return Err(request.wrong("max_keys", Problem::Count)),
        },
    };
    request.finish()?;
    let page = store.list(&start, token.as_deref(), most)?;
    Ok(json!({ "is_truncated": page.next.is_some(), "keys": page.keys, "continuation_token": page.next }))
}

fn key(store: &Store, request: &mut Object) -> Result<Key, ApiError> {
    let text = request.text("key")?;
    Key::parse(text, store.prefix()).map_err(|e| request.wrong("key", Problem::Key(e)))
}

const HEAD: &[u8] = b"{\"value\":\"";
const TAIL: &[u8] = b"\"}";

/// An object on its way to the application: JSON, encoded as it is read.
struct Stored {
    pieces: VecDeque<Zeroizing<Vec<u8>>>,
    length: usize,
    /// Of the first piece, what was encoded.
    encoded: usize,
    /// Encoded and not read yet.
    ready: Zeroizing<Vec<u8>>,
    read: usize,
    ended: bool,
}

impl Stored {
    fn new(object: s3::Object) -> Self {
        let encoded = object.length.div_ceil(3) * 4;
        Self {
            length: HEAD.len() + encoded + TAIL.len(),
            pieces: object.pieces,
            encoded: 0,
            ready: Zeroizing::new(HEAD.to_vec()),
            read: 0,
            ended: false,
        }
    }

    /// Bytes of JSON in all.
    fn length(&self) -> usize {
        self.length
    }

    /// Encodes the next bit into `ready`; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.read = 0;
        let Some(piece) = self.pieces.front() else {
            let more = !self.ended;
            self.ended = true;
            if more {
                self.ready.extend_from_slice(TAIL);
            }
            return Ok(more);
        };
        let end = piece.len().min(self.encoded + limits::S3_ENCODED);
        let bytes = piece.get(self.encoded..end).unwrap_or_default();
        self.ready.resize(Base64::encoded_len(bytes), 0);
        Base64::encode(bytes, &mut self.ready).map_err(io::Error::other)?;
        self.encoded = end;
        if end == piece.len() {
            self.pieces.pop_front();
            self.encoded = 0;
        }
        Ok(true)
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.ready.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let mut ready = self.ready.get(self.read..).unwrap_or_default();
        let n = ready.read(into)?;
        self.read += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(bytes: &[u8]) -> Stored {
        let pieces = bytes.chunks(limits::S3_PIECE).map(|piece| Zeroizing::new(piece.to_vec())).collect();
        Stored::new(s3::Object { pieces, length: bytes.len() })
    }

    #[test]
    fn an_object_is_read_as_json_of_the_announced_length() {
        for length in [0, 1, 2, 3, 4, limits::S3_ENCODED, limits::S3_PIECE - 1, limits::S3_PIECE, limits::S3_PIECE + 1]
        {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
            let mut stored = stored(&bytes);
            let announced = stored.length();
            let mut text = String::new();
            stored.read_to_string(&mut text).unwrap();
            assert_eq!(text.len(), announced, "{length}");
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Base64::decode_vec(value["value"].as_str().unwrap()).unwrap(), bytes, "{length}");
        }
    }

    #[test]
    fn what_was_read_is_no_longer_held() {
        let mut stored = stored(&vec![7; 4 * limits::S3_PIECE]);
        let mut half = vec![0; stored.length() / 2];
        stored.read_exact(&mut half).unwrap();
        assert!(stored.pieces.len() <= 2);
    }
}
