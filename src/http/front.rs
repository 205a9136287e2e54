//! The thread between a server's clients and its handlers: all connections in one `poll`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::handlers::{Answers, Handlers};
use super::server::answer;
use super::service::{Service, Work};
use crate::config::limits;
use crate::report::logger::Throttle;
use crate::serve::Gate;
use crate::sys::poll::{Entry, Interest, poll};
use crate::transport::Listener;

/// A listener, its clients, and the way to its handlers.
pub(super) struct Front {
    service: Arc<dyn Service>,
    listener: Listener,
    gate: Arc<Gate>,
    clients: Vec<Client>,
    handlers: Vec<Handlers>,
    answers: Arc<Answers>,
    next_id: u64,
    /// When to accept again: accepting has failed, or this has passed.
    accept_from: Instant,
    troubles: Throttle,
}

/// What there is besides clients that can go on.
#[derive(Default)]
struct Ready {
    newcomers: bool,
    answers: bool,
}

impl Front {
    pub(super) fn new(
        service: Arc<dyn Service>,
        listener: Listener,
        gate: Arc<Gate>,
        handlers: Vec<Handlers>,
        answers: Arc<Answers>,
    ) -> Self {
        let (clients, accept_from, troubles) = (Vec::new(), Instant::now(), Throttle::default());
        Self { service, listener, gate, clients, handlers, answers, next_id: 0, accept_from, troubles }
    }

    /// Until the gate is closed and the last client is through.
    pub(super) fn run(mut self) {
        let mut open = true;
        while open || !self.clients.is_empty() {
            let ready = self.wait(open);
            if ready.answers {
                self.pass_answers();
            }
            self.expire();
            self.answer_immediate();
            self.assign();
            self.clients.retain(|client| !client.is_gone());
            if self.gate.is_closed() {
                open = false;
                self.clients.retain(|client| !client.is_idle());
            } else if ready.newcomers {
                self.accept();
            }
        }
    }

    /// Waits until something can go on, and lets the clients go on that can.
    fn wait(&mut self, open: bool) -> Ready {
        let now = Instant::now();
        // Without room, connections wait in the kernel's backlog. Nobody but this thread makes room or takes it.
        let pause = self.accept_from.saturating_duration_since(now);
        let accepting = open && pause.is_zero() && self.gate.has_room();
        let wanted = if accepting { Interest::READ } else { Interest::default() };
        // A closed gate stays readable.
        let closed = if open { Interest::READ } else { Interest::default() };
        let own = [
            Entry::new(self.listener.as_fd(), wanted),
            Entry::new(self.gate.closed_fd(), closed),
            Entry::new(self.answers.as_fd(), Interest::READ),
        ];
        let first_client = own.len();
        let mut entries = Vec::with_capacity(first_client + self.clients.len());
        entries.extend(own);
        entries.extend(self.clients.iter().map(|client| Entry::new(client.peer.socket.as_fd(), client.interest())));
        // Somebody's next request came with the last one: nothing will announce it.
        let timeout = if self.clients.iter().any(|client| client.has_request(Work::Immediate)) {
            Some(Duration::ZERO)
        } else {
            let pause = Some(pause).filter(|pause| !pause.is_zero());
            self.clients.iter().map(|client| client.deadline.saturating_duration_since(now)).chain(pause).min()
        };
        if let Err(e) = poll(&mut entries, timeout) {
            self.troubles.warn(format_args!("{}: waiting for requests failed: {e}", self.service.name()));
            std::thread::sleep(limits::ACCEPT_PAUSE);
            // Nobody knows: both may be asked for in vain.
            return Ready { newcomers: true, answers: true };
        }
        let most = self.service.held();
        let mut held: usize = self.clients.iter().map(Client::held).sum();
        let ready = entries.iter().skip(first_client).map(|entry| entry.readable() || entry.writable());
        for (client, _) in self.clients.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            held = held.saturating_sub(client.held());
            client.proceed(held > most);
            held += client.held();
        }
        let [newcomers, _, answers, ..] = entries.as_slice() else { return Ready::default() };
        Ready { newcomers: newcomers.readable(), answers: answers.readable() }
    }

    /// Hands on what the handlers have answered.
    fn pass_answers(&mut self) {
        for done in self.answers.take() {
            self.handlers.iter_mut().filter(|handlers| handlers.work == done.work).for_each(Handlers::answered);
            if let Some(client) = self.clients.iter_mut().find(|client| client.id == done.client) {
                client.answer(done.answer);
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.clients.iter_mut().filter(|client| client.deadline <= now).for_each(Client::expire);
    }

    /// Answers what takes no time; of a client that has sent several such requests, one.
    fn answer_immediate(&mut self) {
        for client in &mut self.clients {
            if let Some(request) = client.take_request(Work::Immediate) {
                client.answer(answer(self.service.as_ref(), request));
            }
        }
    }

    /// Gives waiting requests to handlers that have nothing to do. Clients take turns: whoever was served goes to the end.
    fn assign(&mut self) {
        let mut served = Vec::new();
        for handlers in &mut self.handlers {
            let work = handlers.work;
            while handlers.has_room() {
                let ready = self.clients.iter_mut().find_map(|client| Some((client.id, client.take_request(work)?)));
                let Some((client, request)) = ready else { break };
                handlers.give(client, request);
                served.push(client);
            }
        }
        // Without anybody left behind there is no order to keep.
        let waits = |client: &Client| self.handlers.iter().any(|handlers| client.has_request(handlers.work));
        if !served.is_empty() && self.clients.iter().any(waits) {
            self.clients.sort_by_key(|client| served.contains(&client.id));
        }
    }

    fn accept(&mut self) {
        // Those who are in are not made to wait.
        while self.accept_from <= Instant::now() {
            let Some(pass) = self.gate.try_enter() else { return };
            match self.listener.accept() {
                Ok(socket) => {
                    self.clients.push(Client::new(self.next_id, socket, Arc::clone(&self.service), pass));
                    self.next_id += 1;
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    self.troubles.warn(format_args!("{}: accepting failed: {e}", self.service.name()));
                    self.accept_from = Instant::now() + limits::ACCEPT_PAUSE;
                    return;
                }
            }
        }
    }
}
