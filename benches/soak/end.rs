//! The end: the application ends, odyn with its status, and nothing of both is left.

use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use crate::app::STATUS;
use crate::log::ENDED;
use crate::stage::{Stage, is_free};
use crate::support::{descendants, stat};
use crate::tally::{Outcome, ensure, eventually};

/// Tells the application to end, which leaves two processes behind, one of which does not want to go.
pub fn of(stage: &mut Stage, follower: JoinHandle<()>) -> Outcome<()> {
    let left = stage.answer("leave")?;
    let mut pids: Vec<i32> = left.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    ensure(pids.len() == 2, || format!("left behind: {left:?}"))?;
    pids.extend(descendants(stage.odyn.pid()));
    pids.push(stage.odyn.pid());
    stage.held.lock().unwrap().clear();
    let mut status = stage.odyn.connect(17000);
    let status = thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut status, &mut text).map(|_| text)
    });
    stage.odyn.signal("TERM");
    let exit = eventually("odyn ends", || stage.odyn.child.try_wait().unwrap())?;
    ensure(exit.code() == Some(STATUS), || format!("odyn ended with {exit}, not {STATUS}"))?;
    let status = status.join().map_err(|_| "the reader of the status panicked")?.map_err(|e| e.to_string())?;
    let last = status.lines().last().unwrap_or_default();
    ensure(last == format!("{{\"status\":\"exited\",\"code\":{STATUS}}}"), || format!("the last status is {last}"))?;
    follower.join().map_err(|_| "the reader of the log panicked")?;
    ensure(ENDED.load(Ordering::Relaxed), || "the log ended without the application's last line".to_owned())?;
    let host = stage.host.finish()?;
    ensure(host.code() == Some(STATUS), || format!("odyn-host ended with {host}, not {STATUS}"))?;
    for pid in pids {
        ensure(stat(pid).is_none(), || format!("process {pid} is left: {:?}", stat(pid)))?;
    }
    ensure(!stage.odyn.vsock_path().exists(), || "its socket is left".to_owned())?;
    let ports = [&stage.plain, &stage.published, &stage.proxy, &stage.api, &stage.aux, &stage.kms, &stage.tls.port];
    for port in ports {
        ensure(is_free(port.0), || format!("port {} is not free", port.0))?;
    }
    let said = stage.odyn.stderr();
    ensure(!said.contains("panicked") && !said.contains(" ERROR "), || said)?;
    println!("\nThe application ended with {STATUS}, and so did odyn and odyn-host; nothing is left.");
    Ok(())
}
