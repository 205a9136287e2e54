//! What every test needs: patience, a folder, a port.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `probe` gives something; panics with `what` when it never does.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder of its own, removed with everything in it.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("odyn-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A TCP port that no other test gets for as long as this lives. It lies below the range the kernel gives out by
/// itself, and an abstract UNIX socket, which goes with the process, marks it as taken.
pub struct Port(pub u16, #[allow(dead_code)] UnixListener);

impl Port {
    pub fn reserve() -> Self {
        let start = std::process::id().wrapping_mul(2_654_435_761) % 20_000;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = 11_000 + ((start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000) as u16;
            // The manifest's defaults for vsock.
            if (17_000..=17_002).contains(&number) {
                continue;
            }
            let name = SocketAddr::from_abstract_name(format!("odyn-test-port-{number}")).unwrap();
            let Ok(mark) = UnixListener::bind_addr(&name) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self(number, mark);
            }
        }
    }

    pub fn listen(&self) -> TcpListener {
        // A process that another test starts just now may hold what the port was tried with until it becomes its program.
        eventually("a port of one's own", || TcpListener::bind(("127.0.0.1", self.0)).ok())
    }
}

/// The part of a manifest every test needs.
pub const PREAMBLE: &str = "version: v1\nname: test\ntarget: test:latest\nsources:\n  app: test:app\n";
