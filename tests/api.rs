//! The internal and the auxiliary API of a running odyn.

mod abuse;
mod bodies;
mod clients;
mod endpoints;
mod openapi;
pub mod readme;

pub use crate::support::connection::{Answer, Connection};
use crate::support::{Odyn, Port};

/// A running odyn with both APIs.
pub struct Apis {
    pub odyn: Odyn,
    pub port: Port,
    pub aux: Port,
}

impl Apis {
    pub fn start() -> Self {
        Self::with_flags(&[])
    }

    pub fn with_flags(flags: &[&str]) -> Self {
        let (port, aux) = (Port::reserve(), Port::reserve());
        let sections = format!("api:\n  listen_port: {}\naux_api:\n  listen_port: {}\n", port.0, aux.0);
        let odyn = Odyn::with(&sections, flags, &["/bin/sh", "-c", "exec sleep 1000"], |_| {});
        odyn.wait_running();
        Self { odyn, port, aux }
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.port.0)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().ask("GET", path, b"")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.connect().ask("POST", path, body.as_bytes())
    }

    pub fn aux_post(&self, path: &str, body: &str) -> Answer {
        Connection::to(self.aux.0).ask("POST", path, body.as_bytes())
    }
}
