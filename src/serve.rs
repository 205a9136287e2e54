//! One listener, one accept thread, one thread a connection, and a bound on all of it.
//!
//! Promises: no more connections at once than the [`Gate`] admits (further ones wait in the kernel's backlog, accepted
//! by nobody); a failed accept or a thread that cannot be had never ends the loop; a panic in one connection's thread
//! ends that connection. Closing the gate ends the accept thread, and [`Gate::wait_idle`] tells when the last
//! connection is through.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::limits;
use crate::report::logger::Throttle;
use crate::sync::{lock, wait};
use crate::sys::event::Event;
use crate::sys::memory;
use crate::sys::poll::{Entry, Interest, poll};
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// Bounds how many connections are open at once, and can be closed for good.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Readable once the gate is closed.
    closed: Event,
}

#[derive(Debug, Default)]
struct State {
    inside: usize,
    closed: bool,
    /// Threads that want to know of every change.
    waiting: usize,
}

impl Gate {
    /// A gate that lets `limit` in at once.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new(limit: usize) -> io::Result<Arc<Self>> {
        let state = Mutex::default();
        Ok(Arc::new(Self { limit, state, changed: Condvar::new(), closed: Event::new()? }))
    }

    /// Lets nobody in from now on. Whoever is inside stays.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.closed.raise();
        self.changed.notify_all();
    }

    /// Waits until nobody is inside, at most until `deadline`; returns how many still are.
    pub fn wait_idle(&self, deadline: Instant) -> usize {
        let mut state = lock(&self.state);
        while state.inside > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait_for_change(state, left);
        }
        state.inside
    }

    fn wait_for_change<'a>(&self, mut state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        state.waiting += 1;
        state = wait(&self.changed, state, patience);
        state.waiting -= 1;
        state
    }

    /// Waits for room. `None` once the gate is closed.
    fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut state = lock(&self.state);
        while state.inside >= self.limit && !state.closed {
            // Woken by every Pass that is dropped and by close; the timeout is only a bound.
            state = self.wait_for_change(state, limits::IDLE_TUNNEL);
        }
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// Enters if there is room now and the gate is open.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Pass> {
        let mut state = lock(&self.state);
        if state.closed || state.inside >= self.limit {
            return None;
        }
        state.inside += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// True when one more may enter.
    pub(crate) fn has_room(&self) -> bool {
        lock(&self.state).inside < self.limit
    }

    /// True once nobody is let in any more.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Readable once the gate is closed.
    pub(crate) fn closed_fd(&self) -> BorrowedFd<'_> {
        self.closed.as_fd()
    }
}

/// The right to be inside; dropping it, by a panic too, makes room for the next.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.inside -= 1;
        // Each notification is a system call, and nearly always for nobody.
        if state.waiting > 0 {
            self.0.changed.notify_all();
        }
    }
}

/// Serves `listener` on a thread of its own until `gate` is closed: `handle` gets each connection on a thread that serves
/// no other at the time. `name` is what threads and log lines are called.
///
/// # Errors
/// When the accept thread cannot be started.
pub fn spawn(
    name: &str,
    listener: Listener,
    gate: &Arc<Gate>,
    handle: impl Fn(Socket) + Send + Sync + 'static,
) -> io::Result<()> {
    spawn_trying(name, listener, gate, Some, handle)
}

/// [`spawn`], where `at_once` sees each connection first, on the accept thread: it must not wait, and returns the connection
/// unless it is through with it.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_trying(
    name: &str,
    listener: Listener,
    gate: &Arc<Gate>,
    at_once: impl Fn(Socket) -> Option<Socket> + Send + 'static,
    handle: impl Fn(Socket) + Send + Sync + 'static,
) -> io::Result<()> {
    let gate = Arc::clone(gate);
    let crew = Arc::new(Crew { name: name.to_owned(), handle, calls: Mutex::default(), called: Condvar::new() });
    thread_builder(name).spawn(move || accept_all(&listener, &gate, at_once, &crew)).map(drop)
}

/// A thread with a small stack, called `name`.
pub fn thread_builder(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned()).stack_size(limits::THREAD_STACK)
}

fn accept_all<F: Fn(Socket) + Send + Sync + 'static>(
    listener: &Listener,
    gate: &Arc<Gate>,
    at_once: impl Fn(Socket) -> Option<Socket>,
    crew: &Arc<Crew<F>>,
) {
    let troubles = Throttle::default();
    while let Some(pass) = gate.enter() {
        let Some(socket) = next(&crew.name, listener, gate, &troubles) else {
            return;
        };
        let Some(socket) = at_once(socket) else { continue };
        if let Err(e) = crew.give(Call { socket, _pass: pass }) {
            // The call is gone, and with it the connection: the peer sees it closed.
            troubles.warn(format_args!("{}: refused a connection, no thread for it: {e}", crew.name));
            pause(gate);
        }
    }
}

