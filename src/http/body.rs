//! Where a body ends, found in bytes that pass through unchanged.
//!
//! A chunked body is followed chunk by chunk and must be as RFC 9112 section 7.1 writes it: whoever reads it next
//! reads the same.

use super::head::Framing;
use crate::config::limits;

/// The body is not what its framing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError;

/// Follows one body.
#[derive(Debug)]
pub struct Follower {
    state: State,
    data: u64,
}

#[derive(Debug)]
enum State {
    /// So many bytes to come.
    Length(u64),
    /// All bytes until the connection ends.
    UntilClose,
    /// In a chunk-size line: digits so far, value so far.
    Size { digits: u8, value: u64 },
    /// In a chunk extension: chunk size, length of the line so far.
    Extension { value: u64, line: usize },
    /// The LF of a chunk-size line is due.
    SizeEnd(u64),
    /// In a chunk's data: so many bytes to come.
    Data(u64),
    /// The CR behind a chunk's data is due.
    DataCr,
    /// The LF behind a chunk's data is due.
    DataLf,
    /// At the start of a trailer line: bytes of trailer so far.
    TrailerStart(usize),
    /// In a trailer line.
    TrailerLine(usize),
    /// The LF of a trailer line is due.
    TrailerLf(usize),
    /// The last LF is due.
    LastLf,
    /// Complete.
    Done,
}

/// Digits in the largest chunk size accepted: 2^60 and no overflow.
const SIZE_DIGITS: u8 = 15;

impl Follower {
    /// At the start of a body that ends as `framing` says.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(n) => State::Length(n),
            Framing::Chunked => State::Size { digits: 0, value: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, data: 0 }
    }

    /// True when the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// How many bytes of data there were so far, without the framing of chunks.
    #[must_use]
    pub fn data(&self) -> u64 {
        self.data
    }

    /// True when the connection's end is the body's end and not a truncation.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::UntilClose | State::Done)
    }

    /// How many of `bytes` belong to the body, which then count as seen. Fewer than there are only when it is done.
    ///
    /// # Errors
    /// When a chunk is malformed.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, BodyError> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            let n = match &mut self.state {
                State::UntilClose => bytes.len() - at,
                State::Length(left) => {
                    let n = take(left, bytes.len() - at);
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    n
                }
                State::Data(left) => {
                    let n = take(left, bytes.len() - at);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    n
                }
                _ => {
                    self.step(bytes[at])?;
                    at += 1;
                    continue;
                }
            };
            self.data += n as u64;
            at += n;
        }
        Ok(at)
    }

    /// One byte of chunk framing.
    fn step(&mut self, byte: u8) -> Result<(), BodyError> {
        self.state = match (&self.state, byte) {
            (State::Size { digits, value }, _) if byte.is_ascii_hexdigit() && *digits < SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(BodyError)?;
                State::Size { digits: digits + 1, value: value * 16 + u64::from(digit) }
            }
            (State::Size { digits: 1.., value }, b'\r') => State::SizeEnd(*value),
            (State::Size { digits: 1.., value }, b';') => State::Extension { value: *value, line: 0 },
            (State::Extension { value, .. }, b'\r') => State::SizeEnd(*value),
            (State::Extension { value, line }, b'\t' | b' '..=b'~' | 0x80..) if *line < limits::CHUNK_LINE => {
                State::Extension { value: *value, line: line + 1 }
            }
            (State::SizeEnd(0), b'\n') => State::TrailerStart(0),
            (State::SizeEnd(value), b'\n') => State::Data(*value),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, value: 0 },
            (State::TrailerStart(_), b'\r') => State::LastLf,
            // A folded line.
            (State::TrailerStart(_), b'\t' | b' ') => return Err(BodyError),
            (State::TrailerLine(n), b'\r') => State::TrailerLf(*n),
            (State::TrailerLf(n), b'\n') => State::TrailerStart(*n),
            (State::TrailerStart(n) | State::TrailerLine(n), b'\t' | b' '..=b'~' | 0x80..) if *n < limits::TRAILER => {
                State::TrailerLine(n + 1)
            }
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(BodyError),
        };
        Ok(())
    }
}

/// Takes up to `most` from `left`.
fn take(left: &mut u64, most: usize) -> usize {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
    *left -= n as u64;
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of `bytes` belongs to the chunked body, fed in pieces of `size`; `None` when it is not done by then.
    fn follow(bytes: &[u8], size: usize) -> Result<Option<usize>, BodyError> {
        let mut follower = Follower::new(Framing::Chunked);
        let mut total = 0;
        for piece in bytes.chunks(size) {
            total += follower.advance(piece)?;
            if follower.is_done() {
                return Ok(Some(total));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_chunked_body_ends_at_the_same_byte_however_it_arrives() {
        let body = b"4\r\nwiki\r\n5;a=\"b c\"\r\npedia\r\n0\r\nTrailer: x\r\n\r\n";
        let with_next = [&body[..], b"GET / HTTP/1.1\r\n"].concat();
        for size in 1..with_next.len() {
            assert_eq!(follow(&with_next, size), Ok(Some(body.len())), "pieces of {size}");
        }
    }

    #[test]
    fn bad_chunking_is_refused() {
        for bad in [
            "\r\n",
            ";\r\n",
            "g\r\n",
            "0x4\r\n",
            "+4\r\n",
            "-1\r\n",
            " 4\r\n",
            "4 \r\n",
            "4\n",
            "4\r4",
            "4\rwiki",
            "4;\n",
            "4;a\0b\r\n",
            "4\r\nwikiX",
            "4\r\nwiki\n",
            "4\r\nwiki\rX",
            "0\r\n\n",
            "0\r\n\rX",
            "0\r\nA: b\n",
            "0\r\nA: b\rX",
            "0\r\nA: b\r\n c\r\n",
            "0\r\n x",
            "1000000000000000\r\n",
            "ffffffffffffffffffffffff\r\n",
        ] {
            assert_eq!(follow(bad.as_bytes(), 7), Err(BodyError), "{bad:?}");
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_refused() {
        assert_eq!(follow(format!("4;{}", "x".repeat(limits::CHUNK_LINE + 1)).as_bytes(), 999), Err(BodyError));
        let trailer = "A: b\r\n".repeat(limits::TRAILER / 4 + 1);
        assert_eq!(follow(format!("0\r\n{trailer}").as_bytes(), 999), Err(BodyError));
    }

    #[test]
    fn a_body_with_a_length_takes_exactly_that() {
        let mut follower = Follower::new(Framing::Length(5));
        assert_eq!(follower.advance(b"123"), Ok(3));
        assert!(!follower.is_done() && !follower.ends_with_connection());
        assert_eq!(follower.advance(b"45GET"), Ok(2));
        assert!(follower.is_done());
        assert!(Follower::new(Framing::Length(0)).is_done());
    }
}
