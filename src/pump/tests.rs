use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;

/// Enough for several pipes full, with a last piece that fills none.
const STREAM: usize = (24 << 20) + 4321;

/// A socket whose bytes the kernel is not asked to move.
struct Opaque(Socket);

impl End for Opaque {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
    fn abort(&mut self) {
        self.0.reset_after_delivery();
    }
}

fn unix() -> (UnixStream, Socket) {
    let (client, end) = UnixStream::pair().unwrap();
    (client, Socket::from(OwnedFd::from(end)))
}

fn tcp() -> (TcpStream, Socket) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, Socket::from(listener.accept().unwrap().0))
}

/// Bytes in which nothing can be swapped, lost or repeated unseen.
fn stream(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(STREAM + 8);
    while bytes.len() < STREAM {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(STREAM);
    bytes
}

fn assert_receives(mut from: impl Read, expected: &[u8]) {
    let mut received = Vec::with_capacity(STREAM);
    from.read_to_end(&mut received).unwrap();
    assert!(received == expected, "{} of {} bytes, or not the same", received.len(), expected.len());
}

/// Sends a stream each way through a tunnel between `a` and `b` and sees both arrive, with their ends.
fn exchange(a: impl End + Send, b: impl End + Send, client: UnixStream, app: TcpStream) -> Outcome {
    let (there, back) = (stream(1), stream(2));
    thread::scope(|scope| {
        let tunnel = scope.spawn(move || run(a, b, Early::default(), Duration::from_secs(30)));
        let (client, app, there, back) = (&client, &app, &there, &back);
        scope.spawn(move || {
            (&mut &*client).write_all(there).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(move || {
            (&mut &*app).write_all(back).unwrap();
            app.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(move || assert_receives(client, back));
        assert_receives(app, there);
        tunnel.join().unwrap()
    })
}

fn assert_whole(outcome: &Outcome) {
    let moved = (outcome.forward, outcome.backward);
    assert!(matches!(outcome.ending, Ending::Complete) && moved == (STREAM as u64, STREAM as u64), "{outcome:?}");
}

#[test]
fn streams_both_ways_at_once_arrive_unchanged_when_the_kernel_moves_them() {
    let ((client, a), (app, b)) = (unix(), tcp());
    assert_whole(&exchange(a, b, client, app));
}

#[test]
fn streams_both_ways_at_once_arrive_unchanged_when_they_are_copied() {
    let ((client, a), (app, b)) = (unix(), tcp());
    assert_whole(&exchange(Opaque(a), b, client, app));
}

#[test]
fn a_stream_that_breaks_off_is_delivered_as_far_as_it_came_and_then_reset() {
    let ((mut client, a), (mut app, b)) = (tcp(), tcp());
    let sent = stream(3);
    thread::scope(|scope| {
        let tunnel = scope.spawn(move || run(a, b, Early::default(), Duration::from_secs(30)));
        let mut first = vec![0; 4 << 20];
        let reader = scope.spawn(move || {
            app.read_exact(&mut first).unwrap();
            (first, app)
        });
        client.write_all(&sent[..8 << 20]).unwrap();
        let (first, mut app) = reader.join().unwrap();
        // What is under way waits in sockets and in the tunnel; then its source is reset.
        Socket::from(client).reset_on_drop();
        let mut rest = Vec::new();
        let end = app.read_to_end(&mut rest).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        let received = [first, rest].concat();
        assert!(received.len() >= 4 << 20 && sent.starts_with(&received));
        assert!(matches!(tunnel.join().unwrap().ending, Ending::Broken(_)));
    });
}

#[test]
fn a_destination_that_takes_no_more_ends_its_direction_and_the_other_goes_on() {
    let ((mut client, a), (mut app, b)) = (unix(), tcp());
    thread::scope(|scope| {
        let tunnel = scope.spawn(move || run(a, b, Early::default(), Duration::from_secs(30)));
        let stopped = scope.spawn(move || {
            let mut some = vec![0; 2 << 20];
            app.read_exact(&mut some).unwrap();
            // As a server does that refuses an upload: it says why, and reads no more.
            app.write_all(b"refused").unwrap();
            app.shutdown(Shutdown::Both).unwrap();
            app
        });
        let mut heard = [0; 7];
        let writer = client.try_clone().unwrap();
        let upload = scope.spawn(move || (&writer).write_all(&stream(4)));
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"refused");
        drop(stopped.join().unwrap());
        client.shutdown(Shutdown::Both).unwrap();
        let _ = upload.join().unwrap();
        tunnel.join().unwrap();
    });
}

/// Splicing stops there as at the end of a stream, or as if nothing more were there: a stream was cut without a word, or its
/// tunnel span for good.
#[test]
fn what_follows_an_urgent_byte_arrives_in_the_middle_of_a_stream_and_at_its_end() {
    let ((client, a), (mut app, b)) = (tcp(), unix());
    let (client, sent) = (Socket::from(client), stream(5));
    let (first, rest) = sent.split_at(8 << 20);
    let (second, third) = rest.split_at(8 << 20);
    let say = |bytes: &[u8]| client.write_all_until(bytes, Instant::now() + Duration::from_secs(30)).unwrap();
    thread::scope(|scope| {
        let tunnel = scope.spawn(move || run(a, b, Early::default(), Duration::from_secs(30)));
        let mut received = vec![0; first.len()];
        scope.spawn(|| say(first));
        app.read_exact(&mut received).unwrap();
        assert!(received == first);
        client.send_urgent(b'!').unwrap();
        scope.spawn(|| say(second));
        app.read_exact(&mut received).unwrap();
        assert!(received == second);
        client.send_urgent(b'!').unwrap();
        scope.spawn(|| {
            say(third);
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert_receives(&app, third);
        app.shutdown(Shutdown::Both).unwrap();
        let outcome = tunnel.join().unwrap();
        assert!(matches!(outcome.ending, Ending::Complete) && outcome.forward == STREAM as u64, "{outcome:?}");
    });
}
