//! The contenders: how each is started, and how a client gets through it to the application.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Odyn, Port, TempDir, eventually};

pub use crate::support::PATIENCE;
pub use crate::support::stream::Stream;

/// A process that ends with this.
pub struct Process(pub Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // socat's children are processes of their own.
        for pid in crate::support::children(self.pid()) {
            crate::support::signal(pid, "KILL");
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A way to the application.
#[derive(Clone, Debug)]
pub enum Way {
    /// TCP over loopback, with nothing in between.
    Direct(u16),
    /// odyn's ingress: a UNIX socket that is told the port first.
    Odyn(PathBuf, u16),
    /// A UNIX socket that goes there.
    Unix(&'static str, PathBuf),
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Odyn(..) => "odyn",
            Self::Unix(name, _) => name,
        }
    }

    pub fn connect(&self) -> io::Result<Stream> {
        self.connect_saying(&[])
    }

    /// Connects and sends `first`.
    pub fn connect_saying(&self, first: &[u8]) -> io::Result<Stream> {
        let mut stream = match self {
            Self::Direct(port) => Stream::tcp(*port)?,
            Self::Odyn(path, port) => return Stream::vsock(path, *port, first),
            Self::Unix(_, path) => Stream::unix(path)?,
        };
        if !first.is_empty() {
            stream.write_all(first)?;
        }
        Ok(stream)
    }
}

/// odyn, its application, and the others in front of the same application.
pub struct Field {
    pub odyn: Odyn,
    pub haproxy: Process,
    pub ways: Vec<Way>,
    _socat: Process,
    _dir: TempDir,
    _port: Port,
}

/// odyn in front of an application of ours; `sections` are the rest of its manifest.
pub fn odyn_with_app(port: &Port, sections: &str, flags: &[&str]) -> Odyn {
    let app = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let number = port.0.to_string();
    let manifest = format!("ingress:\n  - listen_port: {number}\n{sections}");
    let odyn = Odyn::with(&manifest, flags, &[&app, "app", &number], |_| {});
    odyn.wait_running();
    eventually("the application listens", || Stream::tcp(port.0).ok());
    odyn
}

impl Field {
    pub fn start(flags: &[&str]) -> Self {
        let (port, dir) = (Port::reserve(), TempDir::new());
        let odyn = odyn_with_app(&port, "", flags);
        let (ha, so) = (dir.path().join("haproxy"), dir.path().join("socat"));
        let haproxy = haproxy(&dir, &format!("bind unix@{}", ha.display()), port.0);
        let socat = Process::start(Command::new("socat").args([
            "-b65536".to_owned(),
            format!("UNIX-LISTEN:{},fork,backlog=128", so.display()),
            format!("TCP:127.0.0.1:{},nodelay", port.0),
        ]));
        let ways = vec![
            Way::Direct(port.0),
            Way::Odyn(odyn.vsock_path(), port.0),
            Way::Unix("HAProxy", ha),
            Way::Unix("socat", so),
        ];
        for way in &ways {
            eventually(way.name(), || way.connect().ok());
        }
        Self { odyn, haproxy, ways, _socat: socat, _dir: dir, _port: port }
    }
}

/// HAProxy with as many threads as there are processors, its default.
pub fn haproxy(dir: &TempDir, bind: &str, port: u16) -> Process {
    let config = dir.write(
        "haproxy.cfg",
        &format!(
            "global\n  maxconn 4000\n  tune.ssl.cachesize 0\n  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets\n  \
             ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n\
             defaults\n  mode tcp\n  timeout connect 20s\n  timeout client 60s\n  timeout server 60s\n\
             listen bench\n  {bind}\n  server app 127.0.0.1:{port}\n"
        ),
    );
    Process::start(Command::new("haproxy").arg("-f").arg(Path::new(&config)))
}
