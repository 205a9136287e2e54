//! From the host to the application: by the enclave's vsock, by `odyn-host`'s published port, and with TLS that ends in
//! odyn.

use std::io::{Read, Write};

use crate::stream::{self, Bytes, Dice, Stream};
use crate::tally::{Outcome, Turn, ensure};

const MIB: usize = 1 << 20;

fn said(what: &str) -> impl Fn(std::io::Error) -> String {
    move |e| format!("{what}: {e}")
}

/// Half of them go through `odyn-host`.
fn connect(turn: &mut Turn) -> Outcome<Stream> {
    let stage = turn.stage;
    let stream = match turn.dice.roll(2) {
        0 => Stream::vsock(&stage.odyn.vsock_path(), stage.plain.0, &[]),
        _ => Stream::tcp(stage.published.0),
    };
    stream.map_err(said("connecting"))
}

fn order(to: &mut impl Write, text: &str) -> Outcome<()> {
    to.write_all(format!("{text}\n").as_bytes()).map_err(said("sending the order"))
}

pub fn up(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    let (seed, count) = (turn.dice.roll(1 << 32), turn.dice.roll(4 << 20) as usize);
    push(&mut stream, seed, count)?;
    stream.finish().map_err(said("ending"))?;
    told(&mut stream, count)
}

fn push(stream: &mut impl Write, seed: u64, count: usize) -> Outcome<()> {
    order(stream, &format!("up {seed}"))?;
    stream::send(stream, seed, count).map_err(said("sending"))
}

/// The far end got all of it.
fn told(stream: &mut impl Read, count: usize) -> Outcome<u64> {
    let told = stream::line(stream).map_err(said("the receipt"))?;
    ensure(told == format!("{count} true"), || format!("the application got {told} of {count}"))?;
    Ok(1)
}

pub fn down(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    let (seed, count) = (turn.dice.roll(1 << 32), turn.dice.roll(4 << 20) as usize);
    pull(&mut stream, seed, count)
}

fn pull(stream: &mut (impl Read + Write), seed: u64, count: usize) -> Outcome<u64> {
    order(stream, &format!("down {seed} {count}"))?;
    let got = stream::receive(stream, seed).map_err(said("receiving"))?;
    ensure(got == (count, true), || format!("{got:?} instead of {count}"))?;
    Ok(1)
}

/// A message there and back.
pub fn echo(stream: &mut (impl Read + Write), dice: &mut Dice) -> Outcome<()> {
    let sent = Bytes::whole(dice.roll(1 << 32), 1 + dice.roll(2000) as usize);
    stream.write_all(&sent).map_err(said("sending"))?;
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).map_err(said("the echo"))?;
    ensure(back == sent, || "the echo differs".to_owned())
}

pub fn short(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    order(&mut stream, "echo")?;
    echo(&mut stream, turn.dice)?;
    Ok(1)
}

/// A conversation of many small messages.
pub fn talk(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    order(&mut stream, "echo")?;
    for _ in 0..100 {
        echo(&mut stream, turn.dice)?;
    }
    stream.finish().map_err(said("ending"))?;
    let rest = stream::receive(&mut stream, 0).map_err(said("the end"))?;
    ensure(rest.0 == 0, || "bytes behind the last echo".to_owned())?;
    Ok(100)
}

/// The application ends its direction first, and still gets everything.
pub fn half_closed(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    let (seed, id) = (turn.dice.roll(1 << 32), turn.dice.roll(1 << 48));
    let (there, back) = (turn.dice.roll(MIB as u64 / 4) as usize, turn.dice.roll(MIB as u64 / 4) as usize);
    order(&mut stream, &format!("late {seed} {back} {id}"))?;
    let got = stream::receive(&mut stream, seed).map_err(said("receiving"))?;
    ensure(got == (back, true), || format!("{got:?} instead of {back}"))?;
    stream::send(&mut stream, seed, there).map_err(said("sending late"))?;
    stream.finish().map_err(said("ending"))?;
    let result = crate::tally::eventually("the application has what was sent after its end", || {
        let told = turn.stage.order(&format!("result {id}")).ok()?;
        (!told.is_empty()).then_some(told)
    })?;
    ensure(result == format!("{there} true"), || format!("the application got {result} of {there}"))?;
    Ok(1)
}

