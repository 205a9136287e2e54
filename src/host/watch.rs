//! Follows an enclave's status and log until its end, through broken connections.
//!
//! Two threads. The status thread decides what is true: the enclave is starting, is up, is over, is gone. The log
//! thread copies to standard output. At the end the status thread keeps its connection until the log thread is through,
//! because odyn takes the closing of that connection for "the host has read everything" and powers off.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::follow::{self, Copied};
use crate::config::limits;
use crate::serve::thread_builder;
use crate::sync::Latch;
use crate::sys::socket::Socket;
use crate::transport::parent::Enclave;
use crate::wire::status::Status;

/// What becomes of an enclave, as far as the host can tell.
#[derive(Debug)]
pub enum Event {
    /// It does not answer yet; sent once, with the reason.
    Waiting(io::Error),
    /// Its application ended, and so does it.
    Over(End),
    /// It did not answer within [`limits::ENCLAVE_START`]; the last reason.
    Unreached(io::Error),
    /// It answered before, and did not for [`limits::ENCLAVE_GONE`].
    Gone,
}

/// How an application ended, as its enclave told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself or by a signal; what a shell would report, 0 to 255.
    Code(u8),
    /// It was never started, or odyn failed; why.
    Fatal(String),
}

impl End {
    /// `None` when `status` is not an end, or not one that can be: codes go up to 255, signals up to 127.
    fn of(status: Status) -> Option<Self> {
        match status {
            Status::Running => None,
            Status::Exited { code } => u8::try_from(code).ok().map(Self::Code),
            Status::Signaled { signal, .. } => {
                u8::try_from(signal).ok().filter(|n| (1..128).contains(n)).map(|n| Self::Code(128 + n))
            }
            Status::Fatal { error } => Some(Self::Fatal(error)),
        }
    }
}

/// Which enclave, and where.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub enclave: Enclave,
    /// Its status port.
    pub status: u32,
    /// Its log port.
    pub log: u32,
}

/// Starts both threads. `up` is opened when the enclave first told a status, which it does once its ports are served.
/// `report` gets every [`Event`]; all but [`Event::Waiting`] are the last.
///
/// # Errors
/// When a thread cannot be started.
pub fn spawn(target: Target, up: Latch, report: impl Fn(Event) + Send + 'static) -> io::Result<()> {
    let watch =
        Arc::new(Watch { target, up, over: Latch::default(), log_ended: Latch::default(), log_seen: Latch::default() });
    let log = Arc::clone(&watch);
    thread_builder("log").spawn(move || log.follow_log(&mut io::stdout()))?;
    thread_builder("status").spawn(move || watch.follow_status(report)).map(drop)
}

struct Watch {
    target: Target,
    up: Latch,
    /// The final status is known.
    over: Latch,
    /// Nothing will be printed any more.
    log_ended: Latch,
    /// The log was connected to: the enclave was there.
    log_seen: Latch,
}

impl Watch {
    fn follow_status(&self, report: impl Fn(Event)) {
        let mut patience = Patience::new();
        loop {
            let trouble = match self.target.enclave.connect(self.target.status) {
                Ok(socket) => match read_status(&socket, &self.up) {
                    Told::End(end) => {
                        self.over.open();
                        if !self.log_ended.wait(Instant::now() + limits::LOG_END) {
                            log::warn!("gave up waiting for the end of the log");
                        }
                        drop(socket);
                        return report(Event::Over(end));
                    }
                    Told::Broken { lines, cause } => {
                        patience.answered(lines > 0);
                        cause
                    }
                },
                Err(e) => e,
            };
            if !patience.reached && self.log_seen.is_open() {
                patience.answered(false);
            }
            if patience.is_exhausted() {
                return report(if patience.reached { Event::Gone } else { Event::Unreached(trouble) });
            }
            if patience.is_new() {
                report(Event::Waiting(trouble));
            }
            std::thread::sleep(limits::ENCLAVE_RETRY_PAUSE);
        }
    }

