//! Whatever arrives where a connect request or its answer is due, it is that message or an error, and what follows the
//! frame is left for whoever reads next.

#![no_main]

use std::fmt::Debug;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use odyn::sys::socket::Socket;
use odyn::wire::frame::{ConnectReply, ConnectRequest, receive, send};

/// Short enough for a socket's buffer to take at once, since nobody reads while it is written.
const MOST: usize = 65_537;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    if bytes.len() > MOST {
        return;
    }
    match kind % 2 {
        0 => exchange::<ConnectRequest>(bytes),
        _ => exchange::<ConnectReply>(bytes),
    }
});

trait Message: Debug + PartialEq + serde::Serialize + for<'de> serde::Deserialize<'de> {}
impl<T: Debug + PartialEq + serde::Serialize + for<'de> serde::Deserialize<'de>> Message for T {}

fn exchange<T: Message>(bytes: &[u8]) {
    let (mut writer, reader) = pair();
    writer.write_all(bytes).unwrap();
    writer.shutdown(Shutdown::Write).unwrap();
    // It is all there already.
    let now = Instant::now();
    let Ok(message) = receive::<T>(&reader, now) else { return };
    let frame = 2 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let (mut rest, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => break,
            n => rest.extend_from_slice(&piece[..n]),
        }
    }
    assert_eq!(rest, bytes[frame..]);
    // Escapes can make our own spelling longer than the one that came: then it is refused, never cut.
    let (writer, reader) = pair();
    if send(&Socket::from(OwnedFd::from(writer)), &message, now).is_ok() {
        assert_eq!(receive::<T>(&reader, now).unwrap(), message);
    } else {
        assert!(serde_json::to_vec(&message).unwrap().len() > usize::from(u16::MAX));
    }
}

fn pair() -> (UnixStream, Socket) {
    let (a, b) = UnixStream::pair().unwrap();
    (a, Socket::from(OwnedFd::from(b)))
}
