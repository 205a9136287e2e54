//! The thread between an API's clients and its handlers: all connections in one `poll`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::client::{Client, Request};
use super::route::Surface;
use crate::config::limits;
use crate::outbound::head::{Framing, ResponseHead, Scanner};
use crate::outbound::peer::Peer;
use crate::report::logger::Throttle;
use crate::serve::Gate;
use crate::sys::poll::{Entry, Interest, poll};
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// A listener, its clients, and the way to its handlers.
pub(super) struct Front {
    surface: Surface,
    listener: Listener,
    gate: Arc<Gate>,
    clients: Vec<Client>,
    lanes: Vec<Lane>,
    next_id: u64,
    troubles: Throttle,
}

/// A connection to tiny_http, which carries one request at a time.
struct Lane {
    peer: Peer,
    /// Whose request it carries, unless it carries none.
    task: Option<Task>,
}

struct Task {
    client: u64,
    is_head: bool,
    scanner: Scanner,
    /// The answer's length, once its head is there.
    length: Option<usize>,
}

impl Lane {
    fn carry(&mut self, client: u64, request: Request) {
        self.task = Some(Task { client, is_head: request.is_head, scanner: Scanner::default(), length: None });
        self.peer.output = request.bytes;
        // An error shows again, when the answer is read.
        let _ = self.peer.send();
    }

    fn interest(&self) -> Interest {
        Interest { readable: true, writable: !self.peer.output.is_empty() }
    }

    /// The whole answer and whose it is, once it is there; `Err` when the lane is broken.
    fn proceed(&mut self) -> Result<Option<(u64, Vec<u8>)>, ()> {
        if self.peer.send().is_err() || self.peer.receive().is_err() || self.peer.ended {
            return Err(());
        }
        let Some(task) = &mut self.task else {
            // Bytes that nobody asked for would be the next client's answer.
            return if self.peer.input.is_empty() { Ok(None) } else { Err(()) };
        };
        if task.length.is_none() {
            let head = task.scanner.head_length(&self.peer.input, limits::RESPONSE_HEAD).map_err(drop)?;
            let Some(head) = head else { return Ok(None) };
            let bytes = self.peer.input.get(..head).unwrap_or_default();
            let method = if task.is_head { "HEAD" } else { "GET" };
            let framing = ResponseHead::parse(bytes).and_then(|parsed| parsed.framing(method)).map_err(drop)?;
            let Framing::Length(body) = framing else { return Err(()) };
            task.length = Some(head.saturating_add(usize::try_from(body).map_err(drop)?));
        }
        match task.length {
            Some(length) if self.peer.input.len() >= length => {
                let client = task.client;
                self.task = None;
                Ok(Some((client, self.peer.take(length))))
            }
            _ => Ok(None),
        }
    }
}

impl Front {
    pub(super) fn new(surface: Surface, listener: Listener, gate: Arc<Gate>, lanes: Vec<Socket>) -> Self {
        let lane = |socket| Lane { peer: Peer::new(socket), task: None };
        let lanes = lanes.into_iter().map(lane).collect();
        Self { surface, listener, gate, clients: Vec::new(), lanes, next_id: 0, troubles: Throttle::default() }
    }

    /// Until the gate is closed and the last client is through.
    pub(super) fn run(mut self) {
        let mut open = true;
        while open || !self.clients.is_empty() {
            let lanes: Vec<bool> = self.wait(open);
            self.proceed_lanes(&lanes);
            self.expire();
            self.assign();
            self.clients.retain(|client| !client.is_gone());
            if self.gate.is_closed() {
                open = false;
                self.clients.retain(|client| !client.is_idle());
            } else {
                self.accept();
            }
        }
    }

    /// Waits until something can go on, lets the clients go on that can, and tells which lanes can.
    fn wait(&mut self, open: bool) -> Vec<bool> {
        let now = Instant::now();
        // Without room, connections wait in the kernel's backlog. Nobody but this thread makes room or takes it.
        let wanted = if open && self.gate.has_room() { Interest::READ } else { Interest::default() };
        // A closed gate stays readable.
        let closed = if open { Interest::READ } else { Interest::default() };
        let mut entries = vec![Entry::new(self.listener.as_fd(), wanted), Entry::new(self.gate.closed_fd(), closed)];
        let lanes = self.lanes.iter().map(|lane| Entry::new(lane.peer.socket.as_fd(), lane.interest()));
        entries.extend(lanes);
        let clients = self.clients.iter().map(|client| Entry::new(client.peer.socket.as_fd(), client.interest()));
        entries.extend(clients);
        let timeout = self.clients.iter().map(|client| client.deadline.saturating_duration_since(now)).min();
        if let Err(e) = poll(&mut entries, timeout) {
            self.troubles.warn(format_args!("{}: waiting for requests failed: {e}", self.surface.name()));
            std::thread::sleep(limits::ACCEPT_PAUSE);
        }
        let ready = |entry: &Entry| entry.readable() || entry.writable();
        let first_client = 2 + self.lanes.len();
        let lanes = entries.iter().take(first_client).skip(2).map(ready).collect();
        let clients: Vec<bool> = entries.iter().skip(first_client).map(ready).collect();
        drop(entries);
        let mut held: usize = self.clients.iter().map(Client::held).sum();
        for (client, _) in self.clients.iter_mut().zip(clients).filter(|(_, ready)| *ready) {
            held = held.saturating_sub(client.held());
            client.proceed(held > limits::API_HELD);
            held += client.held();
        }
        lanes
    }

    fn proceed_lanes(&mut self, ready: &[bool]) {
        let mut at = 0;
        let clients = &mut self.clients;
        let name = self.surface.name();
        self.lanes.retain_mut(|lane| {
            at += 1;
            if !ready.get(at - 1).copied().unwrap_or(false) {
                return true;
            }
            let mut answer = |id, answer| {
                if let Some(client) = clients.iter_mut().find(|client| client.id == id) {
                    client.answer(answer);
                }
            };
            match lane.proceed() {
                Ok(Some((client, bytes))) => answer(client, Some(bytes)),
                Ok(None) => {}
                Err(()) => {
                    log::error!("{name}: lost a handler");
                    if let Some(task) = &lane.task {
                        answer(task.client, None);
                    }
                    return false;
                }
            }
            true
        });
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.clients.iter_mut().filter(|client| client.deadline <= now).for_each(Client::expire);
    }

    /// Gives waiting requests to free lanes. Clients take turns: whoever was served goes to the end.
    fn assign(&mut self) {
        let mut served = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| lane.task.is_none()) {
            let ready = self.clients.iter_mut().find_map(|client| Some((client.id, client.take_request()?)));
            let Some((client, request)) = ready else { break };
            lane.carry(client, request);
            served.push(client);
        }
        if self.clients.len() > limits::API_HANDLERS {
            self.clients.sort_by_key(|client| served.contains(&client.id));
        }
    }

    fn accept(&mut self) {
        loop {
            let Some(pass) = self.gate.try_enter() else { return };
            match self.listener.accept() {
                Ok(socket) => {
                    self.clients.push(Client::new(self.next_id, socket, pass));
                    self.next_id += 1;
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    self.troubles.warn(format_args!("{}: accepting failed: {e}", self.surface.name()));
                    std::thread::sleep(limits::ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }
}
