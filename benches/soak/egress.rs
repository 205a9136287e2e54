//! From the application to the world: tunnels, forwarded requests, upgrades, and what is refused.

use std::io::{Read, Write};

use crate::http::Client;
use crate::ingress::echo;
use crate::stream::{self, Bytes};
use crate::tally::{Outcome, Turn, ensure};

const MIB: u64 = 1 << 20;

const HOST: &str = "Host: host\r\n";

/// A tunnel to the far end that speaks as the application does.
fn tunnel(turn: &Turn) -> Outcome<Client> {
    let mut client = Client::to(turn.stage.proxy.0)?;
    let target = format!("host:{}", turn.stage.far.0);
    client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes())?;
    client.answer("CONNECT")?.expect(200)?;
    Ok(client)
}

pub fn tunnels(turn: &mut Turn) -> Outcome<u64> {
    let mut client = tunnel(turn)?;
    let (seed, count) = (turn.dice.roll(1 << 32), turn.dice.roll(2 * MIB) as usize);
    let kind = turn.dice.roll(4);
    let stream = client.0.get_mut();
    let io = |e: std::io::Error| format!("in the tunnel: {e}");
    match kind {
        0 => {
            writeln!(stream, "up {seed}").map_err(io)?;
            stream::send(stream, seed, count).map_err(io)?;
            stream.finish().map_err(io)?;
            let told = stream::line(stream).map_err(io)?;
            ensure(told == format!("{count} true"), || format!("the far end got {told} of {count}"))?;
        }
        1 => {
            writeln!(stream, "down {seed} {count}").map_err(io)?;
            let got = stream::receive(stream, seed).map_err(io)?;
            ensure(got == (count, true), || format!("{got:?} instead of {count}"))?;
        }
        _ => {
            writeln!(stream, "echo").map_err(io)?;
            (0..turn.dice.roll(10)).try_for_each(|_| echo(stream, turn.dice))?;
        }
    }
    Ok(1)
}

/// Requests in absolute form, several on a connection.
pub fn forwarded(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.proxy.0)?;
    let base = format!("http://host:{}", turn.stage.origin.0);
    let count = 1 + turn.dice.roll(30);
    for _ in 0..count {
        let seed = turn.dice.roll(1 << 32);
        let size = if turn.dice.roll(10) == 0 { turn.dice.roll(MIB) } else { turn.dice.roll(5000) } as usize;
        match turn.dice.roll(4) {
            0 => {
                let answer = client.get(&format!("{base}/bytes/{seed}/{size}"))?.expect(200)?;
                ensure(answer.body == Bytes::whole(seed, size), || "other bytes than were asked for".to_owned())?;
            }
            1 => {
                let answer = client.get(&format!("{base}/chunked/{seed}/{size}"))?.expect(200)?;
                ensure(answer.body == Bytes::whole(seed, size), || "other chunks than were asked for".to_owned())?;
            }
            2 => {
                let answer = client.ask("POST", &format!("{base}/up/{seed}"), &[], &Bytes::whole(seed, size))?;
                let told = answer.expect(200)?.text();
                ensure(told == format!("{size} true"), || format!("the origin got {told} of {size}"))?;
            }
            _ => {
                client.send(
                    format!("POST {base}/up/{seed} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
                )?;
                for piece in Bytes::whole(seed, size).chunks(1000) {
                    client.send(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
                }
                client.send(b"0\r\n\r\n")?;
                let told = client.answer("POST")?.expect(200)?.text();
                ensure(told == format!("{size} true"), || format!("the origin got {told} of {size} in chunks"))?;
            }
        }
    }
    // The last answer's end is the connection's.
    let seed = turn.dice.roll(1 << 32);
    let answer = client.get(&format!("{base}/close/{seed}/1000"))?.expect(200)?;
    ensure(answer.body == Bytes::whole(seed, 1000), || "other bytes before the close".to_owned())?;
    client.closed()?;
    Ok(count + 1)
}

pub fn refused(turn: &mut Turn) -> Outcome<u64> {
    let connect = |target: &str| -> Outcome<(Client, crate::http::Answer)> {
        let mut client = Client::to(turn.stage.proxy.0)?;
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes())?;
        // Here an answer to CONNECT has a body.
        let answer = client.answer("GET")?;
        Ok((client, answer))
    };
    let (port, nobody) = (turn.stage.far.0, turn.stage.nobody.0);
    for denied in [
        "example.com:443",
        "127.0.0.1:80",
        "0x7f.1:80",
        "[::ffff:127.0.0.1]:80",
        "hosts:1",
        &format!("denied.host:{port}"),
    ] {
        let (client, answer) = connect(denied)?;
        let denied = answer.json(403)?;
        ensure(denied["error"] == "egress denied", || denied.to_string())?;
        client.closed()?;
    }
    let (client, answer) = connect(&format!("host:{nobody}"))?;
    answer.expect(502)?;
    client.closed()?;
    let (client, answer) = connect("host:0")?;
    answer.expect(400)?;
    client.closed()?;
    let large = format!("GET http://host/ HTTP/1.1\r\n{HOST}X: {}\r\n\r\n", "x".repeat(20 << 10));
    let framed = "POST http://host/ HTTP/1.1\r\nHost: host\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (said, status) in
        [("no request at all\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), (&large, 431), (framed, 400)]
    {
        let mut client = Client::to(turn.stage.proxy.0)?;
        client.send(said.as_bytes())?;
        client.answer("GET")?.expect(status).map_err(|e| format!("{said:.30?}: {e}"))?;
        client.closed()?;
    }
    Ok(12)
}

/// An upgraded connection, which looks like HTTP until then.
pub fn upgraded(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.proxy.0)?;
    let base = format!("http://host:{}", turn.stage.origin.0);
    client.send(
        format!("GET {base}/upgrade HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n").as_bytes(),
    )?;
    let answer = client.answer("GET")?.expect(101)?;
    ensure(answer.field("upgrade") == Some("websocket"), || format!("{answer:?}"))?;
    for _ in 0..20 {
        echo(client.0.get_mut(), turn.dice)?;
    }
    Ok(1)
}

/// Clients that go at any moment.
pub fn vanish(turn: &mut Turn) -> Outcome<u64> {
    let (stage, base) = (turn.stage, format!("http://host:{}", turn.stage.origin.0));
    let mut client = Client::to(stage.proxy.0)?;
    match turn.dice.roll(6) {
        0 => {}
        1 => client.send(b"CONNECT ho")?,
        2 => client.send(format!("CONNECT host:{} HTTP/1.1\r\n{HOST}\r\n", stage.far.0).as_bytes())?,
        3 => client.send(format!("POST {base}/up/1 HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\nxyz").as_bytes())?,
        4 => {
            client.send(format!("GET {base}/bytes/1/{} HTTP/1.1\r\n{HOST}\r\n", 32 * MIB).as_bytes())?;
            let mut some = vec![0; turn.dice.roll(MIB) as usize];
            client.0.read_exact(&mut some).map_err(|e| format!("receiving: {e}"))?;
        }
        _ => {
            let mut client = tunnel(turn)?;
            let stream = client.0.get_mut();
            writeln!(stream, "down 1 {}", 32 * MIB).map_err(|e| format!("in the tunnel: {e}"))?;
            let mut some = vec![0; turn.dice.roll(MIB) as usize];
            stream.read_exact(&mut some).map_err(|e| format!("receiving: {e}"))?;
        }
    }
    Ok(1)
}
