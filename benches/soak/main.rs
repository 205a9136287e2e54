//! Everything at once, for as long as wanted: `scripts/soak.sh [MINUTES]`, or `cargo bench --bench soak -- [MINUTES]`.
//!
//! One real odyn and one real `odyn-host`, joined by UNIX sockets, are used in every way at the same time: see
//! [`KINDS`]. Answers are checked, not only counted. A run is rounds of up to a minute, each with a rest at its end,
//! when all clients but a few that stay have gone: descriptors and threads must be back then, memory must not have
//! grown, and the processor must have nothing to do. The first round is for warming up; its rest is what later ones are
//! held against. Then the application is told to end, and odyn must end with its status and leave nothing behind.
//!
//! Ends with 1 on any failure, growth or log line that nothing explains. $ODYN_BINARY is used in place of the odyn that
//! cargo built for this; what needs the clients of `scripts/test.sh` is left out, and named, where they are not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../../tests"]
#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
mod tests {
    pub mod support;
}

mod api;
mod app;
mod aws;
mod clients;
mod egress;
mod end;
mod http;
mod ingress;
mod log;
mod meter;
mod origin;
mod process;
mod stage;
mod stream;
mod tally;
mod tls;

use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::support;

use meter::Meter;
use stage::Stage;
use tally::{BEGUN, Kind, complain, complaints};

/// What happens at the same time: a name, how many do it, and one turn of it.
static KINDS: [Kind; 31] = [
    Kind::new("ingress: up", 1, ingress::up),
    Kind::new("ingress: down", 1, ingress::down),
    Kind::new("ingress: short connections", 2, ingress::short),
    Kind::new("ingress: conversations", 1, ingress::talk),
    Kind::new("ingress: half-closed by the application", 1, ingress::half_closed),
    Kind::new("ingress: clients that vanish", 1, ingress::vanish),
    Kind::new("ingress: idle for a round", 1, ingress::idle),
    Kind::new("ingress: held from first to last", 1, ingress::held),
    Kind::new("TLS: short connections", 1, ingress::tls::short),
    Kind::new("TLS: up and down", 1, ingress::tls::bulk),
    Kind::new("TLS: clients that vanish", 1, ingress::tls::vanish),
    Kind::new("egress: tunnels", 2, egress::tunnels),
    Kind::new("egress: forwarded requests", 2, egress::forwarded),
    Kind::new("egress: refused", 1, egress::refused),
    Kind::new("egress: upgraded", 1, egress::upgraded),
    Kind::new("egress: clients that vanish", 1, egress::vanish),
    Kind::new("API: addresses, keys, random", 1, api::small),
    Kind::new("API: signatures", 1, api::sign),
    Kind::new("API: attestation", 1, api::attest),
    Kind::new("API: encryption", 1, api::encrypt),
    Kind::new("API: bad requests", 1, api::bad),
    Kind::new("API: large requests", 1, api::large),
    Kind::new("KMS proxy", 2, aws::kms),
    Kind::new("KMS proxy: trouble", 1, aws::kms_trouble),
    Kind::new("S3 storage", 2, aws::s3),
    Kind::new("log: readers that come and go", 1, log::visit),
    Kind::new("log: readers that stall", 1, log::stall),
    Kind::new("status readers", 1, log::status),
    Kind::new("signals to the application", 1, process::signals),
    Kind::new("orphans", 1, process::orphans),
    Kind::new("lines of the application's", 1, process::lines),
];

/// Those that are other people's.
static CURL: Kind = Kind::new("curl", 1, clients::curl);
static PYTHON: Kind = Kind::new("requests, httpx, websockets", 1, clients::python);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // This program is the application, too.
        ["app", leash, ref ports @ ..] => {
            let ports: Vec<u16> = ports.iter().map(|port| port.parse().unwrap()).collect();
            app::run(leash.parse().unwrap(), &ports);
            return ExitCode::SUCCESS;
        }
        _ if !args.iter().any(|arg| arg == "--bench") => return ExitCode::SUCCESS,
        _ => {}
    }
    let minutes = args.iter().find(|arg| *arg != "--bench").map_or(Ok(30.0), |arg| arg.parse());
    let length = minutes.ok().and_then(|minutes: f64| Duration::try_from_secs_f64(minutes * 60.0).ok());
    let Some(length) = length.filter(|length| !length.is_zero()) else {
        eprintln!("soak: usage: soak [MINUTES]");
        return ExitCode::from(2);
    };
    support::raise_descriptor_limit(20_000);
    LazyLock::force(&BEGUN);
    run(length);
    match complaints() {
        0 => {
            println!("\nsoak: passed");
            ExitCode::SUCCESS
        }
        count => {
            println!("\nsoak: FAILED, {count} complaints");
            ExitCode::FAILURE
        }
    }
}

