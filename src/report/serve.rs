//! One reader's thread: log or status, until the end of it or of the reader.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use super::board::Board;
use super::ring::{Read, Ring};
use crate::config::limits;
use crate::sys::poll::{Entry, Interest, poll};
use crate::sys::socket::Socket;

/// Sends the log from the oldest byte held, then live, until it ends or the reader does.
pub fn send_log(socket: &Socket, ring: &Ring) {
    let mut cursor = ring.oldest();
    let mut out = Vec::with_capacity(limits::LOG_CHUNK);
    loop {
        out.clear();
        match ring.read(&mut cursor, limits::LOG_CHUNK, &mut out, limits::READER_CHECK) {
            Read::Some if socket.write_all_until(&out, Instant::now() + limits::READER_STALL).is_ok() => {}
            Read::Nothing if !gone(socket) => {}
            Read::End => {
                end(socket, limits::LOG_CLOSE, has_ended(socket));
                return;
            }
            Read::Some | Read::Nothing => return,
        }
    }
}

/// Sends the current status, then every change, until a final one has been read or the reader goes.
pub fn send_status(socket: &Socket, board: &Board) {
    let mut seen = None;
    loop {
        let Some((number, status)) = board.next(seen, limits::READER_CHECK) else {
            if gone(socket) {
                return;
            }
            continue;
        };
        seen = Some(number);
        // What such a reader says by its end of the stream is said already, before it has read the last line.
        let mute = status.is_final() && has_ended(socket);
        if socket.write_all_until(status.to_line().as_bytes(), Instant::now() + limits::FRAME).is_err() {
            return;
        }
        if status.is_final() {
            if end(socket, limits::FINAL_STATUS_WAIT, mute) {
                board.mark_read();
            }
            return;
        }
    }
}

/// Ends the stream and waits until the reader, having read to the end, closes: a write that succeeded is only in the
/// kernel's hands, and powering off would lose it. True when it has read all: one that goes with bytes unread breaks the
/// connection instead of closing it. A reader that keeps its end open costs `patience`, after which the connection is
/// closed altogether: some virtual machine monitors do not pass a half-close on. The end of one that was `mute`, whose
/// stream had ended when there was still something to read, tells nothing: it has read all when the kernel says so.
fn end(socket: &Socket, patience: Duration, mute: bool) -> bool {
    if socket.shutdown(Shutdown::Write).is_err() {
        return false;
    }
    let deadline = Instant::now() + patience;
    if mute {
        // Nor does a poll tell that it closes: it has been hung up since both streams ended.
        while socket.all_read() != Some(true) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(limits::READER_PAUSE);
        }
        // What was thrown away with the connection is no longer there, either.
        return matches!(socket.read(&mut [0]), Ok(0));
    }
    let mut scrap = [0; 256];
    // A reader has nothing to say; if it talks all the same, the deadline still holds.
    while Instant::now() < deadline {
        match socket.read_until(&mut scrap, deadline) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

/// True when the reader has ended its stream, whatever it said before.
fn has_ended(socket: &Socket) -> bool {
    let mut scrap = [0; 256];
    let said = (0..limits::READER_CHATTER).map(|_| socket.read(&mut scrap)).find(|said| !matches!(said, Ok(1..)));
    matches!(said, Some(Ok(0)))
}

/// True when the reader has closed both directions. One that only stopped sending still reads.
fn gone(socket: &Socket) -> bool {
    let mut entries = [Entry::new(socket.as_fd(), Interest::READ)];
    let answer: io::Result<usize> = poll(&mut entries, Some(Duration::ZERO));
    answer.is_err() || entries[0].hung_up()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::*;
    use crate::wire::status::Status;

    /// Whether a reader counts, within this time, as having read the final status.
    fn counts(mute: bool, patience: Duration, then: impl FnOnce(UnixStream) -> Option<UnixStream>) -> bool {
        let (reader, end) = UnixStream::pair().unwrap();
        if mute {
            // As `nc -N` does at once.
            reader.shutdown(Shutdown::Write).unwrap();
        }
        let board = Arc::new(Board::default());
        board.post(Status::Exited { code: 7 });
        let shown = Arc::clone(&board);
        thread::spawn(move || send_status(&Socket::from(OwnedFd::from(end)), &shown));
        let _kept = then(reader);
        board.wait_read(Instant::now() + patience)
    }

    fn reads(mut reader: UnixStream) -> Option<UnixStream> {
        let mut line = String::new();
        reader.read_to_string(&mut line).unwrap();
        assert!(line.contains("exited"), "{line}");
        None
    }

    /// The end of its stream was taken for a sign that it had read.
    #[test]
    fn a_reader_that_ended_its_stream_early_counts_once_it_has_read_the_final_status() {
        let little = Duration::from_millis(300);
        assert!(counts(false, limits::FRAME, reads));
        assert!(counts(true, limits::FRAME, reads));
        assert!(!counts(true, little, Some));
        assert!(!counts(true, little, |reader| {
            drop(reader);
            None
        }));
    }
}
