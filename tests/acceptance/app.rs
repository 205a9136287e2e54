//! The application of the acceptance image: it shows what it was given and does what it is asked to, so that
//! `scripts/acceptance.sh` can see an enclave from inside. An example, so that cargo builds it for the enclave's own
//! target; never part of a shipped binary.
//!
//! `serve` is the application. `stamp PROGRAM ARG...` starts PROGRAM and lets `serve` below it know how long ago.
//! `nest` and `linger` make an orphan. `fill FOLDER PROGRAM ARG...` starts PROGRAM when nothing more fits into FOLDER,
//! and `note FILE` ends with the number of the error that writing FILE meets.

#![allow(missing_docs, clippy::print_stdout, reason = "a program, whose output is what is tested")]

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use odyn::sys::process::{Pid, is_superuser};
use odyn::sys::signal::{self, Signal};

/// Started at, in nanoseconds since 1970: the clock is not set while an enclave starts.
const STARTED: &str = "ACCEPTANCE_STARTED";

const MAX_HEAD: usize = 16 << 10;
const MAX_BODY: usize = 8 << 20;

/// In MiB.
const MAX_FILL: usize = 1024;

/// How long one connection may take. Emulated processors are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those that came, in order.
static SIGNALS: Mutex<Vec<Signal>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve"] => serve(),
        ["stamp", program, rest @ ..] => {
            // On the console, which is how scripts/test-vm.sh sees that the kernel is through.
            let _ = writeln!(io::stderr(), "app: handing over to {program}");
            let now = since_1970().as_nanos().to_string();
            Err(Command::new(program).args(rest).env(STARTED, now).exec())
        }
        ["fill", folder, program, rest @ ..] => {
            fill(folder);
            Err(Command::new(program).args(rest).exec())
        }
        // What a program says that has no room left.
        ["note", file] => std::fs::write(file, [0; 1 << 16]),
        ["nest"] => Command::new("/proc/self/exe").arg("linger").stdin(Stdio::null()).spawn().map(drop),
        ["linger"] => {
            thread::sleep(Duration::from_millis(500));
            Ok(())
        }
        _ => {
            Err(io::Error::other("usage: app serve | stamp PROGRAM | fill FOLDER PROGRAM | note FILE | nest | linger"))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "app: {e}");
            e.raw_os_error().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

/// Writes to a file in `folder` until nothing more fits; at most as much as any machine of the list has.
fn fill(folder: &str) {
    let written = std::fs::File::create(format!("{folder}/filling")).and_then(|mut file| {
        for _ in 0..MAX_FILL {
            file.write_all(&[0; 1 << 20])?;
        }
        Ok(())
    });
    let _ = writeln!(io::stderr(), "app: filling {folder} ended: {written:?}");
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Serves the same on both ports; odyn ends TLS before the second one.
fn serve() -> io::Result<()> {
    let boot = std::env::var(STARTED).ok().and_then(|text| text.parse().ok());
    let boot = boot.map(|nanos| since_1970().saturating_sub(Duration::from_nanos(nanos)));
    // Before the first thread, which all others take it from.
    signal::block()?;
    let listeners = [TcpListener::bind("127.0.0.1:8080")?, TcpListener::bind("127.0.0.1:8443")?];
    println!("app: serving");
    let _ = writeln!(io::stderr(), "app: this is standard error");
    thread::spawn(note_signals);
    let [second, first] = listeners;
    thread::spawn(move || accept(&first, boot));
    accept(&second, boot);
    Ok(())
}

fn note_signals() {
    let watched = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];
    loop {
        if let Ok(Some(signal)) = signal::wait(&watched, PATIENCE) {
            println!("app: got {signal}");
            SIGNALS.lock().unwrap_or_else(PoisonError::into_inner).push(signal);
        }
    }
}

fn accept(listener: &TcpListener, boot: Option<Duration>) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            if let Err(e) = answer(stream, boot) {
                println!("app: a request failed: {e}");
            }
        });
    }
}

