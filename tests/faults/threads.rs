//! No thread left.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use super::field::{Field, Steady, try_api};
use crate::support::{TempDir, is_root, tools};

/// Threads that odyn and its application may have: some more than the field needs.
const LIMIT: usize = 50;

/// Connections that each want one.
const HELD: usize = 100;

#[test]
fn without_threads_a_new_connection_is_closed_and_nobody_else_notices() {
    // The limit counts all that a user has, and does not bind root.
    if !is_root() {
        return tools::unfit("root");
    }
    let Some(setpriv) = tools::program("setpriv") else { return };
    let user = (60_000 + std::process::id() % 5_000).to_string();
    let dir = TempDir::new();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let socket = dir.path().join("vsock_17002");
    let field = Field::in_dir(dir, &[], |command| {
        // The host side's socket is there by now.
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o777)).unwrap();
        let mut limited = Command::new(setpriv);
        limited.args(["--reuid", &user, "--regid", &user, "--clear-groups", "prlimit"]);
        limited.arg(format!("--nproc={LIMIT}:{LIMIT}")).arg(command.get_program()).args(command.get_args());
        limited.stdin(std::process::Stdio::null());
        *command = limited;
    });
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    ingress.wait_for(1 << 20);
    let before = field.resources();

    let mut served = Vec::new();
    let mut closed = 0;
    for _ in 0..HELD {
        // Greeting a connection takes a thread, too: one may end there, or behind it.
        let connection = field.odyn.try_connect(field.echo.port.0).and_then(|mut stream| {
            let mut back = [0; 2];
            stream.write_all(b"hi").ok()?;
            stream.read_exact(&mut back).ok()?;
            Some(stream)
        });
        match connection {
            Some(stream) => served.push(stream),
            None => closed += 1,
        }
    }
    assert!(closed > 0 && !served.is_empty(), "{} served, {closed} closed", served.len());
    // The APIs need no thread for a client.
    try_api(field.api.0).unwrap();
    try_api(field.aux.0).unwrap();
    ingress.wait_for(1 << 20);
    tunnel.wait_for(1 << 20);
    let (up, down) = (ingress.finish(), tunnel.finish());
    let most = field.resources();

    let served_count = served.len();
    drop(served);
    let back = field.assert_back();
    field.odyn.wait_log("refused a connection, no thread for it");
    let after = field.settled(before);
    println!(
        "{LIMIT} threads, {HELD} connections: {served_count} served, {closed} closed; {up:?} and {down:?} meanwhile; back \
         after {back:?}; {before:?} before, {most:?} meanwhile, {after:?} after"
    );
    assert!(up.1 < Duration::from_secs(5) && down.1 < Duration::from_secs(5), "{up:?} {down:?}");
}
