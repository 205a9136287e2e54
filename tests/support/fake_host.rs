//! A host side written for the tests from the contract alone, so that odyn is not tested against its own reading of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// Connects odyn's egress to the real world, or does to it what a test wants.
pub struct FakeHost {
    /// Every connect request seen, as `host:port`.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl FakeHost {
    /// Connects every request to 127.0.0.1, whatever the host's name: tests use names that do not resolve.
    pub fn start(vsock: &Path) -> Self {
        Self::answering(vsock, |stream, _, port| match TcpStream::connect(("127.0.0.1", port)) {
            Ok(tcp) => {
                reply(&stream, "\"Ok\"");
                splice(stream, tcp);
            }
            Err(e) => {
                let code = e.raw_os_error().unwrap_or(0);
                reply(&stream, &format!("{{\"Err\":{{\"os_code\":{code},\"message\":\"{e}\"}}}}"));
            }
        })
    }

    /// Calls `answer` on a thread of its own with each connection, the host and the port asked for.
    pub fn answering(vsock: &Path, answer: impl Fn(UnixStream, &str, u16) + Send + Sync + 'static) -> Self {
        let mut path = vsock.as_os_str().to_owned();
        path.push("_17002");
        let listener = UnixListener::bind(path).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some((host, port)) = read_request(&stream) else { return };
                    seen.lock().unwrap().push(format!("{host}:{port}"));
                    answer(stream, &host, port);
                });
            }
        });
        Self { asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(mut stream: &UnixStream) -> Option<(String, u16)> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; usize::from(u16::from_le_bytes(length))];
    stream.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).ok()?;
    let host = text.split("\"host\":\"").nth(1)?.split('"').next()?.to_owned();
    let port = text.split("\"port\":").nth(1)?.trim_end_matches('}').parse().ok()?;
    Some((host, port))
}

pub fn reply(mut stream: &UnixStream, json: &str) {
    let length = u16::try_from(json.len()).unwrap().to_le_bytes();
    let _ = stream.write_all(&[&length, json.as_bytes()].concat());
}

/// Copies both ways, half-closing as each side ends.
pub fn splice(unix: UnixStream, tcp: TcpStream) {
    let (mut unix_in, mut tcp_out) = (unix.try_clone().unwrap(), tcp.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut unix_in, &mut tcp_out);
        let _ = tcp_out.shutdown(Shutdown::Write);
    });
    let (mut tcp_in, mut unix_out) = (tcp, unix);
    let _ = std::io::copy(&mut tcp_in, &mut unix_out);
    let _ = unix_out.shutdown(Shutdown::Write);
    let _ = up.join();
}
