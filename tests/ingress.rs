//! From the host's end of vsock to the application's port, over odyn's real ingress. The test itself listens where the
//! application would: odyn cannot tell.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Odyn, PATIENCE, Port, TempDir, cpu_ticks, eventually, raise_descriptor_limit, thread_count};

const IDLE_APP: &[&str] = &["/bin/sh", "-c", "exec sleep 1000"];

fn section(port: &Port) -> String {
    format!("ingress:\n  - listen_port: {}\n", port.0)
}

/// odyn with one ingress port, the application's listener, and a connection through: client's end, application's end.
fn connected() -> (Odyn, TcpListener, UnixStream, TcpStream, Port) {
    let port = Port::reserve();
    let listener = port.listen();
    let odyn = Odyn::start(&section(&port), IDLE_APP);
    let client = odyn.connect(port.0);
    let app = accept(&listener);
    (odyn, listener, client, app, port)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (app, _) = listener.accept().unwrap();
    app.set_read_timeout(Some(PATIENCE)).unwrap();
    app.set_write_timeout(Some(PATIENCE)).unwrap();
    app
}

/// A block that differs at every position of a stream, so that lost, doubled or swapped bytes show.
fn block(number: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while block.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block
}
const BLOCK: usize = 32 << 10;

fn send_blocks(to: &mut impl Write, count: u64, template: &[u8]) {
    let mut block = template.to_vec();
    for number in 0..count {
        block[..8].copy_from_slice(&number.to_le_bytes());
        to.write_all(&block).unwrap();
    }
}

fn check_blocks(from: &mut impl Read, count: u64, template: &[u8]) {
    let mut expected = template.to_vec();
    let mut found = vec![0; BLOCK];
    for number in 0..count {
        expected[..8].copy_from_slice(&number.to_le_bytes());
        from.read_exact(&mut found).unwrap();
        assert!(found == expected, "block {number} differs");
    }
    assert_eq!(from.read(&mut found).unwrap(), 0, "more than was sent");
}

#[test]
fn a_gigabyte_each_way_at_once_arrives_unchanged() {
    let (_odyn, _listener, client, app, _port) = connected();
    let count = (1 << 30) / BLOCK as u64;
    let (up, down) = (block(1), block(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            send_blocks(&mut &client, count, &up);
            client.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| {
            send_blocks(&mut &app, count, &down);
            app.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| check_blocks(&mut &app, count, &up));
        scope.spawn(|| check_blocks(&mut &client, count, &down));
    });
}

#[test]
fn the_client_may_end_first_and_still_be_answered() {
    let (_odyn, _listener, mut client, mut app, _port) = connected();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    app.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    app.write_all(b"answer").unwrap();
    drop(app);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn the_application_may_end_first_and_still_be_told() {
    let (_odyn, _listener, mut client, mut app, _port) = connected();
    app.write_all(b"greeting").unwrap();
    app.shutdown(Shutdown::Write).unwrap();
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).unwrap();
    assert_eq!(greeting, "greeting");
    client.write_all(b"thanks").unwrap();
    drop(client);
    let mut thanks = String::new();
    app.read_to_string(&mut thanks).unwrap();
    assert_eq!(thanks, "thanks");
}

#[test]
fn a_half_closed_connection_costs_no_cpu() {
    let (odyn, _listener, client, mut app, _port) = connected();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(app.read(&mut [0; 1]).unwrap(), 0);
    let before = cpu_ticks(odyn.pid());
    // Not for correctness: the longer, the more a busy loop would show. A spinning core makes 100 ticks of it.
    thread::sleep(Duration::from_secs(1));
    assert!(cpu_ticks(odyn.pid()) - before < 20, "a half-closed connection spins");
}

