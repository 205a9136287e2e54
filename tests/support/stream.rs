//! A client's end of a connection, over TCP or a UNIX socket. Nothing on it takes longer than [`PATIENCE`].

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// To a port of 127.0.0.1.
    pub fn tcp(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::Tcp(stream))
    }

    pub fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::Unix(stream))
    }

    /// To a port behind odyn's UNIX socket, by hybrid vsock's greeting. `first` goes with it: a vsock connection would not
    /// wait for an answer either.
    pub fn vsock(path: &Path, port: u16, first: &[u8]) -> io::Result<Self> {
        let mut stream = Self::unix(path)?;
        stream.write_all(&[format!("CONNECT {port}\n").as_bytes(), first].concat())?;
        let expected = format!("OK {port}\n");
        let mut answer = [0; 32];
        let answer = &mut answer[..expected.len()];
        stream.read_exact(answer)?;
        if answer != expected.as_bytes() {
            return Err(io::Error::other(String::from_utf8_lossy(answer).into_owned()));
        }
        Ok(stream)
    }

    /// Ends one direction.
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