/// One request of a client that is well behaved: head, body of a known length, answer, end.
struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let mut held = Vec::new();
    let mut piece = [0; 16 << 10];
    let end = loop {
        if let Some(at) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if held.len() > MAX_HEAD {
            return Err(io::Error::other("a head that is too long"));
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => held.extend_from_slice(&piece[..n]),
        }
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    let mut words = head.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::Error::other("not a request"));
    };
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.filter_map(|(_, value)| value.trim().parse().ok()).next().unwrap_or(0_usize);
    if length > MAX_BODY {
        return Err(io::Error::other("a body that is too long"));
    }
    let mut body = held.split_off(end);
    while body.len() < length {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => body.extend_from_slice(&piece[..n]),
        }
    }
    Ok(Request { method, path, body })
}

fn answer(mut stream: TcpStream, boot: Option<Duration>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut stream)?;
    let path = request.path.clone();
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let value = query.split_once('=').map_or("", |(_, value)| value);
    match path {
        "/ping" => reply(&mut stream, 200, b"pong\n"),
        "/echo" => reply(&mut stream, 200, &request.body),
        "/loop" => {
            let begun = Instant::now();
            let (mut server, body) =
                (TcpStream::connect(stream.local_addr()?)?, vec![b'l'; parse::<usize>(value)?.min(MAX_BODY)]);
            write!(server, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len())?;
            server.write_all(&body)?;
            let received = io::copy(&mut server, &mut io::sink())?;
            let took = begun.elapsed().as_millis();
            let status = if received > body.len() as u64 { 200 } else { 502 };
            reply(&mut stream, status, format!("{took}\n").as_bytes())
        }
        "/facts" => reply(&mut stream, 200, facts(boot).as_bytes()),
        "/file" => match std::fs::read(value) {
            Ok(bytes) => reply(&mut stream, 200, &bytes),
            Err(e) => reply(&mut stream, 404, format!("{value}: {e}\n").as_bytes()),
        },
        "/log" => {
            println!("app: {value}");
            reply(&mut stream, 200, b"logged\n")
        }
        "/fetch" => relay(&mut stream, &proxy(), &format!("GET {value}"), b""),
        "/tunnel" => tunnel(&mut stream, value),
        "/orphan" => {
            let status = Command::new("/proc/self/exe").arg("nest").stdin(Stdio::null()).status()?;
            reply(&mut stream, 200, format!("{status}\n").as_bytes())
        }
        "/signal" => match (parse::<i32>(value)?, Pid::new(std::os::unix::process::parent_id().cast_signed())) {
            (number, Some(parent)) if is_superuser() => {
                parent.kill(Signal::from_number(number))?;
                reply(&mut stream, 200, b"sent\n")
            }
            _ => reply(&mut stream, 403, b"only root may\n"),
        },
        "/exit" => {
            reply(&mut stream, 200, b"ending\n")?;
            println!("app: ending with {value}");
            std::process::exit(parse(value)?)
        }
        "/die" => {
            reply(&mut stream, 200, b"dying\n")?;
            Pid::this().kill(Signal::from_number(parse(value)?))
        }
        _ => match api(path) {
            Some((address, rest)) => relay(&mut stream, &address, &format!("{} {rest}", request.method), &request.body),
            None => reply(&mut stream, 404, b"no such path\n"),
        },
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| io::Error::other(format!("not a number: {text}")))
}

fn reply(stream: &mut TcpStream, status: u16, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Write)?;
    // Until the client is through: a close with bytes unread would break the connection.
    let _ = stream.read(&mut [0]);
    Ok(())
}

/// `HOST:PORT` of the URL in a variable.
fn place(variable: &str) -> String {
    std::env::var(variable).unwrap_or_default().trim_start_matches("http://").trim_end_matches('/').to_owned()
}

fn proxy() -> String {
    place("http_proxy")
}

/// `/api/...` is the internal API's, `/aux/...` the auxiliary one's, a port above it.
fn api(path: &str) -> Option<(String, &str)> {
    let internal = place("ODYN_API_URL");
    if let Some(rest) = path.strip_prefix("/api") {
        return Some((internal, rest));
    }
    let (host, port) = internal.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    Some((format!("{host}:{}", port + 1), path.strip_prefix("/aux")?))
}

