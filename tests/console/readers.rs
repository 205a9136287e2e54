//! Many readers, readers that go, readers that talk.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::log::read_to;
use crate::support::{Odyn, TempDir, eventually, thread_count, wait_go};

/// Runs an application that says `ready` after 200 KB, then `live N` at each step.
fn stepper(flags: &[&str]) -> Odyn {
    let dir = TempDir::new();
    let script = format!(
        "{}yes 1234567 | head -c 200000; echo ready; {}echo live 1; {}echo live 2; exec sleep 1000",
        wait_go(&dir, 0),
        wait_go(&dir, 1),
        wait_go(&dir, 2)
    );
    let odyn = Odyn::in_dir(dir, "", flags, &["/bin/sh", "-c", &script], |_| {});
    // So that odyn's own lines all come before the first of the application's.
    odyn.wait_running();
    odyn.go(0);
    odyn.wait_log("ready");
    odyn
}

#[test]
fn a_hundred_readers_at_once_all_get_the_same() {
    let odyn = stepper(&[]);
    let mut readers: Vec<_> = (0..100).map(|_| odyn.log_reader()).collect();
    let first = read_to(&mut odyn.log_reader(), b"\nready\n");
    assert!(first.len() > 200_000);
    for reader in &mut readers {
        assert!(read_to(reader, b"\nready\n") == first);
    }
    odyn.go(1);
    for reader in &mut readers {
        assert_eq!(read_to(reader, b"live 1\n"), b"live 1\n");
    }
}

#[test]
fn readers_that_go_leave_no_thread_behind() {
    let odyn = stepper(&[]);
    // Every reader before these is flushed out by the first live line.
    odyn.go(1);
    odyn.wait_log("live 1");
    let mut readers: Vec<_> = (0..50).map(|_| odyn.log_reader()).collect();
    for reader in &mut readers {
        read_to(reader, b"live 1\n");
    }
    let most = thread_count(odyn.pid());
    assert!(most >= 50, "{most} threads");
    drop(readers);
    odyn.go(2);
    eventually("the readers' threads are gone", || (thread_count(odyn.pid()) <= most - 50).then_some(()));
    odyn.wait_log("live 2");
}

#[test]
fn probes_of_the_status_kept_a_thread_each_for_half_a_minute() {
    let odyn = stepper(&[]);
    let before = thread_count(odyn.pid());
    for _ in 0..200 {
        read_to(&mut odyn.connect(17000), b"\n");
    }
    let begun = Instant::now();
    // Sixteen may wait for the next reader. Nothing is posted meanwhile that would flush the others out.
    eventually("the probes' threads are gone", || (thread_count(odyn.pid()) <= before + 16).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn what_a_reader_sends_is_nobodys_business() {
    let odyn = stepper(&[]);
    let mut talkers: Vec<_> = (0..10).map(|_| odyn.log_reader()).collect();
    let mut garbage = vec![0xff; 60_000];
    garbage[..16].copy_from_slice(b"CONNECT 17000\nOK");
    for talker in &mut talkers {
        talker.write_all(&garbage).unwrap();
    }
    let mut status = odyn.connect(17000);
    status.write_all(&garbage).unwrap();
    for talker in &mut talkers {
        read_to(talker, b"\nready\n");
    }
    odyn.go(1);
    for talker in &mut talkers {
        assert_eq!(read_to(talker, b"live 1\n"), b"live 1\n");
    }
    odyn.signal("TERM");
    let mut text = String::new();
    status.read_to_string(&mut text).unwrap();
    assert_eq!(text, "{\"status\":\"running\"}\n{\"status\":\"signaled\",\"signal\":15,\"name\":\"SIGTERM\"}\n");
    drop((talkers, status));
    assert_eq!({ odyn }.wait().code(), Some(143));
}

#[test]
fn a_reader_that_only_stopped_sending_still_reads() {
    let odyn = stepper(&[]);
    let mut reader = odyn.log_reader();
    reader.shutdown(std::net::Shutdown::Write).unwrap();
    read_to(&mut reader, b"\nready\n");
    odyn.go(1);
    assert_eq!(read_to(&mut reader, b"live 1\n"), b"live 1\n");
}

#[test]
fn with_max_connections_further_readers_wait_their_turn() {
    let odyn = stepper(&["--max-connections", "3"]);
    let mut one = odyn.log_reader();
    let mut two = odyn.log_reader();
    read_to(&mut one, b"\nready\n");
    read_to(&mut two, b"\nready\n");
    // The first of all was `wait_log` in there, whose going takes a while to be noticed.
    let mut zero = odyn.log_reader();
    read_to(&mut zero, b"\nready\n");
    let mut three = odyn.log_reader();
    three.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(three.read(&mut [0]).is_err(), "a third reader is served");
    drop(one);
    // A reader's going is noticed when there is something to send it.
    odyn.go(1);
    three.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    read_to(&mut three, b"live 1\n");
    read_to(&mut two, b"live 1\n");
}
