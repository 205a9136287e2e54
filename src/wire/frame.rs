//! The egress connect request and its answer: a `u16` little-endian length, then that many bytes of JSON.

use std::fmt;
use std::io;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::sys::socket::Socket;

/// "Connect me to this": `{"host":"example.com","port":443}`. `host` is a DNS name, an IP address without brackets, or
/// [`super::ports::PARENT_LOOPBACK_NAME`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How that went: `"Ok"`, after which raw bytes follow, or `{"Err":{"os_code":111,"message":"…"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectReply {
    /// Connected.
    Ok,
    /// Not connected.
    Err(ConnectFailure),
}

/// Why the host could not connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectFailure {
    /// The host's `errno`, where there was one. Names that do not resolve have none.
    pub os_code: Option<i32>,
    /// For people.
    pub message: String,
}

/// Why a frame could not be exchanged.
#[derive(Debug)]
pub enum FrameError {
    /// The connection broke, ended early or ran out of time.
    Io(io::Error),
    /// The peer sent something that is not the message due.
    Malformed(serde_json::Error),
    /// Our own message does not fit a frame; its length in bytes.
    TooLong(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "{e}"),
            Self::Malformed(e) => write!(f, "not the message due: {e}"),
            Self::TooLong(n) => write!(f, "a message of {n} bytes does not fit a frame of {}", u16::MAX),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// Sends one message.
///
/// # Errors
/// See [`FrameError`].
pub fn send<T: Serialize>(socket: &Socket, message: &T, deadline: Instant) -> Result<(), FrameError> {
    socket.write_all_until(&encode(message)?, deadline).map_err(FrameError::Io)
}

/// Receives one message: at most 65,535 bytes, and never one byte more than the frame holds, because raw data follows.
///
/// # Errors
/// See [`FrameError`].
pub fn receive<T: for<'de> Deserialize<'de>>(socket: &Socket, deadline: Instant) -> Result<T, FrameError> {
    let mut length = [0; 2];
    socket.read_exact_until(&mut length, deadline)?;
    let mut body = vec![0; usize::from(u16::from_le_bytes(length))];
    socket.read_exact_until(&mut body, deadline)?;
    serde_json::from_slice(&body).map_err(FrameError::Malformed)
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message).map_err(FrameError::Malformed)?;
    let length = u16::try_from(body.len()).map_err(|_| FrameError::TooLong(body.len()))?;
    Ok([&length.to_le_bytes(), body.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Socket, Socket) {
        let (a, b) = UnixStream::pair().unwrap();
        (Socket::from(std::os::fd::OwnedFd::from(a)), Socket::from(std::os::fd::OwnedFd::from(b)))
    }

    #[test]
    fn the_bytes_are_those_the_existing_host_side_speaks() {
        let request = ConnectRequest { host: "example.com".into(), port: 443 };
        assert_eq!(encode(&request).unwrap(), b"\x21\x00{\"host\":\"example.com\",\"port\":443}");
        assert_eq!(encode(&ConnectReply::Ok).unwrap(), b"\x04\x00\"Ok\"");
        let refused = ConnectReply::Err(ConnectFailure { os_code: Some(111), message: "no".into() });
        assert_eq!(&encode(&refused).unwrap()[2..], br#"{"Err":{"os_code":111,"message":"no"}}"#);
    }

    #[test]
    fn a_reply_is_read_without_touching_the_data_behind_it() {
        let (a, b) = pair();
        let deadline = Instant::now();
        send(&a, &ConnectReply::Ok, deadline).unwrap();
        a.write(b"data").unwrap();
        assert_eq!(receive::<ConnectReply>(&b, deadline).unwrap(), ConnectReply::Ok);
        let mut rest = [0; 8];
        assert_eq!(b.read(&mut rest).unwrap(), 4);
    }

    #[test]
    fn a_message_over_65535_bytes_is_refused_not_truncated() {
        let request = ConnectRequest { host: "x".repeat(70_000), port: 1 };
        assert!(matches!(encode(&request), Err(FrameError::TooLong(70_020))));
    }

    #[test]
    fn a_length_without_its_body_times_out_and_garbage_is_malformed() {
        let (a, b) = pair();
        a.write(&[9, 0, b'x']).unwrap();
        assert!(matches!(receive::<ConnectReply>(&b, Instant::now()), Err(FrameError::Io(_))));
        let (a, b) = pair();
        a.write(&[1, 0, b'x']).unwrap();
        assert!(matches!(receive::<ConnectReply>(&b, Instant::now()), Err(FrameError::Malformed(_))));
    }
}
