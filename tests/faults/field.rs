//! What all faults share: an odyn with a port of each kind, an application and a host side that echo, and clients that
//! check every byte.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::fake_host::FakeHost;
use crate::support::origin::{Origin, read_head};
use crate::support::proc::{descriptors, status_field};
use crate::support::{Odyn, PATIENCE, Port, TempDir, eventually, read_line, thread_count};

/// An application that ignores what odyn forwards to it.
pub const CALM_APP: &[&str] = &["/bin/sh", "-c", "trap '' HUP USR1 USR2; exec sleep 1000"];

/// How soon after a fault's end everything must work again.
pub const BACK: Duration = Duration::from_secs(1);

/// How often a fault is repeated: for every change, or with `ODYN_TEST_FAULTS=long`.
pub fn often(usual: usize, long: usize) -> usize {
    if std::env::var("ODYN_TEST_FAULTS").as_deref() == Ok("long") { long } else { usual }
}

/// A running odyn, and what stands at both its ends.
pub struct Field {
    pub odyn: Odyn,
    /// The ingress port; everything that echoes listens there, as the application and as what egress connects to.
    pub echo: Origin,
    pub api: Port,
    pub aux: Port,
    pub egress: Port,
    /// How long one exchange with every port takes without a fault.
    pub usual: Duration,
    host: FakeHost,
}

impl Field {
    pub fn start() -> Self {
        Self::with(&[], |_| {})
    }

    pub fn with(flags: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        Self::in_dir(TempDir::new(), flags, adjust)
    }

    pub fn in_dir(dir: TempDir, flags: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        let echo = Origin::serving(echo);
        let [api, aux, egress] = [(); 3].map(|()| Port::reserve());
        let sections = format!(
            "ingress:\n  - listen_port: {}\napi:\n  listen_port: {}\naux_api:\n  listen_port: {}\n\
             egress:\n  proxy_port: {}\n  allow: ['**']\n",
            echo.port.0, api.0, aux.0, egress.0
        );
        let host = FakeHost::start(&dir.path().join("vsock"));
        let odyn = Odyn::in_dir(dir, &sections, flags, CALM_APP, adjust);
        odyn.wait_running();
        let mut field = Self { odyn, echo, api, aux, egress, usual: Duration::ZERO, host };
        // The first exchange also starts threads and fills caches.
        field.try_all().unwrap();
        let begun = Instant::now();
        field.try_all().unwrap();
        field.usual = begun.elapsed();
        field
    }

    pub fn pid(&self) -> i32 {
        self.odyn.pid()
    }

    /// What the host side was asked for so far.
    pub fn asked(&self) -> usize {
        self.host.asked().len()
    }

    /// A connection to the application.
    pub fn ingress(&self) -> UnixStream {
        self.odyn.connect(self.echo.port.0)
    }

    /// A tunnel through the egress proxy, to what echoes.
    pub fn tunnel(&self) -> TcpStream {
        self.try_tunnel().unwrap()
    }

    fn try_tunnel(&self) -> Result<TcpStream, String> {
        let mut stream = tcp(self.egress.0)?;
        write!(stream, "CONNECT echo.test:{} HTTP/1.1\r\n\r\n", self.echo.port.0).map_err(|e| e.to_string())?;
        let head = read_head(&mut stream).unwrap_or_default();
        if head.starts_with("HTTP/1.1 200 ") { Ok(stream) } else { Err(format!("egress: {head:?}")) }
    }

    /// One exchange with every port but log and status, each on a fresh connection; or which failed.
    pub fn try_all(&self) -> Result<(), String> {
        for port in [self.api.0, self.aux.0] {
            try_api(port)?;
        }
        try_echo(self.odyn.try_connect(self.echo.port.0).ok_or("ingress: not connected")?, "ingress")?;
        try_echo(self.try_tunnel()?, "egress")
    }

    /// Reads the status. odyn notices only at its next look, half a minute later at most, that such a reader has gone.
    pub fn try_status(&self) -> Result<(), String> {
        let mut status = self.odyn.try_connect(17000).ok_or("status: not connected")?;
        let line = read_line(&mut status).map_err(|e| format!("status: {e}"))?;
        if line == "{\"status\":\"running\"}\n" { Ok(()) } else { Err(format!("status: {line:?}")) }
    }

