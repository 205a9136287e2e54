//! odyn's paths, beside a plain connection, HAProxy and socat in the same run: `scripts/bench.sh`, or
//! `cargo bench --bench traffic -- [GROUP...] [--rounds N] [--seconds S] [--plot FILE.svg]`.
//!
//! Clients and the application's end are the same code for everybody. The host side is a UNIX socket, as in hybrid vsock;
//! `odyn-host` is not in between. Contenders take turns within each round; a figure is the median of its rounds. A wait
//! that does not end is an error. $ODYN_BINARY is measured in place of the odyn that cargo built for this.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../../tests"]
#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
mod tests {
    pub mod support;
}

mod api;
mod app;
mod egress;
mod flows;
mod held;
mod kms;
mod table;
mod tls;
mod ways;

use std::time::Duration;

use tests::support;

use table::Table;

/// What is measured unless told.
const GROUPS: [&str; 7] = ["throughput", "ping", "connect", "egress", "held", "api", "tls"];

/// Takes long, or much memory, or clients that scripts/test.sh installs: only when asked for.
const MORE: [&str; 3] = ["kms", "grow", "log"];

/// How a run was asked for.
struct Run {
    groups: Vec<String>,
    /// How often each contender has its turn.
    rounds: usize,
    /// How long a turn takes.
    time: Duration,
    plot: Option<String>,
}

impl Run {
    fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut run = Self { groups: Vec::new(), rounds: 5, time: Duration::from_secs(1), plot: None };
        let mut args = args.filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => run.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
                "--seconds" => {
                    let seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?;
                    run.time = Duration::try_from_secs_f64(seconds).map_err(|e| format!("--seconds: {e}"))?;
                }
                "--plot" => run.plot = Some(value()?),
                group if GROUPS.contains(&group) || MORE.contains(&group) => run.groups.push(arg),
                _ => return Err(format!("{arg}: not one of {GROUPS:?}, {MORE:?}, --rounds, --seconds, --plot")),
            }
        }
        if run.rounds == 0 {
            return Err("--rounds: at least one".to_owned());
        }
        if run.groups.is_empty() {
            run.groups = GROUPS.map(str::to_owned).to_vec();
        }
        Ok(run)
    }
}

/// For this process and those it starts: root may go beyond what it was given.
fn raise_descriptor_limit() {
    let this = std::process::id().to_string();
    for limits in ["--nofile=60000:60000", "--nofile=20000:"] {
        let raised = std::process::Command::new("prlimit").args(["--pid", &this, limits]).output();
        if raised.is_ok_and(|output| output.status.success()) {
            return;
        }
    }
    eprintln!("traffic: may not have 20,000 descriptors: what holds many connections will fail");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // This program is the application, too, and the bare server: with processes of their own.
        ["app", port] => return app::listen(port.parse().unwrap()),
        ["bare", port, body] => return api::bare_server(port.parse().unwrap(), body),
        _ => {}
    }
    // `cargo test --benches` builds it, and has nothing to measure.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    let run = match Run::parse(args.into_iter()) {
        Ok(run) => run,
        Err(e) => {
            eprintln!("traffic: {e}");
            std::process::exit(2);
        }
    };
    raise_descriptor_limit();
    let mut table = Table::new();
    table.print_machine(run.rounds, run.time);
    for group in run.groups.clone() {
        match group.as_str() {
            "throughput" => flows::throughput(&run, &mut table),
            "ping" => flows::ping(&run, &mut table),
            "connect" => flows::connect(&run, &mut table),
            "egress" => egress::run(&run, &mut table),
            "held" => held::run(&mut table),
            "api" => api::run(&run, &mut table),
            "tls" => tls::run(&run, &mut table),
            "kms" => kms::run(&run),
            "grow" => held::grow(),
            _ => held::log(),
        }
    }
    if let Some(path) = &run.plot {
        std::fs::write(path, table.plot()).unwrap_or_else(|e| panic!("{path}: {e}"));
        println!("\nplot: {path}");
    }
}
