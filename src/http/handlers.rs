//! The threads that answer requests of one kind, and the way to them and back: two queues in memory.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex};

use super::chunks::Chunks;
use super::client::Whole;
use super::server::answer;
use super::service::{Service, Work};
use crate::config::limits;
use crate::serve::thread_builder;
use crate::sync::{lock, wait};
use crate::sys::event::Event;

/// Threads for one kind of work. They end when this is dropped.
pub(super) struct Handlers {
    /// What they do.
    pub(super) work: Work,
    threads: usize,
    /// Requests they have, begun or not. Never more than threads: what waits for longer waits with its client, whose
    /// deadline ends it there.
    busy: usize,
    tasks: Arc<Tasks>,
}

#[derive(Default)]
struct Tasks {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Whole)>,
    over: bool,
}

impl Handlers {
    /// Starts `threads` of them, which leave what they have in `answers`.
    ///
    /// # Errors
    /// When there is no thread.
    pub(super) fn start(
        service: &Arc<dyn Service>,
        work: Work,
        threads: usize,
        answers: &Arc<Answers>,
    ) -> io::Result<Self> {
        let handlers = Self { work, threads, busy: 0, tasks: Arc::default() };
        for _ in 0..threads {
            let (service, tasks, answers) = (Arc::clone(service), Arc::clone(&handlers.tasks), Arc::clone(answers));
            let builder = thread_builder(service.name()).stack_size(limits::API_STACK);
            builder.spawn(move || {
                while let Some((client, request)) = tasks.next() {
                    answers.put(Done { client, work, answer: answer(service.as_ref(), request) });
                }
            })?;
        }
        Ok(handlers)
    }

    /// Whether one of them has nothing to do.
    pub(super) fn has_room(&self) -> bool {
        self.busy < self.threads
    }

    /// Gives a client's request to one of them.
    pub(super) fn give(&mut self, client: u64, request: Whole) {
        self.busy += 1;
        lock(&self.tasks.state).waiting.push_back((client, request));
        self.tasks.changed.notify_one();
    }

    /// One has answered.
    pub(super) fn answered(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        lock(&self.tasks.state).over = true;
        self.tasks.changed.notify_all();
    }
}

impl Tasks {
    /// Waits for the next; `None` when there will be none.
    fn next(&self) -> Option<(u64, Whole)> {
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return None;
            }
            if let Some(next) = state.waiting.pop_front() {
                return Some(next);
            }
            // Woken by every task; the timeout is only a bound.
            state = wait(&self.changed, state, limits::IDLE_TUNNEL);
        }
    }
}

/// A handler's answer to a client's request.
pub(super) struct Done {
    pub(super) client: u64,
    pub(super) work: Work,
    pub(super) answer: Chunks,
}

/// Where all the handlers of one front leave their answers.
pub(super) struct Answers {
    done: Mutex<Vec<Done>>,
    /// Readable while there are some.
    ready: Event,
}

impl Answers {
    /// None so far.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { done: Mutex::default(), ready: Event::new()? })
    }

    fn put(&self, answer: Done) {
        let mut done = lock(&self.done);
        let first = done.is_empty();
        done.push(answer);
        drop(done);
        // Whoever takes one takes all: one signal is enough for them.
        if first {
            self.ready.raise();
        }
    }

    /// Takes what is there.
    pub(super) fn take(&self) -> Vec<Done> {
        if self.ready.take() { mem::take(&mut *lock(&self.done)) } else { Vec::new() }
    }
}

impl AsFd for Answers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}
