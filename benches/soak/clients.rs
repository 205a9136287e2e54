//! Programs that other people wrote: curl, and Python's requests, httpx and websockets, through the proxy's variables.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::stream::Bytes;
use crate::support::tools::{installed, program};
use crate::tally::{Outcome, Turn, ensure};

/// How long one of them may take, in seconds; timeout(1) ends it then.
const PATIENCE: &str = "60";

pub fn curl(turn: &mut Turn) -> Outcome<u64> {
    let base = format!("http://host:{}", turn.stage.origin.0);
    let (seed, size) = (turn.dice.roll(1 << 32), turn.dice.roll(1 << 20) as usize);
    let url = format!("{base}/{}/{seed}/{size}", ["bytes", "chunked"][turn.dice.roll(2) as usize]);
    let mut command = through_proxy(turn, "curl");
    command.args(["-sS", "--fail", &url]);
    if turn.dice.roll(2) == 0 {
        command.arg("--proxytunnel");
    }
    let output = command.output().map_err(|e| format!("curl: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || format!("curl {url}: {}, {said}", output.status))?;
    ensure(output.stdout == Bytes::whole(seed, size), || format!("curl {url}: {} other bytes", output.stdout.len()))?;
    Ok(1)
}

fn through_proxy(turn: &Turn, program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, program]).stdin(Stdio::null());
    for name in ["ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(name, format!("http://127.0.0.1:{}", turn.stage.proxy.0));
    }
    command
}

/// A server of `tests/clients/`, which ends with its standard input, and so with this process.
struct Server {
    _child: Child,
    port: u16,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
}

impl Server {
    fn start(script: &str) -> Option<Self> {
        let mut command = Command::new(installed("bin/python3")?);
        command.arg("-B").arg(folder().join(script)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let port = line.trim().strip_prefix("listening ")?.parse().ok()?;
        Some(Self { _child: child, port })
    }
}

static SERVERS: LazyLock<Option<(Server, Server)>> =
    LazyLock::new(|| Server::start("origin.py").zip(Server::start("ws_echo.py")));

/// Whether Python's clients can be had, and curl.
pub fn available() -> (bool, bool) {
    (SERVERS.is_some(), program("curl").is_some())
}

pub fn python(turn: &mut Turn) -> Outcome<u64> {
    let (origin, echo) = SERVERS.as_ref().ok_or("no Python")?;
    let python = installed("bin/python3").ok_or("no Python")?;
    let base = format!("http://host:{}", origin.port);
    let scripts: [(&str, Vec<String>); 3] = [
        ("requests_client.py", vec![base.clone(), String::new(), String::new(), "refused.test".into()]),
        ("httpx_client.py", vec![base, String::new(), String::new(), "refused.test".into()]),
        ("websocket_client.py", vec![format!("ws://host:{}/", echo.port), "refused.test".into()]),
    ];
    let (script, arguments) = &scripts[turn.dice.roll(3) as usize];
    let mut command = through_proxy(turn, &python.display().to_string());
    command.arg("-B").arg(folder().join(script)).args(arguments);
    let output = command.output().map_err(|e| format!("{script}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure(output.status.success(), || {
        format!("{script}: {}, {said} {}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(said.lines().count() as u64)
}
