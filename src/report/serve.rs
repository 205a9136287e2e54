//! One reader's thread: log or status, until the end of it or of the reader.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
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
                end(socket, limits::LOG_CLOSE);
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
        if socket.write_all_until(status.to_line().as_bytes(), Instant::now() + limits::FRAME).is_err() {
            return;
        }
        if status.is_final() {
            if end(socket, limits::FINAL_STATUS_WAIT) {
                board.mark_read();
            }
            return;
        }
    }
}

/// Ends the stream and waits until the reader, having read to the end, closes: a write that succeeded is only in the
/// kernel's hands, and powering off would lose it. True when it has read all: one that goes with bytes unread breaks the
/// connection instead of closing it. A reader that keeps its end open costs `patience`, after which the connection is
/// closed altogether: some virtual machine monitors do not pass a half-close on.
fn end(socket: &Socket, patience: Duration) -> bool {
    if socket.shutdown(Shutdown::Write).is_err() {
        return false;
    }
    let deadline = Instant::now() + patience;
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

/// True when the reader has closed both directions. One that only stopped sending still reads.
fn gone(socket: &Socket) -> bool {
    let mut entries = [Entry::new(socket.as_fd(), Interest::READ)];
    let answer: io::Result<usize> = poll(&mut entries, Some(Duration::ZERO));
    answer.is_err() || entries[0].hung_up()
}
