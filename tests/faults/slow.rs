//! Ten thousand clients that are slow, on each port.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::field::{BACK, CALM_APP, Steady, echo, often, tcp, try_api};
use crate::support::fake_host::FakeHost;
use crate::support::origin::{Origin, read_head};
use crate::support::proc::descriptors;
use crate::support::{Odyn, Port, TempDir, eventually, raise_descriptor_limit, thread_count, tools};

const ADDRESS: &str = "/v1/eth/address";

/// Two of these at once have more descriptors in this process than it may have.
static TURN: Mutex<()> = Mutex::new(());

const CLIENTS: usize = 10_000;

/// `slowhttptest`: opens connections and says a header line now and then, for so many seconds. It stops by itself.
fn attack(port: u16, seconds: u32) -> Option<Child> {
    let program = tools::program("slowhttptest")?;
    let mut command = Command::new(program);
    command.args(["-H", "-c", &CLIENTS.to_string(), "-r", &CLIENTS.to_string(), "-i", "2", "-x", "10", "-p", "60"]);
    command.args(["-l", &seconds.to_string(), "-u", &format!("http://127.0.0.1:{port}/")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command.spawn().unwrap())
}

fn asked_well(port: u16, path: &str, expected: &str) -> Result<(), String> {
    let mut stream = tcp(port)?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
    if answer.starts_with(expected) { Ok(()) } else { Err(answer) }
}

/// odyn with everything that speaks HTTP: API, auxiliary API, KMS proxy, egress.
fn servers(flags: &[&str]) -> (Odyn, [Port; 4], FakeHost, Origin) {
    let site = Origin::serving(echo);
    let ports = [(); 4].map(|()| Port::reserve());
    let manifest = format!(
        "api:\n  listen_port: {}\naux_api:\n  listen_port: {}\nkms_proxy:\n  listen_port: {}\n\
         egress:\n  proxy_port: {}\n  allow: ['**', '169.254.169.254']\ningress:\n  - listen_port: {}\n",
        ports[0].0, ports[1].0, ports[2].0, ports[3].0, site.port.0
    );
    let dir = TempDir::new();
    let host = FakeHost::start(&dir.path().join("vsock"));
    let odyn = Odyn::in_dir(dir, &manifest, flags, CALM_APP, |_| {});
    odyn.wait_running();
    (odyn, ports, host, site)
}

/// With room for all of them, and for others.
#[test]
fn ten_thousand_slow_heads_at_a_server_delay_nobody_and_cost_no_thread() {
    let _turn = TURN.lock();
    if !raise_descriptor_limit(13_000) {
        return;
    }
    let (odyn, [api, aux, kms, _], _host, _site) = servers(&["--max-connections", "11000"]);
    // Whose key is made by then.
    eventually("the KMS proxy answers", || asked_well(kms.0, "/", "HTTP/1.1 4").ok());
    // One server's code serves all three.
    let all = [(&kms, "/", "HTTP/1.1 4"), (&api, ADDRESS, "HTTP/1.1 200"), (&aux, ADDRESS, "HTTP/1.1 200")];
    for (port, path, expected) in all.into_iter().take(often(1, 3)) {
        let (open, threads) = (descriptors(odyn.pid()).len(), thread_count(odyn.pid()));
        let begun = Instant::now();
        let mut slow: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(port.0).unwrap()).collect();
        let opened = begun.elapsed();
        let (mut asked, mut longest) = (0, Duration::ZERO);
        // For less than the time that a head may take.
        for byte in b"GET / HT".iter().cycle() {
            if begun.elapsed() > Duration::from_secs(6) && asked > 0 {
                break;
            }
            for (at, stream) in slow.iter_mut().enumerate() {
                stream.write_all(&[*byte]).unwrap();
                if at % 1000 == 0 {
                    let begun = Instant::now();
                    asked_well(port.0, path, expected).unwrap();
                    longest = longest.max(begun.elapsed());
                    asked += 1;
                }
            }
        }
        let held = descriptors(odyn.pid()).len() - open;
        // A machine with much else to do may be slower than a head may be; and the connection that asked before all these
        // may have been counted with what was open.
        assert!(held + 1 >= CLIENTS || begun.elapsed() > Duration::from_secs(9), "only {held} were held");
        assert!(thread_count(odyn.pid()) <= threads);
        drop(slow);
        let ended = Instant::now();
        eventually("served again", || asked_well(port.0, path, expected).ok());
        let back = ended.elapsed();
        eventually("they are gone", || (descriptors(odyn.pid()).len() <= open).then_some(()));
        println!(
            "{held} held, opened in {opened:?}; {asked} others asked meanwhile, {longest:?} at the longest; back after {back:?}, gone after {:?}",
            ended.elapsed()
        );
        // The front looks at all of its clients whenever one does something: with ten times the usual limit, built without
        // optimisation, that takes it a while.
        assert!(longest < 5 * BACK && back < 8 * BACK, "{longest:?}, {back:?}");
    }
}