#[test]
fn a_connection_that_breaks_on_one_side_is_reset_on_the_other() {
    let (_odyn, _listener, mut client, app, _port) = connected();
    client.write_all(b"never read").unwrap();
    // Closing with unread bytes resets.
    eventually("the bytes are there", || (app.peek(&mut [0; 1]).unwrap() == 1).then_some(()));
    drop(app);
    // Over UNIX sockets a reset shows as the end; what counts is that it comes, and soon.
    let begun = Instant::now();
    let _ = client.read(&mut [0; 1]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    let (_odyn, _listener, client, mut app, _port) = connected();
    app.write_all(b"never read").unwrap();
    drop(client);
    let begun = Instant::now();
    let _ = app.read(&mut [0; 1]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn five_hundred_connections_at_once_are_all_served() {
    if !raise_descriptor_limit(4096) {
        return;
    }
    let port = Port::reserve();
    let listener = port.listen();
    let odyn = Odyn::start(&section(&port), IDLE_APP);
    odyn.wait_running();
    thread::spawn(move || {
        for app in listener.incoming().map_while(Result::ok) {
            thread::Builder::new().stack_size(64 << 10).spawn(move || std::io::copy(&mut &app, &mut &app)).unwrap();
        }
    });
    let mut clients: Vec<UnixStream> = (0..500).map(|_| odyn.connect(port.0)).collect();
    // All are open before the first is used.
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("hello {number}").as_bytes()).unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.shutdown(Shutdown::Write).unwrap();
        let mut echo = String::new();
        client.read_to_string(&mut echo).unwrap();
        assert_eq!(echo, format!("hello {number}"));
    }
    drop(clients);
    eventually("their threads end", || (thread_count(odyn.pid()) < 20).then_some(()));
}

#[test]
fn connections_beyond_the_cap_wait_and_are_served_when_there_is_room() {
    let port = Port::reserve();
    let listener = port.listen();
    let app = IDLE_APP;
    let odyn = Odyn::with(&section(&port), &["--max-connections", "2"], app, |_| {});
    let first = odyn.connect(port.0);
    let second = odyn.connect(port.0);
    let held = [accept(&listener), accept(&listener)];
    let mut third = odyn.connect(port.0);
    third.write_all(b"x").unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(listener.accept().is_err(), "a third connection was let in");
    listener.set_nonblocking(false).unwrap();
    drop((first, held));
    let mut served = accept(&listener);
    let mut byte = [0];
    served.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    drop(second);
}

#[test]
fn an_application_that_is_slow_to_start_is_waited_for() {
    let port = Port::reserve();
    let odyn = Odyn::start(&section(&port), IDLE_APP);
    odyn.wait_running();
    let mut client = odyn.connect(port.0);
    client.write_all(b"early").unwrap();
    // The application takes its time; how long does not matter as long as it is below ten seconds.
    thread::sleep(Duration::from_secs(2));
    let mut app = accept(&port.listen());
    let mut early = [0; 5];
    app.read_exact(&mut early).unwrap();
    assert_eq!(&early, b"early");
}

#[test]
fn an_application_that_never_listens_costs_its_clients_a_closed_connection_and_one_line_a_second() {
    let port = Port::reserve();
    let odyn = Odyn::start(&section(&port), IDLE_APP);
    odyn.wait_running();
    let started = Instant::now();
    let mut client = odyn.connect(port.0);
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    let waited = started.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(20)).contains(&waited), "given up after {waited:?}");
    // From now on at once.
    let started = Instant::now();
    for _ in 0..50 {
        assert_eq!(odyn.connect(port.0).read(&mut [0; 1]).unwrap_or(0), 0);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    odyn.wait_log("does not answer");
    let lines = odyn.log().matches("does not answer").count() as u64;
    assert!((1..=took.as_secs() + 3).contains(&lines), "{lines} lines in {took:?}");
}

#[test]
fn open_connections_may_finish_when_the_application_ends() {
    let port = Port::reserve();
    let listener = port.listen();
    let dir = TempDir::new();
    let end = dir.path().join("end");
    let script = format!("while [ ! -e {} ]; do sleep 0.01; done; exit 7", end.display());
    let odyn = Odyn::in_dir(dir, &section(&port), &[], &["/bin/sh", "-c", &script], |_| {});
    let mut client = odyn.connect(port.0);
    let mut app = accept(&listener);
    std::fs::write(end, "").unwrap();
    eventually("new connections are refused", || odyn.try_connect(port.0).is_none().then_some(()));
    app.write_all(b"last words").unwrap();
    drop(app);
    let mut words = String::new();
    client.read_to_string(&mut words).unwrap();
    assert_eq!(words, "last words");
    drop(client);
    let (status, exit) = odyn.finish();
    assert_eq!((status.as_str(), exit.code()), (r#"{"status":"exited","code":7}"#, Some(7)));
}

#[test]
fn a_low_limit_of_descriptors_is_raised_for_odyn_and_left_to_the_application() {
    let port = Port::reserve();
    let listener = port.listen();
    let dir = TempDir::new();
    dir.write("enclaver.yaml", &format!("{}{}", crate::support::PREAMBLE, section(&port)));
    let script = format!(
        "ulimit -Sn 64; exec {} --no-bootstrap --nsm sim --config-dir {} --vsock uds:{}/vsock -- /bin/sh -c \
         'echo limit $(ulimit -Sn); exec sleep 1000'",
        env!("CARGO_BIN_EXE_odyn"),
        dir.path().display(),
        dir.path().display()
    );
    let child = std::process::Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap();
    let odyn = Odyn { dir, child };
    odyn.wait_log("limit 64");
    let clients: Vec<UnixStream> = (0..100).map(|_| odyn.connect(port.0)).collect();
    let apps: Vec<TcpStream> = (0..100).map(|_| accept(&listener)).collect();
    assert_eq!(clients.len(), apps.len());
}
