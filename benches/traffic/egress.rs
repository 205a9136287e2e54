//! odyn's egress proxy: TCP on loopback to a host side that is the far end itself.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Run;
use crate::app;
use crate::flows::{down, rate, touch, up};
use crate::support::fake_host::{FakeHost, reply};
use crate::support::{Odyn, Port, eventually};
use crate::table::{Goal, Table, Unit};
use crate::ways::{PATIENCE, Stream, Way};

/// Where the tunnels go, which the host side does not look at.
const NAME: &str = "bench.example";

pub fn run(run: &Run, table: &mut Table) {
    let (proxy, port) = (Port::reserve(), Port::reserve());
    let sections = format!("egress:\n  proxy_port: {}\n  allow: [\"{NAME}\"]\n", proxy.0);
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let odyn = Odyn::with(&sections, &[], &[&program, "app", &port.0.to_string()], |_| {});
    odyn.wait_running();
    eventually("the application listens", || Stream::tcp(port.0).ok());
    let _host = FakeHost::answering(&odyn.vsock_path(), |stream, _, _| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        reply(&stream, "\"Ok\"");
        app::serve(stream);
    });
    // odyn's name stands for the proxy here.
    let ways = [Way::Direct(port.0), Way::Odyn(odyn.vsock_path(), proxy.0)];
    let open = |way: &Way| if matches!(way, Way::Direct(_)) { way.connect() } else { tunnel(proxy.0) };
    for (clients, name) in [(1, "egress, 1 tunnel"), (8, "egress, 8 tunnels")] {
        table.measure(&format!("{name} up"), Unit::MiB, run.rounds, &ways, Goal::NONE, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| up(&mut open(way)?, |stream| stream.finish(), stop))
        });
        table.measure(&format!("{name} down"), Unit::MiB, run.rounds, &ways, Goal::NONE, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| down(&mut open(way)?, stop))
        });
    }
    let name = "egress: CONNECT, 1 byte, close (8 clients)";
    table.measure(name, Unit::PerSecond, run.rounds, &ways, Goal::NONE, |way: &Way| {
        rate(8, run.time, way.name(), |stop: &AtomicBool| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                touch(&mut open(way)?)?;
                count += 1;
            }
            Ok(count)
        })
    });
}

/// A tunnel through the proxy.
fn tunnel(proxy: u16) -> io::Result<Stream> {
    let mut stream = Stream::tcp(proxy)?;
    stream.write_all(format!("CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n").as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut some = [0; 512];
        match stream.read(&mut some)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => head.extend_from_slice(&some[..n]),
        }
    }
    if head.starts_with(b"HTTP/1.1 200") { Ok(stream) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}
