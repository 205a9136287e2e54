//! Connections that are open and silent: what each costs, and what a fresh one still gets.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::flows::touch;
use crate::support::proc::{descriptors, status_field};
use crate::support::{Odyn, Port, cpu_ticks, eventually};
use crate::table::Table;
use crate::ways::{Field, Stream, Way, odyn_with_app};

/// Long enough that one tick of the processor's clock, a hundredth of a second, is a five-hundredth of it.
const IDLE: Duration = Duration::from_secs(5);

fn resident(pid: i32) -> u64 {
    status_field(pid, "VmRSS").trim_end_matches(" kB").parse().unwrap()
}

/// Opens connections that have been used once.
fn hold(way: &Way, count: usize) -> Vec<Stream> {
    let open = |_| {
        let mut stream = eventually("a connection", || way.connect().ok());
        touch(&mut stream).unwrap_or_else(|e| panic!("{}: {e}", way.name()));
        stream
    };
    (0..count).map(open).collect()
}

pub fn run(_: &mut Table) {
    const COUNT: usize = 1000;
    let field = Field::start(&[]);
    println!();
    for (way, pid) in [(&field.ways[1], field.odyn.pid()), (&field.ways[2], field.haproxy.pid())] {
        let before = resident(pid);
        let held = hold(way, COUNT);
        let each = (resident(pid) - before) as f64 / COUNT as f64;
        let ticks = cpu_ticks(pid);
        thread::sleep(IDLE);
        let ticks = cpu_ticks(pid) - ticks;
        println!(
            "{}: {before} KiB resident; {each:.1} KiB more for each of {COUNT} connections held; with them idle {ticks} \
             ticks of 10 ms in {IDLE:?}",
            way.name()
        );
        drop(held);
    }
}

/// Two descriptors for each connection in odyn, and a hundred for the rest.
fn connections_allowed() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    (line.split_whitespace().nth(4).unwrap().parse().unwrap_or(usize::MAX) - 100) / 2
}

/// Up to ten thousand, or as many as this machine's limit of descriptors allows.
pub fn grow() {
    let most = connections_allowed();
    let port = Port::reserve();
    let odyn = odyn_with_app(&port, "", &["--max-connections", "12000"]);
    let (pid, way) = (odyn.pid(), Way::Odyn(odyn.vsock_path(), port.0));
    let (before, open) = (resident(pid), descriptors(pid).len());
    println!("\n| connections held | KiB each | first byte of a fresh one | until all are gone |\n|---|---|---|---|");
    for count in [100, 1000, 5000, 10_000].map(|count| most.min(count)) {
        let held = hold(&way, count);
        let each = (resident(pid).saturating_sub(before)) as f64 / count as f64;
        let begun = Instant::now();
        touch(&mut way.connect().unwrap()).unwrap();
        let fresh = begun.elapsed();
        let begun = Instant::now();
        drop(held);
        eventually("all connections are gone", || (descriptors(pid).len() <= open + 2).then_some(()));
        println!("| {count} | {each:.1} | {fresh:.0?} | {:.0?} |", begun.elapsed());
    }
}

/// The log at full speed, with nobody reading and with a thousand who do not keep up.
pub fn log() {
    const BYTES: u64 = 2_000_000_000;
    println!();
    for readers in [0, 1000] {
        let script =
            format!("read go; yes 'a line of some sixty characters, as applications write them' | head -c {BYTES}");
        // The readers are there before the first byte.
        let odyn = Odyn::with("", &[], &["/bin/sh", "-c", &script], |command| {
            command.stdin(std::process::Stdio::piped());
        });
        odyn.wait_running();
        let held: Vec<_> = (0..readers).map(|_| odyn.log_reader()).collect();
        let mut odyn = odyn;
        let begun = Instant::now();
        odyn.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let status = odyn.connect(17_000);
        let status = std::io::read_to_string(status).unwrap();
        let speed = BYTES as f64 / begun.elapsed().as_secs_f64() / 1e6;
        let last = status.lines().last().unwrap_or_default();
        println!(
            "log: {speed:.0} MB/s with {readers} readers that take nothing; {} resident; {last}",
            status_field(odyn.pid(), "VmHWM")
        );
        drop(held);
    }
}
