//! Bytes per second, messages per second, connections per second.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Run;
use crate::app::{BLOCK, ECHO, SINK, SOURCE};
use crate::table::{Goal, Table, Unit};
use crate::ways::{Field, Way};

/// What a client does until it is told to stop; returns how much of it there was.
pub trait Client: Fn(&AtomicBool) -> io::Result<u64> + Sync {}
impl<F: Fn(&AtomicBool) -> io::Result<u64> + Sync> Client for F {}

/// As many clients at once for a while; their sum for each second.
pub fn rate(clients: usize, time: Duration, what: &str, client: impl Client) -> f64 {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let total: u64 = thread::scope(|scope| {
        let (client, stop) = (&client, &stop);
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(move || client(stop))).collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|one| one.join().unwrap().unwrap_or_else(|e| panic!("{what}: {e}"))).sum()
    });
    total as f64 / begun.elapsed().as_secs_f64()
}

/// Sends, and counts what arrived.
pub fn up<S: Read + Write>(
    stream: &mut S,
    finish: impl Fn(&mut S) -> io::Result<()>,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let block = vec![b'u'; BLOCK];
    stream.write_all(&[SINK])?;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&block)?;
    }
    finish(stream)?;
    let mut taken = [0; 8];
    stream.read_exact(&mut taken)?;
    Ok(u64::from_le_bytes(taken))
}

/// Receives, and counts.
pub fn down(stream: &mut (impl Read + Write), stop: &AtomicBool) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    stream.write_all(&[SOURCE])?;
    let mut taken = 0;
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut block)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => taken += n as u64,
        }
    }
    Ok(taken)
}

/// One connection, one byte there and back.
pub fn touch(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&[ECHO, b'x'])?;
    let mut byte = [0];
    stream.read_exact(&mut byte)
}

pub(crate) fn throughput(run: &Run, table: &mut Table) {
    let field = Field::start(&[]);
    for (clients, direct, haproxy) in [(1, 0.95, 2.0), (8, 0.85, 2.0)] {
        let goal = Goal { direct: Some(direct), haproxy: Some(haproxy) };
        let name = if clients == 1 { "1 connection" } else { "8 connections" };
        table.measure(&format!("{name} up"), Unit::MiB, run.rounds, &field.ways, goal, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| {
                up(&mut way.connect()?, |stream| stream.finish(), stop)
            })
        });
        table.measure(&format!("{name} down"), Unit::MiB, run.rounds, &field.ways, goal, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| down(&mut way.connect()?, stop))
        });
    }
}

/// 64 bytes there and back, again and again.
pub fn ping(run: &Run, table: &mut Table) {
    let field = Field::start(&[]);
    let goals = [Goal { direct: Some(0.85), haproxy: None }, Goal { direct: None, haproxy: Some(1.3) }];
    for (clients, goal) in [1, 64].into_iter().zip(goals) {
        let name = if clients == 1 { "1 connection ping" } else { "64 connections ping" };
        table.measure(name, Unit::PerSecond, run.rounds, &field.ways, goal, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| {
                let mut stream = way.connect()?;
                stream.write_all(&[ECHO])?;
                let (mut message, mut count) = ([7; 64], 0);
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(&message)?;
                    stream.read_exact(&mut message)?;
                    count += 1;
                }
                Ok(count)
            })
        });
    }
}

pub fn connect(run: &Run, table: &mut Table) {
    let field = Field::start(&[]);
    let goal = Goal { direct: Some(0.75), haproxy: Some(1.1) };
    table.measure("connect, 1 byte, close (8 clients)", Unit::PerSecond, run.rounds, &field.ways, goal, |way: &Way| {
        rate(8, run.time, way.name(), |stop: &AtomicBool| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                way.connect_saying(&[ECHO, b'x'])?.read_exact(&mut [0])?;
                count += 1;
            }
            Ok(count)
        })
    });
}
