//! Bytes in pieces, so that a large body is let go of piece by piece while it moves on. What is not taken is wiped when the
//! queue is dropped, and so is whatever is copied within it: they are requests' bodies.

use std::collections::VecDeque;
use std::io;

use super::peer::{reserve, wipe};

/// Pieces smaller than this are put together: a client that sends byte by byte must not cost a piece each. Large enough
/// for allocators to give each back to the kernel when it is let go of, not when all are.
const PIECE: usize = 256 << 10;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pieces: VecDeque<Vec<u8>>,
    length: usize,
}

impl Chunks {
    /// With an empty piece, to which so many bytes are about to be written; they need not be moved then.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(super) fn expecting(bytes: usize) -> io::Result<Self> {
        let mut first = Vec::new();
        reserve(&mut first, bytes.min(PIECE))?;
        Ok(Self::from(first))
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(super) fn push(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        self.length += bytes.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE => {
                reserve(last, bytes.len())?;
                last.extend_from_slice(&bytes);
                wipe(&mut bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.pieces.push_back(bytes),
        }
        Ok(())
    }

    /// Takes the first piece.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len();
        Some(piece)
    }

    /// All of it in one piece; each of those it was in is freed before the next is copied.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(super) fn join(mut self) -> io::Result<Vec<u8>> {
        if self.pieces.len() == 1 {
            return Ok(self.pop().unwrap_or_default());
        }
        let mut whole = Vec::new();
        whole.try_reserve_exact(self.length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        while let Some(mut piece) = self.pop() {
            whole.extend_from_slice(&piece);
            wipe(&mut piece);
        }
        Ok(whole)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.pieces.iter_mut().for_each(wipe);
    }
}

/// What is written goes to the end.
impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.pieces.back_mut() {
            // What is expected may come in one piece larger than any.
            Some(last) if last.is_empty() || last.len() + bytes.len() <= PIECE => {
                reserve(last, bytes.len())?;
                last.extend_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.push(bytes.to_owned())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Vec<u8>> for Chunks {
    fn from(bytes: Vec<u8>) -> Self {
        let length = bytes.len();
        Self { pieces: VecDeque::from([bytes]), length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn bytes_come_out_as_they_went_in_and_single_ones_share_a_piece() {
        let mut chunks = Chunks::from(vec![0; PIECE]);
        (0..100).for_each(|byte| chunks.push(vec![byte]).unwrap());
        chunks.push(vec![7; PIECE]).unwrap();
        chunks.push(Vec::new()).unwrap();
        assert_eq!(chunks.write(&[8; 3]).unwrap(), 3);
        assert_eq!(chunks.write(&[8; 2]).unwrap(), 2);
        assert_eq!(chunks.len(), 2 * PIECE + 105);
        let sizes: Vec<usize> = std::iter::from_fn(|| chunks.pop()).map(|piece| piece.len()).collect();
        assert_eq!((sizes, chunks.len()), (vec![PIECE, 100, PIECE, 5], 0));
    }

    #[test]
    fn what_was_expected_stays_where_it_was_written() {
        let mut chunks = Chunks::expecting(1000).unwrap();
        assert_eq!(chunks.write(&[1; 10]).unwrap(), 10);
        let place = chunks.pieces[0].as_ptr();
        assert_eq!(chunks.write(&[2; 990]).unwrap(), 990);
        assert_eq!((chunks.pieces[0].as_ptr(), chunks.len()), (place, 1000));
        // One is not left behind empty.
        let mut chunks = Chunks::expecting(1).unwrap();
        assert_eq!(chunks.write(&vec![3; PIECE + 1]).unwrap(), PIECE + 1);
        assert_eq!((chunks.pieces.len(), chunks.len()), (1, PIECE + 1));
        // Of so much there are several pieces.
        assert_eq!(Chunks::expecting(usize::MAX).unwrap().pieces[0].capacity(), PIECE);
    }
}
