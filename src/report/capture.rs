//! From pipes into the ring.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use super::ring::Ring;
use crate::config::limits;
use crate::serve::thread_builder;
use crate::sync::Latch;
use crate::sys::poll::{Entry, Interest, poll};
use crate::sys::stdio::set_nonblocking;

/// What a pipe holds by default.
const CHUNK: usize = 64 << 10;

/// Starts the one thread that reads `pipes` until the last of them is closed, then opens `done`. It does nothing but
/// copy, so whoever writes waits for memory speed at worst; and it never logs, for its log would come back to it.
///
/// It never blocks in a read either: an application can open the read end of its own standard output through `/proc`
/// and take away bytes that `poll` has announced.
pub(super) fn spawn(pipes: Vec<OwnedFd>, ring: Arc<Ring>, done: Latch) -> io::Result<()> {
    for pipe in &pipes {
        set_nonblocking(pipe.as_fd())?;
    }
    thread_builder("capture")
        .spawn(move || {
            copy(pipes.into_iter().map(File::from).collect(), &ring);
            done.open();
        })
        .map(drop)
}

fn copy(mut pipes: Vec<File>, ring: &Ring) {
    let mut chunk = vec![0; CHUNK];
    // Which pipe the last byte came from, if it did not end a line: another one's must not be glued to it.
    let mut open_line = None;
    while !pipes.is_empty() {
        let mut entries: Vec<Entry> = pipes.iter().map(|pipe| Entry::new(pipe.as_fd(), Interest::READ)).collect();
        if poll(&mut entries, None).is_err() {
            // Out of kernel memory. Giving up would block every writer for ever, so try again.
            std::thread::sleep(limits::ACCEPT_PAUSE);
            continue;
        }
        let mut ready = entries.iter().map(Entry::readable);
        // A pipe goes when its last writer has closed it, or when it fails.
        pipes.retain_mut(|pipe| match ready.next() {
            Some(true) => match pipe.read(&mut chunk) {
                Ok(0) => false,
                Ok(n) => {
                    let source = pipe.as_raw_fd();
                    if open_line.is_some_and(|other| other != source) {
                        ring.push(b"\n");
                    }
                    ring.push(&chunk[..n]);
                    open_line = (chunk[n - 1] != b'\n').then_some(source);
                    true
                }
                Err(e) => matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock),
            },
            _ => true,
        });
    }
}