fn run(length: Duration) {
    let mut stage = Stage::set();
    let kinds = kinds(&stage);
    let build = if cfg!(debug_assertions) { "a development build" } else { "a release build" };
    println!(
        "soak: {} minutes of {} kinds of use; odyn is {} ({build} unless chosen), process {}",
        length.as_secs_f64() / 60.0,
        kinds.len(),
        support::odyn_binary().display(),
        stage.odyn.pid()
    );
    let reader = stage.odyn.log_reader();
    reader.set_read_timeout(None).unwrap();
    let follower = log::follow(reader);
    let mut meters = [Meter::new("odyn", stage.odyn.pid(), 0), Meter::new("odyn-host", stage.host.pid(), 1)];
    let round = (length / 6).clamp(Duration::from_secs(10), Duration::from_secs(60));
    let end = Instant::now() + length;
    let mut number = 0;
    while number < 2 || Instant::now() + round / 2 < end {
        let begun = Instant::now();
        let alive = play(&stage, &kinds, &mut meters, round.saturating_sub(Duration::from_secs(7)));
        if !alive {
            complain("odyn or odyn-host has ended in the middle of a round");
            break;
        }
        for meter in &mut meters {
            if let Err(e) = meter.rest() {
                complain(&e);
            }
        }
        for child in support::children(stage.odyn.pid()).iter().skip(1) {
            complain(&format!("process {child} is still odyn's child at rest"));
        }
        tell(number, begun, &kinds, &mut meters);
        number += 1;
    }
    println!();
    for meter in &meters {
        for (when, at) in
            [("start", 0), ("middle", meter.rests.len() / 2), ("end", meter.rests.len().saturating_sub(1))]
        {
            let Some(rest) = meter.rests.get(at) else { continue };
            println!("{:9} at rest, {when:6} {rest}", meter.name);
        }
        if let Err(e) = meter.growth() {
            complain(&e);
        }
    }
    println!();
    for kind in &kinds {
        println!("{:42} {:10} ok {:6} failed", kind.name, kind.ok(), kind.failed());
        if kind.ok() == 0 {
            complain(&format!("{}: nothing was done", kind.name));
        }
    }
    let (lines, lost) = (log::LINES.load(Ordering::Relaxed), log::LOST.load(Ordering::Relaxed));
    println!("{:42} {lines:10} checked, {lost} bytes dropped", "the application's lines, as one reader saw");
    if let Err(e) = end::of(&mut stage, follower) {
        complain(&format!("the end: {e}"));
    }
}

/// Those there are tools for.
fn kinds(stage: &Stage) -> Vec<&'static Kind> {
    let (python, curl) = clients::available();
    let mut kinds: Vec<&Kind> = KINDS.iter().collect();
    if stage.aws.is_none() {
        println!("soak: left out: KMS proxy and S3 storage, for want of the clients that scripts/test.sh installs");
        kinds.retain(|kind| !kind.name.starts_with("KMS") && !kind.name.starts_with("S3"));
    }
    for (there, kind) in [(curl, &CURL), (python, &PYTHON)] {
        if there {
            kinds.push(kind);
        } else {
            println!("soak: left out: {}", kind.name);
        }
    }
    kinds
}

/// One round without its rest. False when a process has ended.
fn play(stage: &Stage, kinds: &[&'static Kind], meters: &mut [Meter], length: Duration) -> bool {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        kinds.iter().for_each(|kind| kind.start(scope, stage, &over));
        let end = Instant::now() + length;
        let mut alive = true;
        while alive && Instant::now() < end {
            thread::sleep(Duration::from_millis(500).min(length));
            alive = meters.iter_mut().all(Meter::look);
        }
        over.store(true, Ordering::Relaxed);
        alive
    })
}

fn tell(number: usize, begun: Instant, kinds: &[&Kind], meters: &mut [Meter]) {
    let (ok, failed) = kinds.iter().fold((0, 0), |(ok, failed), kind| (ok + kind.ok(), failed + kind.failed()));
    let what = if number == 0 { ", warming up" } else { "" };
    println!(
        "{:7.1} s  round {number}{what} of {:.0} s: {ok} ok, {failed} failed so far, {} bytes of log dropped",
        BEGUN.elapsed().as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        log::LOST.load(Ordering::Relaxed)
    );
    for meter in meters {
        println!("           {:9} peak {}", meter.name, std::mem::take(&mut meter.peak));
        if let Some(rest) = meter.rests.last() {
            println!("           {:9} rest {rest}", meter.name);
        }
    }
}
