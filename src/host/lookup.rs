//! Name look-ups with a deadline, which the C library's resolver has none of.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::config::limits;
use crate::serve::thread_builder;
use crate::wire::ports;

/// Counts the look-ups under way.
#[derive(Debug, Default)]
pub struct Lookups(Arc<AtomicUsize>);

impl Lookups {
    /// The addresses `host` stands for, in the order they are to be tried: an address for itself, the name
    /// [`ports::PARENT_LOOPBACK_NAME`] for 127.0.0.1, any other name for what this machine's resolver says.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be a name, `TimedOut` at the deadline, `ResourceBusy` when [`limits::LOOKUPS`]
    /// are under way, `NotFound` for a name without addresses; otherwise what the resolver reports.
    pub fn find(&self, host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        if host == ports::PARENT_LOOPBACK_NAME {
            return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::from((address, port))]);
        }
        if host.is_empty() || host.len() > limits::HOST_NAME {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let ticket = Ticket::take(&self.0).ok_or(io::ErrorKind::ResourceBusy)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let name = host.to_owned();
        let resolve = move || {
            let _ticket = ticket;
            let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // Whoever asked may have run out of time.
            let _ = sender.send(found);
        };
        thread_builder("look-up").stack_size(limits::LOOKUP_STACK).spawn(resolve)?;
        let found: Vec<SocketAddr> = receiver
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

/// The right to look a name up.
struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        // The ticket exists before the check, so that every increment is taken back by a drop.
        let ticket = Self(Arc::clone(count));
        let under_way = count.fetch_add(1, Ordering::Relaxed);
        (under_way < limits::LOOKUPS).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(host: &str) -> io::Result<Vec<SocketAddr>> {
        Lookups::default().find(host, 7, Instant::now() + limits::UPSTREAM_CONNECT)
    }

    #[test]
    fn the_name_host_and_addresses_need_no_resolver() {
        assert_eq!(find("host").unwrap(), ["127.0.0.1:7".parse().unwrap()]);
        assert_eq!(find("192.0.2.1").unwrap(), ["192.0.2.1:7".parse().unwrap()]);
        assert_eq!(find("::1").unwrap(), ["[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn a_local_name_is_resolved_by_the_machine() {
        assert!(find("localhost").unwrap().iter().all(|address| address.ip().is_loopback() && address.port() == 7));
    }

    #[test]
    fn what_cannot_be_a_name_is_not_looked_up() {
        for bad in ["", "a\0b", &"x".repeat(254)] {
            assert_eq!(find(bad).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
    }

    #[test]
    fn no_more_look_ups_than_the_limit_are_under_way() {
        let count = Arc::new(AtomicUsize::new(limits::LOOKUPS - 1));
        let last = Ticket::take(&count);
        assert!(last.is_some());
        assert!(Ticket::take(&count).is_none());
        drop(last);
        assert_eq!(count.load(Ordering::Relaxed), limits::LOOKUPS - 1);
    }
}