/// With a thousand places, as it is unless told. Who is in is served; who comes later waits, until they are gone.
#[test]
fn ten_thousand_slow_clients_at_the_usual_limit_keep_nobody_from_going_on_and_service_is_back_when_they_go() {
    let _turn = TURN.lock();
    if !raise_descriptor_limit(13_000) {
        return;
    }
    let (odyn, [api, _, _, egress], _host, site) = servers(&[]);
    let mut proxy = tcp(egress.0).unwrap();
    write!(proxy, "CONNECT a.test:{} HTTP/1.1\r\n\r\n", site.port.0).unwrap();
    assert!(read_head(&mut proxy).unwrap().starts_with("HTTP/1.1 200 "));
    let (tunnel, ingress) = (Steady::over(proxy), Steady::over(odyn.connect(site.port.0)));
    let before = descriptors(odyn.pid()).len();
    let Some(mut attackers) = attack(egress.0, 6) else { return };
    eventually("the attack fills egress", || (descriptors(odyn.pid()).len() > before + 900).then_some(()));
    // Ingress takes what comes; more than its backlog holds are closed at once.
    let mut held = Vec::new();
    let (mut most, mut refused) = (0, 0);
    while held.len() + refused < CLIENTS {
        match UnixStream::connect(odyn.vsock_path()) {
            Ok(mut stream) => {
                let greeting = format!("CONNECT {}\nGET / HTTP/1.1\r\nX-", site.port.0);
                match stream.write_all(greeting.as_bytes()) {
                    Ok(()) => held.push(stream),
                    Err(_) => refused += 1,
                }
            }
            Err(_) => refused += 1,
        }
        most = most.max(thread_count(odyn.pid()));
    }
    tunnel.wait_for(1 << 20);
    ingress.wait_for(1 << 20);
    try_api(api.0).unwrap();
    let status = attackers.wait().unwrap();
    assert!(status.success(), "slowhttptest: {status}");
    let threads = thread_count(odyn.pid());
    let ended = Instant::now();
    eventually("egress serves again", || asked_well(egress.0, "http://a.test:1/", "HTTP/1.1 502").ok());
    let back = ended.elapsed();
    let count = held.len();
    drop(held);
    let ended = Instant::now();
    let mut fresh = odyn.connect(site.port.0);
    fresh.write_all(b"hello").unwrap();
    fresh.read_exact(&mut [0; 5]).unwrap();
    let ingress_back = ended.elapsed();
    println!(
        "{CLIENTS} at egress, back after {back:?}; {count} at ingress, {refused} refused, back after {ingress_back:?}; \
         {most} threads at most, {threads} at the end; tunnel {:?}, ingress {:?}",
        tunnel.finish(),
        ingress.finish()
    );
    assert!(back < BACK && ingress_back < BACK, "{back:?}, {ingress_back:?}");
}