/// A connection to serve, and its right to be.
struct Call {
    socket: Socket,
    _pass: Pass,
}

/// The threads that serve one listener's connections. One that is through waits a while for the next connection: starting
/// a thread can take longer than all that a short one needs.
struct Crew<F> {
    name: String,
    handle: F,
    calls: Mutex<Calls>,
    called: Condvar,
}

#[derive(Default)]
struct Calls {
    /// Never more than there are idle threads.
    waiting: VecDeque<Call>,
    idle: usize,
}

impl<F: Fn(Socket) + Send + Sync + 'static> Crew<F> {
    /// Has a connection served, by a thread that waits for one or by a new one.
    fn give(self: &Arc<Self>, call: Call) -> io::Result<()> {
        let mut calls = lock(&self.calls);
        if calls.idle > calls.waiting.len() {
            calls.waiting.push_back(call);
            // First the lock: whoever is woken wants it.
            drop(calls);
            self.called.notify_one();
            return Ok(());
        }
        drop(calls);
        memory::room_for_thread(limits::THREAD_STACK)?;
        let crew = Arc::clone(self);
        thread_builder(&self.name).spawn(move || crew.serve(call)).map(drop)
    }

    /// A panic ends the thread, which is not among the idle then.
    fn serve(&self, first: Call) {
        let mut next = Some(first);
        while let Some(Call { socket, _pass }) = next {
            (self.handle)(socket);
            drop(_pass);
            next = self.wait();
        }
    }

    /// The next connection; `None` when none came in time, or enough other threads wait for it.
    fn wait(&self) -> Option<Call> {
        let until = Instant::now() + limits::IDLE_THREAD;
        let mut calls = lock(&self.calls);
        if calls.idle >= limits::IDLE_THREADS {
            return None;
        }
        calls.idle += 1;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let call = calls.waiting.pop_front();
            if call.is_some() || left.is_zero() {
                calls.idle -= 1;
                return call;
            }
            calls = wait(&self.called, calls, left);
        }
    }
}

/// The next connection; `None` once the gate is closed.
fn next(name: &str, listener: &Listener, gate: &Gate, troubles: &Throttle) -> Option<Socket> {
    loop {
        match listener.accept() {
            Ok(socket) => return Some(socket),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => {
                troubles.warn(format_args!("{name}: accepting a connection failed: {e}"));
                pause(gate);
            }
        }
        let mut entries =
            [Entry::new(listener.as_fd(), Interest::READ), Entry::new(gate.closed.as_fd(), Interest::READ)];
        if let Err(e) = poll(&mut entries, None) {
            troubles.warn(format_args!("{name}: waiting for connections failed: {e}"));
            pause(gate);
        }
        if entries[1].readable() {
            return None;
        }
    }
}

/// Waits a moment, or until the gate is closed.
fn pause(gate: &Gate) {
    let mut entries = [Entry::new(gate.closed.as_fd(), Interest::READ)];
    if poll(&mut entries, Some(limits::ACCEPT_PAUSE)).is_err() {
        thread::sleep(limits::ACCEPT_PAUSE);
    }
}

/// All the gates of one process, so that they can be closed and drained together.
#[derive(Debug, Default)]
pub struct Gates(Vec<Arc<Gate>>);

impl Gates {
    /// A new gate among them.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn open(&mut self, limit: usize) -> io::Result<Arc<Gate>> {
        let gate = Gate::new(limit)?;
        self.0.push(Arc::clone(&gate));
        Ok(gate)
    }

    /// Closes all of them, gives those inside `patience` to leave, and returns how many stayed.
    pub fn drain(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        self.0.iter().for_each(|gate| gate.close());
        self.0.iter().map(|gate| gate.wait_idle(deadline)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_panic_ends_its_connection_and_makes_room_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let gate = Gate::new(1).unwrap();
        spawn("clumsy", Listener::Tcp(listener), &gate, |socket| {
            let mut byte = [0];
            socket.read_exact_until(&mut byte, Instant::now() + limits::FRAME).unwrap();
            assert_ne!(byte, *b"p", "expected by this test");
            socket.write_all_until(&byte, Instant::now() + limits::FRAME).unwrap();
        })
        .unwrap();
        let ask = |byte: &[u8]| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(limits::FRAME)).unwrap();
            stream.write_all(byte).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        };
        for _ in 0..20 {
            assert_eq!(ask(b"p"), b"");
        }
        assert_eq!(ask(b"x"), b"x");
        gate.close();
        assert_eq!(gate.wait_idle(Instant::now() + limits::FRAME), 0);
    }
}