/// Clients that go without a word: at any moment, with bytes on their way in either direction.
pub fn vanish(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = connect(turn)?;
    let seed = turn.dice.roll(1 << 32);
    match turn.dice.roll(5) {
        0 => {}
        1 => order(&mut stream, "up 1")?,
        2 => push(&mut stream, seed, turn.dice.roll(MIB as u64) as usize)?,
        3 => order(&mut stream, &format!("down {seed} {}", 64 * MIB))?,
        _ => {
            order(&mut stream, &format!("down {seed} {}", 64 * MIB))?;
            let mut some = vec![0; 1 + turn.dice.roll(MIB as u64) as usize];
            stream.read_exact(&mut some).map_err(said("receiving"))?;
            ensure(Bytes::new(seed).are(&some), || "wrong bytes".to_owned())?;
        }
    }
    Ok(1)
}

/// Those that stay from the first round to the last.
pub fn held(turn: &mut Turn) -> Outcome<u64> {
    let mut held = turn.stage.held.lock().unwrap();
    while held.len() < 20 {
        let mut stream = connect(turn)?;
        order(&mut stream, "echo")?;
        held.push(stream);
    }
    for stream in held.iter_mut() {
        echo(stream, turn.dice)?;
    }
    Ok(held.len() as u64)
}

/// Those that are silent until the round is over, and still work then.
pub fn idle(turn: &mut Turn) -> Outcome<u64> {
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(turn)?;
        order(&mut stream, "echo")?;
        echo(&mut stream, turn.dice)?;
        idle.push(stream);
    }
    turn.stage.wait_over(turn.over);
    for stream in &mut idle {
        echo(stream, turn.dice)?;
    }
    Ok(idle.len() as u64)
}

pub mod tls {
    use super::*;

    pub fn short(turn: &mut Turn) -> Outcome<u64> {
        let mut stream = turn.stage.tls.connect(turn)?;
        order(&mut stream, "echo")?;
        echo(&mut stream, turn.dice)?;
        stream.conn.send_close_notify();
        stream.flush().map_err(said("ending"))?;
        let got = stream::receive(&mut stream, 0).map_err(said("the end"))?;
        ensure(got.0 == 0, || "bytes behind the echo".to_owned())?;
        Ok(1)
    }

    pub fn bulk(turn: &mut Turn) -> Outcome<u64> {
        let mut stream = turn.stage.tls.connect(turn)?;
        let (seed, count) = (turn.dice.roll(1 << 32), turn.dice.roll(2 << 20) as usize);
        if turn.dice.roll(2) == 0 {
            return pull(&mut stream, seed, count);
        }
        push(&mut stream, seed, count)?;
        stream.conn.send_close_notify();
        stream.flush().map_err(said("ending"))?;
        told(&mut stream, count)
    }

    /// In the middle of a handshake, instead of one, and after it.
    pub fn vanish(turn: &mut Turn) -> Outcome<u64> {
        match turn.dice.roll(4) {
            0 => drop(turn.stage.tls.raw(turn)?),
            1 => {
                let mut stream = turn.stage.tls.raw(turn)?;
                stream.write_all(b"GET / HTTP/1.1\r\n\r\n").map_err(said("sending"))?;
                // An alert, then the end; a reset when something of ours was unread.
                let mut alert = Vec::new();
                let _ = stream.read_to_end(&mut alert);
                ensure(alert.first().is_none_or(|first| *first == 0x15), || format!("{alert:?} for no handshake"))?;
            }
            2 => {
                let (mut session, mut stream) = (turn.stage.tls.session(turn)?, turn.stage.tls.raw(turn)?);
                session.write_tls(&mut stream).map_err(said("the first message"))?;
            }
            _ => {
                let mut stream = turn.stage.tls.connect(turn)?;
                order(&mut stream, &format!("down 1 {}", 16 * MIB))?;
                let mut some = vec![0; 1 + turn.dice.roll(MIB as u64) as usize];
                stream.read_exact(&mut some).map_err(said("receiving"))?;
            }
        }
        Ok(1)
    }
}