    /// Copies the log to `out` until it has ended for good, or nobody reads `out` any more.
    fn follow_log(&self, out: &mut impl Write) {
        let mut printer = Printer { out, delivered: false, at_line_start: true };
        loop {
            let was_over = self.over.is_open();
            match self.target.enclave.connect(self.target.log) {
                Ok(socket) => {
                    self.log_seen.open();
                    match printer.copy(&socket) {
                        Copied::Ended => {}
                        Copied::Broken(e) => log::debug!("the log stream broke: {e}"),
                        Copied::Unwritable(e) => {
                            log::warn!("stopped printing the enclave's log: {e}");
                            break;
                        }
                    }
                    drop(socket);
                    // The end of the log, if the final status comes with it; else a connection that broke.
                    if self.over.wait(Instant::now() + limits::STATUS_AFTER_END) {
                        break;
                    }
                }
                Err(_) if was_over => break,
                Err(_) => {
                    let _ = self.over.wait(Instant::now() + limits::ENCLAVE_RETRY_PAUSE);
                }
            }
        }
        self.log_ended.open();
    }
}

/// What one status connection told.
#[doc(hidden)]
#[derive(Debug)]
pub enum Told {
    /// The end.
    End(End),
    /// So many lines, none of them the end, and then no more, because of this.
    Broken {
        /// Those that were understood.
        lines: usize,
        /// Why no more.
        cause: io::Error,
    },
}

/// Reads one status connection to its end or the enclave's; opens `up` at the first status. Public for fuzz/: what leads
/// to it is a thread.
#[doc(hidden)]
pub fn read_status(socket: &Socket, up: &Latch) -> Told {
    let mut lines = Lines::new(socket);
    let mut count = 0;
    loop {
        let line = match lines.next() {
            Ok(line) => line,
            Err(cause) => return Told::Broken { lines: count, cause },
        };
        let status = std::str::from_utf8(&line).ok().and_then(Status::from_line);
        let Some(status) = status else {
            log::warn!("skipped a status line that is not understood: {}", String::from_utf8_lossy(&line));
            continue;
        };
        log::debug!("status: {status:?}");
        count += 1;
        up.open();
        if let Some(end) = End::of(status) {
            return Told::End(end);
        }
    }
}

/// How long to go on trying.
struct Patience {
    until: Instant,
    reached: bool,
    attempts: u32,
}

impl Patience {
    fn new() -> Self {
        Self { until: Instant::now() + limits::ENCLAVE_START, reached: false, attempts: 0 }
    }

    /// The enclave answered. One that accepts and tells nothing, over and over, does not prolong the wait.
    fn answered(&mut self, told: bool) {
        if told || !self.reached {
            self.until = Instant::now() + limits::ENCLAVE_GONE;
        }
        self.reached = true;
    }

    /// True once, if the enclave never answered.
    fn is_new(&mut self) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts == 1 && !self.reached
    }

    fn is_exhausted(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// The log, on its way to standard output.
struct Printer<'a, W> {
    out: &'a mut W,
    /// Some of the log was printed already, so the next connection repeats it: each starts with the oldest byte kept.
    delivered: bool,
    at_line_start: bool,
}

impl<W: Write> Printer<'_, W> {
    fn copy(&mut self, socket: &Socket) -> Copied {
        let mut interrupted = self.delivered;
        follow::copy(socket, |bytes| {
            if interrupted {
                let newline = if self.at_line_start { "" } else { "\n" };
                writeln!(self.out, "{newline}[odyn-host: log stream interrupted, lines may repeat]")?;
                interrupted = false;
            }
            self.delivered = true;
            self.at_line_start = bytes.last() == Some(&b'\n');
            self.out.write_all(bytes)?;
            self.out.flush()
        })
    }
}

