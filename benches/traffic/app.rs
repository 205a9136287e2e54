//! The far end of every connection: does what its first byte says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// Takes everything and then tells how much, as eight bytes, little-endian.
pub const SINK: u8 = b'u';
/// Sends for as long as somebody takes it.
pub const SOURCE: u8 = b'd';
/// Sends back what comes.
pub const ECHO: u8 = b'e';

/// What is read and written at once, here and by the clients.
pub const BLOCK: usize = 64 << 10;

/// Serves a TCP port until it is killed, a thread a connection.
pub fn listen(port: u16) {
    for stream in TcpListener::bind(("127.0.0.1", port)).unwrap().incoming() {
        let stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        thread::Builder::new().stack_size(128 << 10).spawn(move || serve(stream)).unwrap();
    }
}

/// Serves one connection. However it ends, its other end will say so.
pub fn serve(mut stream: impl Read + Write) {
    let mut first = [0];
    if stream.read_exact(&mut first).is_err() {
        return;
    }
    match first[0] {
        SINK => {
            let mut block = vec![0; BLOCK];
            let mut taken = 0_u64;
            while let Ok(n @ 1..) = stream.read(&mut block) {
                taken += n as u64;
            }
            let _ = stream.write_all(&taken.to_le_bytes());
        }
        SOURCE => {
            let block = vec![b'd'; BLOCK];
            while stream.write_all(&block).is_ok() {}
        }
        _ => {
            let mut block = [0; 4 << 10];
            while let Ok(n @ 1..) = stream.read(&mut block) {
                if stream.write_all(&block[..n]).is_err() {
                    return;
                }
            }
        }
    }
}
