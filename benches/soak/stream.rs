//! Connections, and the bytes they carry: byte `n` of a stream is known from its seed, at both ends.

use std::io::{self, Read, Write};
use std::sync::LazyLock;

pub use crate::support::PATIENCE;
pub use crate::support::stream::Stream;

/// What is read and written at once.
pub const BLOCK: usize = 64 << 10;

/// A prime, so that no size of a buffer or a record divides it.
const PERIOD: usize = 65_521;

/// A block more than the period, so that any piece of it is one slice.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut dice = Dice::new(1);
    let once: Vec<u8> = (0..PERIOD).map(|_| dice.roll(256) as u8).collect();
    once.iter().copied().cycle().take(PERIOD + BLOCK).collect()
});

/// Small, and not random at all: xorshift.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From zero to just below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// The bytes of one stream, in order.
pub struct Bytes {
    at: usize,
}

impl Bytes {
    pub fn new(seed: u64) -> Self {
        Self { at: (seed % PERIOD as u64) as usize }
    }

    /// The next ones, at most [`BLOCK`].
    pub fn next(&mut self, count: usize) -> &'static [u8] {
        let piece = &PATTERN[self.at..self.at + count.min(BLOCK)];
        self.at = (self.at + piece.len()) % PERIOD;
        piece
    }

    /// Whether these are the next.
    pub fn are(&mut self, found: &[u8]) -> bool {
        found.chunks(BLOCK).all(|piece| self.next(piece.len()) == piece)
    }

    /// All of a short stream.
    pub fn whole(seed: u64, count: usize) -> Vec<u8> {
        let mut bytes = Self::new(seed);
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            all.extend_from_slice(bytes.next(count - all.len()));
        }
        all
    }
}

/// Sends `count` bytes of a stream.
pub fn send(to: &mut impl Write, seed: u64, count: usize) -> io::Result<()> {
    let (mut bytes, mut left) = (Bytes::new(seed), count);
    while left > 0 {
        let piece = bytes.next(left);
        to.write_all(piece)?;
        left -= piece.len();
    }
    Ok(())
}

/// Reads to the end, and tells how much there was and whether it was right.
pub fn receive(from: &mut impl Read, seed: u64) -> io::Result<(usize, bool)> {
    let (mut bytes, mut block, mut count, mut right) = (Bytes::new(seed), vec![0; BLOCK], 0, true);
    loop {
        match from.read(&mut block)? {
            0 => return Ok((count, right)),
            n => {
                right &= bytes.are(&block[..n]);
                count += n;
            }
        }
    }
}

/// A line, read byte by byte, so that nothing behind it is taken.
pub fn line(from: &mut impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte[0] != b'\n' {
        from.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > 4096 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    line.pop();
    String::from_utf8(line).map_err(io::Error::other)
}