/// Lines of bounded length from a socket.
struct Lines<'a> {
    socket: &'a Socket,
    held: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self { socket, held: Vec::new() }
    }

    /// The next line, without its newline.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end of the stream, `InvalidData` for a line longer than [`limits::STATUS_LINE`] with its newline.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            // Only what may be part of a line is looked at: how the pieces fell makes no difference.
            let window = self.held.get(..limits::STATUS_LINE).unwrap_or(&self.held);
            if let Some(at) = window.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.held.drain(..=at).collect();
                line.pop();
                return Ok(line);
            }
            if self.held.len() >= limits::STATUS_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut piece = [0; limits::STATUS_LINE];
            match follow::read(self.socket, &mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.held.extend_from_slice(&piece[..n]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn pair() -> (UnixStream, Socket) {
        let (a, b) = UnixStream::pair().unwrap();
        (a, Socket::from(OwnedFd::from(b)))
    }

    #[test]
    fn an_end_is_what_a_shell_would_report_and_nothing_else() {
        assert_eq!(End::of(Status::Running), None);
        assert_eq!(End::of(Status::Exited { code: 255 }), Some(End::Code(255)));
        assert_eq!(End::of(Status::Exited { code: 256 }), None);
        assert_eq!(End::of(Status::Exited { code: -1 }), None);
        let signaled = |signal| End::of(Status::Signaled { signal, name: String::new() });
        assert_eq!(signaled(15), Some(End::Code(143)));
        assert_eq!((signaled(0), signaled(128)), (None, None));
        assert_eq!(End::of(Status::Fatal { error: "x".into() }), Some(End::Fatal("x".into())));
    }

    #[test]
    fn lines_are_cut_at_newlines_wherever_the_pieces_end_and_are_never_too_long() {
        let (mut a, b) = pair();
        let mut lines = Lines::new(&b);
        a.write_all(b"one\ntw").unwrap();
        assert_eq!(lines.next().unwrap(), b"one");
        a.write_all(b"o\n").unwrap();
        assert_eq!(lines.next().unwrap(), b"two");
        a.write_all(&[b'x'; limits::STATUS_LINE]).unwrap();
        assert_eq!(lines.next().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (a, b) = pair();
        drop(a);
        assert_eq!(Lines::new(&b).next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_line_a_little_too_long_was_read_when_its_end_came_with_the_rest() {
        for (length, fits) in [(limits::STATUS_LINE - 1, true), (limits::STATUS_LINE, false)] {
            let (mut a, b) = pair();
            let mut lines = Lines::new(&b);
            // A first piece that does not fill the reader, so that the next one goes past the limit.
            a.write_all(b"one\ntw").unwrap();
            assert_eq!(lines.next().unwrap(), b"one");
            let rest = vec![b'x'; length - 2];
            a.write_all(&[&rest[..], b"\nthree\n"].concat()).unwrap();
            match lines.next() {
                Ok(line) => assert!(fits && line.len() == length, "{} bytes were read", line.len()),
                Err(e) => assert!(!fits && e.kind() == io::ErrorKind::InvalidData, "{length}: {e}"),
            }
        }
    }

    #[test]
    fn a_second_connection_says_once_that_lines_may_repeat() {
        let mut out = Vec::new();
        let mut printer = Printer { out: &mut out, delivered: false, at_line_start: true };
        for text in ["", "a\nb", "a\nb\nc\n", "a\n"] {
            let (mut a, b) = pair();
            a.write_all(text.as_bytes()).unwrap();
            drop(a);
            assert!(matches!(printer.copy(&b), Copied::Ended));
        }
        let note = "[odyn-host: log stream interrupted, lines may repeat]\n";
        assert_eq!(String::from_utf8(out).unwrap(), format!("a\nb\n{note}a\nb\nc\n{note}a\n"));
    }

    #[test]
    fn silence_after_an_answer_is_waited_out_once_and_not_prolonged() {
        let mut patience = Patience::new();
        assert!(patience.is_new() && !patience.is_new());
        patience.answered(false);
        let until = patience.until;
        assert!(until <= Instant::now() + limits::ENCLAVE_GONE + Duration::from_secs(1));
        patience.answered(false);
        assert_eq!(patience.until, until);
        patience.answered(true);
        assert!(patience.until >= until && patience.reached);
    }
}
