//! odyn or its application stopped and continued, while bytes flow.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::field::{Field, Steady, often};
use super::shim;
use crate::support::{Odyn, Port, TempDir, eventually, signal};

/// Stops and continues a process so often, a few milliseconds each: a shell's own `kill` starts no program for it.
fn stop_and_go(pid: i32, times: usize) -> Child {
    let script = format!(
        "i=0; while [ $i -lt {times} ]; do kill -STOP {pid}; sleep 0.00$((i%9+1)); kill -CONT {pid}; sleep 0.00$((i%7+1)); \
         i=$((i+1)); done"
    );
    Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap()
}

#[test]
fn odyn_stopped_and_continued_loses_no_byte() {
    let times = often(300, 5000);
    let field = Field::start();
    let before = field.resources();
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    let status = stop_and_go(field.pid(), times).wait().unwrap();
    assert!(status.success());
    let back = field.assert_back();
    ingress.wait_for(1 << 20);
    tunnel.wait_for(1 << 20);
    let (up, down) = (ingress.finish(), tunnel.finish());
    println!(
        "{times} stops: {up:?} and {down:?}; back after {back:?}; {before:?} before, {:?} after",
        field.settled(before)
    );
}

#[test]
fn a_second_in_which_odyn_stands_still_costs_a_second_and_nothing_else() {
    let field = Field::start();
    let steady = Steady::over(field.ingress());
    steady.wait_for(1 << 20);
    field.odyn.signal("STOP");
    // Connections come all the same: the kernel keeps them.
    let waiting: Vec<_> = (0..50).map(|_| super::field::tcp(field.api.0).unwrap()).collect();
    std::thread::sleep(Duration::from_secs(1));
    field.odyn.signal("CONT");
    let back = field.assert_back();
    steady.wait_for(1 << 20);
    let (bytes, longest) = steady.finish();
    assert!(longest >= Duration::from_millis(900), "{longest:?}");
    println!("{bytes} bytes, {longest:?} at the longest, back after {back:?}");
    drop(waiting);
}

#[test]
fn an_application_stopped_and_continued_loses_no_byte_and_its_connections_wait_for_it() {
    let times = often(300, 5000);
    let dir = TempDir::new();
    let Some(app) = shim::build(&dir, "echo", &[]) else { return };
    let port = Port::reserve();
    let manifest = format!("ingress:\n  - listen_port: {}\n", port.0);
    let odyn = Odyn::in_dir(dir, &manifest, &[], &[app.to_str().unwrap(), &port.0.to_string()], |_| {});
    let pid = odyn.app();
    let steady = [(); 4].map(|()| Steady::over(odyn.connect(port.0)));
    steady.iter().for_each(|steady| steady.wait_for(1 << 16));
    assert!(stop_and_go(pid, times).wait().unwrap().success());
    signal(pid, "STOP");
    // Taken by odyn, and by the application's kernel for it.
    let late = Steady::over(odyn.connect(port.0));
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(300));
    signal(pid, "CONT");
    late.wait_for(1 << 16);
    let (_, longest) = late.finish();
    assert!(longest >= Duration::from_millis(200) && longest < begun.elapsed() + Duration::from_secs(1), "{longest:?}");
    steady.iter().for_each(|steady| steady.wait_for(1 << 16));
    let bytes: Vec<_> = steady.into_iter().map(Steady::finish).collect();
    println!("{times} stops: {bytes:?}");
    eventually("the application runs on", || crate::support::stat(pid));
}
