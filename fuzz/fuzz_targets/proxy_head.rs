//! Whatever a client or a server sends as a head and a body, it is read alike however it arrives, and what is sent on in
//! its place is read alike by the next reader.

#![no_main]

use libfuzzer_sys::fuzz_target;
use odyn::http::body::Follower;
use odyn::http::head::{Fields, Framing, HeadError, RequestHead, ResponseHead, Scanner};
use odyn::outbound::hostname::Target;
use odyn::outbound::request::{Wish, forwarded_request, forwarded_response, wish};

/// Small, so that the fuzzer meets it.
const MOST: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let [kind, piece, message @ ..] = data else { return };
    let piece = usize::from(*piece) + 1;
    let whole = Scanner::default().head_length(message, MOST);
    let Some(length) = scanned_in_pieces(message, piece, whole) else { return };
    let (head, body) = message.split_at(length);
    let framing = if kind % 2 == 0 { request(head) } else { response(head, kind & 2 == 0) };
    if let Some(framing) = framing {
        followed(framing, body, piece);
    }
});

/// The head's length, the same in pieces as whole.
fn scanned_in_pieces(message: &[u8], piece: usize, whole: Result<Option<usize>, HeadError>) -> Option<usize> {
    let mut scanner = Scanner::default();
    let ends = (1..=message.len().div_ceil(piece)).map(|n| (n * piece).min(message.len()));
    // As peers do, no more is read once there is a head or an error.
    let found = ends.map(|end| scanner.head_length(&message[..end], MOST)).find(|found| *found != Ok(None));
    match (whole, found) {
        // Bytes behind the longest head decide which error it is.
        (Err(_), Some(Err(_))) => None,
        (whole, found) => {
            assert_eq!(whole, found.unwrap_or(Ok(None)));
            whole.ok().flatten()
        }
    }
}

fn request(head: &[u8]) -> Option<Framing> {
    let head = RequestHead::parse(head).ok()?;
    let framing = head.framing();
    if let Ok(Wish::Forward(target, path)) = wish(&head) {
        let sent = forwarded_request(&head, &target, &path);
        assert_eq!(Scanner::default().head_length(&sent, usize::MAX), Ok(Some(sent.len())));
        // One field may be added to the most that a head may have.
        match RequestHead::parse(&sent) {
            Err(error) => assert_eq!(error, HeadError::TooLarge),
            Ok(again) => {
                assert_eq!((&again.method, &again.target, again.version), (&head.method, &path, head.version));
                assert_eq!(again.framing(), framing);
                let hosts: Vec<&[u8]> = again.fields.all("host").collect();
                let [host] = hosts[..] else { panic!("{} hosts", hosts.len()) };
                let host = std::str::from_utf8(host).unwrap();
                assert_eq!(Target::parse(host, odyn::config::port::Port::new(80)), Ok(target));
                nothing_of_this_connection(&again.fields);
            }
        }
    }
    framing.ok()
}

fn response(head: &[u8], close: bool) -> Option<Framing> {
    let head = ResponseHead::parse(head).ok()?;
    let framing = head.framing("GET");
    // Refused otherwise.
    if framing.is_ok() {
        let sent = forwarded_response(&head, close);
        assert_eq!(Scanner::default().head_length(&sent, usize::MAX), Ok(Some(sent.len())));
        match ResponseHead::parse(&sent) {
            Err(error) => assert_eq!(error, HeadError::TooLarge),
            Ok(again) => {
                assert_eq!((again.status, &again.reason), (head.status, &head.reason));
                assert_eq!(again.framing("GET"), framing);
                nothing_of_this_connection(&again.fields);
            }
        }
    }
    framing.ok()
}

/// But what odyn says of its own connection.
fn nothing_of_this_connection(fields: &Fields) {
    for name in ["proxy-connection", "keep-alive", "te", "proxy-authorization", "proxy-authenticate"] {
        assert_eq!(fields.all(name).count(), 0, "{name}");
    }
    assert!(fields.tokens("connection").all(|token| token == b"close" || token == b"Upgrade"));
}

/// The body's end, the same in pieces as whole.
fn followed(framing: Framing, body: &[u8], piece: usize) {
    let mut whole = Follower::new(framing);
    let end = whole.advance(body);
    let (mut pieces, mut total) = (Follower::new(framing), Ok(0));
    for bytes in body.chunks(piece) {
        total = total.and_then(|total| Ok(total + pieces.advance(bytes)?));
        if total.is_err() || pieces.is_done() {
            break;
        }
    }
    assert_eq!(end, total);
    if let Ok(end) = end {
        assert_eq!((whole.is_done(), whole.ends_with_connection()), (pieces.is_done(), pieces.ends_with_connection()));
        assert!(end == body.len() || whole.is_done());
    }
}
