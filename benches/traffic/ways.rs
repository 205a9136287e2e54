//! The contenders: how each is started, and how a client gets through it to the application.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Odyn, Port, TempDir, eventually};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

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

    /// Connects and sends `first`. To odyn the port goes with it: a vsock connection would not wait for an answer either.
    pub fn connect_saying(&self, first: &[u8]) -> io::Result<Stream> {
        let mut stream = match self {
            Self::Direct(port) => Stream::tcp(*port)?,
            Self::Odyn(path, _) | Self::Unix(_, path) => Stream::Unix(UnixStream::connect(path)?),
        };
        stream.set_patience()?;
        if let Self::Odyn(_, port) = self {
            stream.write_all(&[format!("CONNECT {port}\n").as_bytes(), first].concat())?;
            let expected = format!("OK {port}\n");
            let mut answer = [0; 32];
            let answer = &mut answer[..expected.len()];
            stream.read_exact(answer)?;
            if answer != expected.as_bytes() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
        } else if !first.is_empty() {
            stream.write_all(first)?;
        }
        Ok(stream)
    }
}

/// A client's end of a connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub fn tcp(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub fn set_patience(&self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.set_read_timeout(Some(PATIENCE)).and(s.set_write_timeout(Some(PATIENCE))),
            Self::Unix(s) => s.set_read_timeout(Some(PATIENCE)).and(s.set_write_timeout(Some(PATIENCE))),
        }
    }

    pub fn finish(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
