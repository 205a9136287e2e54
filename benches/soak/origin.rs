//! An HTTP server for what the egress proxy forwards.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::stream::{self, Bytes, PATIENCE};

/// Serves until the process ends.
pub fn listen(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::Builder::new().stack_size(256 << 10).spawn(move || drop(serve(stream))).unwrap();
        }
    });
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(stream);
    loop {
        let request = line(&mut stream)?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let field = line(&mut stream)?.to_ascii_lowercase();
            match field.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(("transfer-encoding", value)) => chunked = value == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse().ok()).unwrap_or(0_u64);
        let (seed, count) = (number(1), number(2) as usize);
        match parts[0] {
            "bytes" => {
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n")?;
                stream::send(stream.get_mut(), seed, count)?;
            }
            "chunked" => {
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                let (mut bytes, mut left) = (Bytes::new(seed), count);
                while left > 0 {
                    let piece = bytes.next(left.min(777));
                    let head = format!("{:x}\r\n", piece.len());
                    stream.get_mut().write_all(&[head.as_bytes(), piece, b"\r\n"].concat())?;
                    left -= piece.len();
                }
                write!(stream.get_mut(), "0\r\n\r\n")?;
            }
            "close" => {
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                return stream::send(stream.get_mut(), seed, count);
            }
            "up" => {
                let body = if chunked { chunks(&mut stream)? } else { exactly(&mut stream, length)? };
                let told = format!("{} {}", body.len(), Bytes::new(seed).are(&body));
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len())?;
            }
            "upgrade" => {
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.get_mut().write_all(answer.as_bytes())?;
                let mut block = vec![0; 8 << 10];
                loop {
                    match stream.read(&mut block)? {
                        0 => return Ok(()),
                        n => stream.get_mut().write_all(&block[..n])?,
                    }
                }
            }
            _ => write!(stream.get_mut(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
}

fn exactly(stream: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = u64::from_str_radix(&line(stream)?, 16).map_err(io::Error::other)?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// The end of the stream is an error: nobody waits for what comes then.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.take(64 << 10).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