/// Sends a request to `address` and passes on whatever it answers, byte for byte.
fn relay(client: &mut TcpStream, address: &str, start: &str, body: &[u8]) -> io::Result<()> {
    let asked = TcpStream::connect(address).and_then(|mut server| {
        server.set_read_timeout(Some(PATIENCE))?;
        let host = start.split_once("://").map_or(address, |(_, rest)| rest.split('/').next().unwrap_or(rest));
        let length = body.len();
        let head = format!("{start} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        server.write_all(head.as_bytes())?;
        server.write_all(body)?;
        Ok(server)
    });
    match asked {
        Ok(mut server) => io::copy(&mut server, client).map(drop),
        Err(e) => reply(client, 502, format!("{address}: {e}\n").as_bytes()),
    }
}

/// `HOST:PORT/PATH` through a CONNECT tunnel.
fn tunnel(client: &mut TcpStream, target: &str) -> io::Result<()> {
    let (authority, path) = target.split_once('/').unwrap_or((target, ""));
    let mut server = TcpStream::connect(proxy())?;
    server.set_read_timeout(Some(PATIENCE))?;
    write!(server, "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        let mut byte = [0];
        server.read_exact(&mut byte)?;
        head.extend(byte);
    }
    if !head.starts_with(b"HTTP/1.1 200") {
        client.write_all(&head)?;
        return io::copy(&mut server, client).map(drop);
    }
    write!(server, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    io::copy(&mut server, client).map(drop)
}

/// What there is to see from inside, `NAME=VALUE` a line.
fn facts(boot: Option<Duration>) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(out, "{name}={value}");
    };
    if let Some(boot) = boot {
        fact("boot_ms", &boot.as_millis().to_string());
    }
    for line in read("/proc/self/mounts").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if let [_, target, kind, options, ..] = fields.as_slice() {
            fact("mount", &format!("{target} {kind} {options}"));
        }
    }
    fact("lo", read("/sys/class/net/lo/flags").trim());
    fact("interfaces", &names("/sys/class/net").join(" "));
    fact("entropy", read("/proc/sys/kernel/random/entropy_avail").trim());
    let own = ["Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs", "SigIgn"];
    status_facts("self", &own, &mut fact);
    let parent = std::os::unix::process::parent_id().to_string();
    status_facts(&parent, &["VmRSS", "VmHWM", "Threads"], &mut fact);
    // After the parenthesis: state, parent, group, session.
    let stat = read("/proc/self/stat");
    let stat: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fact("group", stat.get(2).unwrap_or(&""));
    fact("session", stat.get(3).unwrap_or(&""));
    fact("pid", &std::process::id().to_string());
    fact("parent", &parent);
    for pid in names("/proc").iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        if let Some(process) = process(pid) {
            fact("process", &process);
        }
    }
    for (name, _) in std::env::vars_os() {
        fact("env", &name.to_string_lossy());
    }
    for fd in names("/proc/self/fd") {
        // The listing's own is gone by now.
        if let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{fd}")) {
            fact("fd", &format!("{fd} {}", target.display()));
        }
    }
    for link in ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"] {
        let target = std::fs::read_link(link).unwrap_or_default();
        fact("link", &format!("{link} {}", target.display()));
    }
    for folder in ["/tmp", "/run", "/dev/shm"] {
        let file = format!("{folder}/acceptance");
        let written = std::fs::write(&file, "x").and_then(|()| std::fs::remove_file(&file));
        fact("writable", &format!("{folder} {}", if written.is_ok() { "yes" } else { "no" }));
    }
    for signal in SIGNALS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        fact("signal", &signal.to_string());
    }
    out
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Lines of `/proc/PID/status`, their spaces made single.
fn status_facts(pid: &str, wanted: &[&str], fact: &mut impl FnMut(&str, &str)) {
    for line in read(&format!("/proc/{pid}/status")).lines() {
        if let Some((name, value)) = line.split_once(':').filter(|(name, _)| wanted.contains(name)) {
            fact(name, &value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

/// `PID PARENT STATE NAME`; `None` for the kernel's own threads, which are children of process 2.
fn process(pid: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, fields) = stat.rsplit_once(')')?;
    let name = name.split_once('(')?.1;
    let mut fields = fields.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?);
    (pid != "2" && parent != "2").then(|| format!("{pid} {parent} {state} {name}"))
}
