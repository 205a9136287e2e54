//! The application: does what the first line of a connection says, and leaves with status [`STATUS`] when it is told to
//! end.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use odyn::sys::capability::Capabilities;
use odyn::sys::process;
use odyn::sys::signal::{self, Signal};

use crate::stream::{self, BLOCK, PATIENCE};

/// What it ends with.
pub const STATUS: i32 = 7;

/// The last line it writes.
pub const LAST: &str = "soak: the application ends";

/// Those it counts; TERM ends it.
pub const COUNTED: [Signal; 5] = [Signal::USR1, Signal::USR2, Signal::HUP, Signal::INT, Signal::QUIT];

static SIGNALS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// What came after the application had ended its direction, by the number the client gave it.
static LATE: Mutex<Option<HashMap<u64, String>>> = Mutex::new(None);

/// The number of its next line, held while the line is written.
static LINES: Mutex<u64> = Mutex::new(0);

/// Listens on these ports until SIGTERM, or until the soak has gone, on whose port `leash` this hangs: however that
/// ends, nothing of it stays.
pub fn run(leash: u16, ports: &[u16]) {
    signal::block().unwrap();
    let mut leash = TcpStream::connect(("127.0.0.1", leash)).unwrap();
    leash.write_all(b"echo\n").unwrap();
    thread::spawn(move || {
        let _ = leash.read(&mut [0]);
        std::process::exit(STATUS);
    });
    for port in ports {
        let listener = TcpListener::bind(("127.0.0.1", *port)).unwrap();
        thread::spawn(move || listen(&listener));
    }
    loop {
        let watched = [COUNTED.as_slice(), &[Signal::TERM]].concat();
        match signal::wait(&watched, PATIENCE).unwrap() {
            Some(Signal::TERM) => {
                let _lines = LINES.lock().unwrap();
                println!("{LAST}");
                std::process::exit(STATUS);
            }
            Some(signal) => {
                let at = COUNTED.iter().position(|counted| *counted == signal).unwrap();
                SIGNALS[at].fetch_add(1, Ordering::SeqCst);
            }
            None => {}
        }
    }
}

/// A thread a connection; the far end of egress, too.
pub fn listen(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // However it ends, its other end will say so.
        let work = move || drop(serve(stream));
        thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap();
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let order = stream::line(&mut stream)?;
    let mut words = order.split(' ');
    let verb = words.next().unwrap_or_default();
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    match (verb, &numbers[..]) {
        ("echo", []) => echo(&mut stream),
        ("up", [seed]) => {
            let (count, right) = stream::receive(&mut stream, *seed)?;
            writeln!(stream, "{count} {right}")
        }
        ("down", [seed, count]) => stream::send(&mut stream, *seed, *count as usize),
        ("late", [seed, count, id]) => {
            stream::send(&mut stream, *seed, *count as usize)?;
            stream.shutdown(Shutdown::Write)?;
            let (count, right) = stream::receive(&mut stream, *seed)?;
            LATE.lock().unwrap().get_or_insert_default().insert(*id, format!("{count} {right}"));
            Ok(())
        }
        ("result", [id]) => {
            let result = LATE.lock().unwrap().get_or_insert_default().remove(id);
            writeln!(stream, "{}", result.unwrap_or_default())
        }
        ("signals", []) => {
            let counts: Vec<String> = SIGNALS.iter().map(|count| count.load(Ordering::SeqCst).to_string()).collect();
            writeln!(stream, "{}", counts.join(" "))
        }
        ("lines", [count]) => {
            (0..*count).for_each(|_| write_line());
            writeln!(stream, "written")
        }
        // Two that end by themselves when nobody of this process waits for them any more.
        ("orphans", []) => stream.write_all(&shell("sleep 0.01 & echo $!; (sleep 0.03; exit 3) & echo $!")?),
        // Two that do not, one of which does not even want to.
        ("leave", []) => stream.write_all(&shell("sleep 1000 & echo $!; (trap '' TERM; exec sleep 1000) & echo $!")?),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn echo(stream: &mut TcpStream) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match stream.read(&mut block)? {
            0 => return Ok(()),
            n => stream.write_all(&block[..n])?,
        }
    }
}

/// What a script says. It and what it starts are in a session of their own: the signals that are counted here are none
/// of their business.
fn shell(script: &str) -> io::Result<Vec<u8>> {
    // What stays behind must not hold the pipe.
    let script = format!("exec 3>&1 >/dev/null; {}", script.replace("echo $!", "echo $! >&3").replace(" &", " 3>&- &"));
    // A signal to this process's group that comes before the session is the new process's own ends that.
    for _ in 0..100 {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&script).stdin(Stdio::null()).stderr(Stdio::null());
        process::confine(&mut command, None, process::raise_descriptor_limit(0)?, Capabilities::NONE);
        let output = command.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
    }
    Err(io::Error::other("a shell ends each time"))
}

/// A line that says its number, and so what stands in it.
fn write_line() {
    let mut number = LINES.lock().unwrap();
    let line = line_of(*number);
    *number += 1;
    let to: &mut dyn Write = if number.is_multiple_of(2) { &mut io::stdout() } else { &mut io::stderr() };
    to.write_all(line.as_bytes()).unwrap();
}

/// Line `number`, its end included: of any length up to what a pipe takes at once.
pub fn line_of(number: u64) -> String {
    let length = (number * 37 % 1999) as usize;
    let letter = char::from(b'a' + (number % 26) as u8);
    format!("soak {number} {}\n", letter.to_string().repeat(length))
}
