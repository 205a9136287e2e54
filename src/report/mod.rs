//! What the host is told: log and status.
//!
//! Promises: everything the application and odyn print goes into one ring of fixed size, from which any number of
//! readers are served, each on its own thread; a slow or dead reader costs nobody but itself; the current status is
//! always there to be read, and the final one until a host has read it. Never interprets, filters or stores what the
//! application prints.

#![forbid(unsafe_code)]

pub mod board;
pub mod capture;
pub mod logger;
pub mod ring;
pub mod serve;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::config::limits;
use crate::serve::Gate;
use crate::sync::Latch;
use crate::transport::Listener;
use board::Board;
use ring::Ring;

/// The enclave's log and status, and who reads them.
#[derive(Debug)]
pub struct Report {
    /// The log.
    pub ring: Arc<Ring>,
    /// The status.
    pub board: Arc<Board>,
    /// Open log readers.
    log_gate: Arc<Gate>,
    /// Open status readers.
    status_gate: Arc<Gate>,
    /// Opens when every captured pipe has ended.
    captured: Latch,
}

impl Report {
    /// An empty log of `log_bytes` and a status not known yet, with at most `connections` readers of each.
    ///
    /// # Errors
    /// When the process is out of descriptors or memory.
    pub fn new(log_bytes: usize, connections: usize) -> io::Result<Self> {
        Ok(Self {
            ring: Arc::new(Ring::new(log_bytes)?),
            board: Arc::new(Board::default()),
            log_gate: Gate::new(connections)?,
            status_gate: Gate::new(connections)?,
            captured: Latch::default(),
        })
    }

    /// Serves both streams.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn serve(&self, log: Listener, status: Listener) -> io::Result<()> {
        let ring = Arc::clone(&self.ring);
        crate::serve::spawn("log", log, &self.log_gate, move |socket| serve::send_log(&socket, &ring))?;
        let board = Arc::clone(&self.board);
        crate::serve::spawn("status", status, &self.status_gate, move |socket| serve::send_status(&socket, &board))
    }

    /// Copies what is written to the other ends of `pipes` into the log, until all of them are closed.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn capture(&self, pipes: Vec<OwnedFd>) -> io::Result<()> {
        capture::spawn(pipes, Arc::clone(&self.ring), self.captured.clone())
    }

    /// Ends the log, once what was printed is in it. Every writer should be gone by now; a process that escaped is not
    /// worth more than a moment.
    pub fn close_log(&self) {
        let _ = self.captured.wait(Instant::now() + limits::CAPTURE_END);
        self.ring.close();
    }

    /// Waits until a host has read the final status and every reader of status and log has been served to the end, at most
    /// until `deadline`. True when that is so.
    pub fn wait_read(&self, deadline: Instant) -> bool {
        if !self.board.wait_read(deadline) {
            return false;
        }
        self.log_gate.close();
        self.status_gate.close();
        self.log_gate.wait_idle(deadline) + self.status_gate.wait_idle(deadline) == 0
    }
}
