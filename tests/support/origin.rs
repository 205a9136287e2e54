//! An upstream that answers each connection with what the test wrote down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{PATIENCE, Port};

/// Listens, and hands each connection to a function of the test's.
pub struct Origin {
    pub port: Port,
    /// Connections accepted so far.
    pub connections: Arc<Mutex<u32>>,
}

impl Origin {
    pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let port = Port::reserve();
        let listener: TcpListener = port.listen();
        let connections = Arc::new(Mutex::new(0));
        let (count, serve) = (Arc::clone(&connections), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *count.lock().unwrap() += 1;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self { port, connections }
    }

    /// Answers every request head, without a body, with `answer`, over and over on the same connection.
    pub fn answering(answer: &'static str) -> Self {
        Self::serving(move |mut stream| {
            while read_head(&mut stream).is_some() {
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers with the request's own head as the body.
    pub fn echoing_heads() -> Self {
        Self::serving(|mut stream| {
            while let Some(head) = read_head(&mut stream) {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }
}

/// A head up to its empty line; `None` at the end of the stream.
pub fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
