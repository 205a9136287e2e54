//! The last so many bytes of the log, and where each reader is in it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::sync::{lock, wait};

/// A log of fixed size: writing never waits for a reader, and overwrites the oldest bytes.
#[derive(Debug)]
pub struct Ring {
    capacity: usize,
    inner: Mutex<Inner>,
    grown: Condvar,
}

#[derive(Debug)]
struct Inner {
    /// The bytes still held, oldest first; never more than `capacity`.
    held: VecDeque<u8>,
    /// How many bytes were ever written. The oldest held byte is number `written - held.len()`.
    written: u64,
    closed: bool,
}

/// A reader's place.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    /// The number of the next byte to read.
    next: u64,
    /// The last byte given out ended a line, or none was given out yet.
    at_line_start: bool,
}

/// What [`Ring::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes were added to the output.
    Some,
    /// Nothing new within the time given.
    Nothing,
    /// The ring is closed and everything in it was read.
    End,
}

impl Ring {
    /// An empty ring of `capacity` bytes.
    ///
    /// # Errors
    /// `OutOfMemory` when there is not that much.
    pub fn new(capacity: usize) -> io::Result<Self> {
        let mut held = VecDeque::new();
        held.try_reserve_exact(capacity).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let inner = Mutex::new(Inner { held, written: 0, closed: false });
        Ok(Self { capacity, inner, grown: Condvar::new() })
    }

    /// Adds `bytes`, pushing the oldest out. Never waits but for the lock, which readers hold for one copy at a time.
    pub fn push(&self, bytes: &[u8]) {
        let mut inner = lock(&self.inner);
        let tail = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let excess = (inner.held.len() + tail.len()).saturating_sub(self.capacity);
        inner.held.drain(..excess);
        inner.held.extend(tail);
        inner.written += bytes.len() as u64;
        drop(inner);
        self.grown.notify_all();
    }

    /// Ends the log: readers get what is held, then the end.
    pub fn close(&self) {
        lock(&self.inner).closed = true;
        self.grown.notify_all();
    }

    /// A reader's place at the oldest byte held.
    #[must_use]
    pub fn oldest(&self) -> Cursor {
        Cursor { next: lock(&self.inner).first(), at_line_start: true }
    }

    /// Adds up to `most` bytes from `cursor` on to `out`, waiting up to `patience` for there to be any. What was
    /// overwritten before it could be read is replaced by one line, `[odyn: N bytes dropped]`.
    pub fn read(&self, cursor: &mut Cursor, most: usize, out: &mut Vec<u8>, patience: Duration) -> Read {
        let mut inner = lock(&self.inner);
        if inner.written == cursor.next && !inner.closed {
            inner = wait(&self.grown, inner, patience);
        }
        if inner.written == cursor.next {
            return if inner.closed { Read::End } else { Read::Nothing };
        }
        let first = inner.first();
        if cursor.next < first {
            let newline = if cursor.at_line_start { "" } else { "\n" };
            out.extend_from_slice(format!("{newline}[odyn: {} bytes dropped]\n", first - cursor.next).as_bytes());
            cursor.next = first;
        }
        // At most `capacity`, so it fits.
        let skip = (cursor.next - first) as usize;
        let take = most.min(inner.held.len() - skip);
        let (front, back) = inner.held.as_slices();
        let from_front = front.get(skip..).unwrap_or_default();
        let from_front = &from_front[..take.min(from_front.len())];
        out.extend_from_slice(from_front);
        let skip = skip.saturating_sub(front.len());
        out.extend_from_slice(&back[skip..skip + take - from_front.len()]);
        cursor.next += take as u64;
        cursor.at_line_start = out.last() == Some(&b'\n');
        Read::Some
    }
}

impl Inner {
    fn first(&self) -> u64 {
        self.written - self.held.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(ring: &Ring, cursor: &mut Cursor, most: usize) -> String {
        let mut out = Vec::new();
        while ring.read(cursor, most, &mut out, Duration::ZERO) == Read::Some {}
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_new_reader_gets_everything_still_held_and_no_marker() {
        let ring = Ring::new(8).unwrap();
        ring.push(b"0123456789");
        assert_eq!(read_all(&ring, &mut ring.oldest(), 3), "23456789");
    }

    #[test]
    fn a_reader_that_fell_behind_gets_one_line_for_what_was_lost() {
        let ring = Ring::new(8).unwrap();
        let mut cursor = ring.oldest();
        ring.push(b"ab\n");
        assert_eq!(read_all(&ring, &mut cursor, 100), "ab\n");
        ring.push(b"0123456789");
        assert_eq!(read_all(&ring, &mut cursor, 100), "[odyn: 2 bytes dropped]\n23456789");
        ring.push(b"0123456789\n");
        assert_eq!(read_all(&ring, &mut cursor, 100), "\n[odyn: 3 bytes dropped]\n3456789\n");
    }

    #[test]
    fn a_write_larger_than_the_ring_keeps_its_end_and_counts_in_full() {
        let ring = Ring::new(4).unwrap();
        let mut cursor = ring.oldest();
        ring.push(&[b'x'; 1000]);
        assert_eq!(read_all(&ring, &mut cursor, 100), "[odyn: 996 bytes dropped]\nxxxx");
    }

    #[test]
    fn bytes_come_out_in_order_whatever_the_sizes_of_writes_and_reads() {
        let ring = Ring::new(97).unwrap();
        let mut cursor = ring.oldest();
        let (mut written, mut read): (Vec<u8>, Vec<u8>) = Default::default();
        for round in 0..500_usize {
            let piece: Vec<u8> = (0..round % 90).map(|i| (round + i) as u8).collect();
            ring.push(&piece);
            written.extend(&piece);
            while ring.read(&mut cursor, 1 + round % 13, &mut read, Duration::ZERO) == Read::Some {}
        }
        assert!(written == read);
    }

    #[test]
    fn a_closed_ring_is_read_to_its_end() {
        let ring = Ring::new(8).unwrap();
        let mut cursor = ring.oldest();
        ring.push(b"last");
        ring.close();
        assert_eq!(read_all(&ring, &mut cursor, 2), "last");
        assert_eq!(ring.read(&mut cursor, 2, &mut Vec::new(), Duration::MAX), Read::End);
    }
}