    /// The fault has just ended: says how long it takes until everything works, which must be soon.
    pub fn assert_back(&self) -> Duration {
        let begun = Instant::now();
        eventually("every port works again", || self.try_all().ok());
        let took = begun.elapsed();
        assert!(took < BACK + self.usual, "back after {took:?}, usually {:?}", self.usual);
        took
    }

    pub fn resources(&self) -> Resources {
        Resources::of(self.pid())
    }

    /// Waits until odyn has no more threads and descriptors than it had, and says what it has.
    pub fn settled(&self, before: Resources) -> Resources {
        eventually("no more threads and descriptors than before", || {
            let now = self.resources();
            (now.threads <= before.threads && now.descriptors <= before.descriptors).then_some(now)
        })
    }
}

/// What a process has.
#[derive(Clone, Copy)]
pub struct Resources {
    pub threads: usize,
    pub descriptors: usize,
    /// In KiB.
    pub resident: u64,
}

impl Resources {
    pub fn of(pid: i32) -> Self {
        Self { threads: thread_count(pid), descriptors: descriptors(pid).len(), resident: kib(pid, "VmRSS") }
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads, {} descriptors, {} KiB", self.threads, self.descriptors, self.resident)
    }
}

/// A size of `/proc/PID/status`, in KiB.
pub fn kib(pid: i32, name: &str) -> u64 {
    status_field(pid, name).trim_end_matches(" kB").parse().unwrap()
}

/// A TCP connection that is there soon or not at all.
pub fn tcp(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(|e| format!("port {port}: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Ok(stream)
}

/// Asks one of the APIs for the address.
pub fn try_api(port: u16) -> Result<(), String> {
    let mut stream = tcp(port)?;
    stream.write_all(b"GET /v1/eth/address HTTP/1.0\r\n\r\n").map_err(|e| format!("API: {e}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| format!("API: {e}"))?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(format!("API: {answer:?}")) }
}

fn try_echo(mut stream: impl Read + Write, what: &str) -> Result<(), String> {
    let mut back = [0; 5];
    stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut back)).map_err(|e| format!("{what}: {e}"))?;
    if back == *b"hello" { Ok(()) } else { Err(format!("{what}: {back:?}")) }
}

/// Sends back what comes, and ends when that does.
pub fn echo(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 32 << 10];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// A client that sends blocks of all sizes to something that echoes and compares what comes back, until it is stopped.
pub struct Steady {
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<Duration>,
}

impl Steady {
    pub fn over(mut stream: impl Read + Write + Send + 'static) -> Self {
        let (stop, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&bytes));
        let thread = thread::spawn(move || {
            let mut longest = Duration::ZERO;
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let block = block(number);
                let mut back = vec![0; block.len()];
                let begun = Instant::now();
                stream.write_all(&block).unwrap();
                stream.read_exact(&mut back).unwrap();
                assert!(back == block, "block {number} came back changed");
                longest = longest.max(begun.elapsed());
                count.fetch_add(block.len() as u64, Ordering::Relaxed);
                number += 1;
            }
            longest
        });
        Self { stop, bytes, thread }
    }

    /// Waits until `count` bytes more have been there and back.
    pub fn wait_for(&self, count: u64) {
        let goal = self.bytes.load(Ordering::Relaxed) + count;
        eventually("traffic goes on", || {
            assert!(!self.thread.is_finished(), "traffic has ended");
            (self.bytes.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Bytes there and back, all as they were sent, and the longest that a block took.
    pub fn finish(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let longest = self.thread.join().expect("every byte came back");
        (self.bytes.load(Ordering::Relaxed), longest)
    }
}

/// Differs from every other block and at every place, so that lost, doubled or swapped bytes show.
fn block(number: u64) -> Vec<u8> {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let length = 1 + (state >> 32) as usize % 60_000;
    let mut block = Vec::with_capacity(length + 8);
    while block.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.truncate(length);
    block
}
