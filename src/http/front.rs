//! The thread between a server's clients and its handlers: all connections in one `poll`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::client::Client;
use super::lane::{Broken, Lane};
use super::service::Service;
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
    lanes: Vec<Lane>,
    next_id: u64,
    troubles: Throttle,
}

impl Front {
    pub(super) fn new(service: Arc<dyn Service>, listener: Listener, gate: Arc<Gate>, lanes: Vec<Lane>) -> Self {
        Self { service, listener, gate, clients: Vec::new(), lanes, next_id: 0, troubles: Throttle::default() }
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
        let lanes = self.lanes.iter().map(|lane| Entry::new(lane.as_fd(), lane.interest()));
        entries.extend(lanes);
        let clients = self.clients.iter().map(|client| Entry::new(client.peer.socket.as_fd(), client.interest()));
        entries.extend(clients);
        let timeout = self.clients.iter().map(|client| client.deadline.saturating_duration_since(now)).min();
        if let Err(e) = poll(&mut entries, timeout) {
            self.troubles.warn(format_args!("{}: waiting for requests failed: {e}", self.service.name()));
            std::thread::sleep(limits::ACCEPT_PAUSE);
        }
        let ready = |entry: &Entry| entry.readable() || entry.writable();
        let first_client = 2 + self.lanes.len();
        let lanes = entries.iter().take(first_client).skip(2).map(ready).collect();
        let clients: Vec<bool> = entries.iter().skip(first_client).map(ready).collect();
        drop(entries);
        let most = self.service.held();
        let mut held: usize = self.clients.iter().map(Client::held).sum();
        for (client, _) in self.clients.iter_mut().zip(clients).filter(|(_, ready)| *ready) {
            held = held.saturating_sub(client.held());
            client.proceed(held > most);
            held += client.held();
        }
        lanes
    }

    fn proceed_lanes(&mut self, ready: &[bool]) {
        let mut at = 0;
        let clients = &mut self.clients;
        let name = self.service.name();
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
                Err(Broken) => {
                    log::error!("{name}: lost a handler");
                    if let Some(client) = lane.client() {
                        answer(client, None);
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
        for lane in self.lanes.iter_mut().filter(|lane| lane.client().is_none()) {
            let work = lane.work;
            let ready = self.clients.iter_mut().find_map(|client| Some((client.id, client.take_request(work)?)));
            let Some((client, request)) = ready else { continue };
            lane.carry(client, request);
            served.push(client);
        }
        if !served.is_empty() && self.clients.len() > self.lanes.len() {
            self.clients.sort_by_key(|client| served.contains(&client.id));
        }
    }

    fn accept(&mut self) {
        loop {
            let Some(pass) = self.gate.try_enter() else { return };
            match self.listener.accept() {
                Ok(socket) => {
                    self.clients.push(Client::new(self.next_id, socket, Arc::clone(&self.service), pass));
                    self.next_id += 1;
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    self.troubles.warn(format_args!("{}: accepting failed: {e}", self.service.name()));
                    std::thread::sleep(limits::ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }
}
