//! The light client as odyn runs it: found beside odyn, reaching out through the egress proxy, back when it was killed.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::support::proc::{children, status_field};
use crate::support::{PREAMBLE, Port, TempDir, eventually, is_root, signal};

/// `odyn-host local`, whose host side connects to the fake servers as `host`.
struct Local {
    child: Child,
    dir: TempDir,
    rpc: Port,
    _egress: Port,
}

impl Local {
    fn start(fake: &Fake) -> Self {
        let (dir, rpc, egress) = (TempDir::new(), Port::reserve(), Port::reserve());
        let host = |url: String| url.replace("127.0.0.1", "host");
        let manifest = format!(
            "{PREAMBLE}egress:\n  proxy_port: {}\n  allow: [host]\nhelios_rpc:\n  enabled: true\n  listen_port: {}\n  \
             network: mainnet\n  execution_rpc: {}\n  consensus_rpc: {}\n  checkpoint: {}\n",
            egress.0,
            rpc.0,
            host(fake.execution.url()),
            host(fake.beacon.url()),
            alloy_primitives::B256::new(fake.chain.checkpoint()),
        );
        let manifest = dir.write("enclaver.yaml", &manifest);
        let child = Command::new(env!("CARGO_BIN_EXE_odyn-host"))
            .args(["local", "--config"])
            .arg(manifest)
            .args(["--", "/bin/sleep", "1000"])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(dir.path().join("out")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, dir, rpc, _egress: egress }
    }

    fn ask(&self, method: &str) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] }).to_string();
        let url = format!("http://127.0.0.1:{}", self.rpc.0);
        let mut answer = eventually("it answers", || ureq::post(&url).send(&body).ok());
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The light client's process.
    fn helios(&self) -> i32 {
        let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let odyn = || children(self.child.id().cast_signed()).into_iter().find(|pid| name(pid).trim() == "odyn");
        eventually("the light client runs", || {
            children(odyn()?).into_iter().find(|pid| name(pid).trim() == "odyn-helios")
        })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out")).unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        signal(self.child.id().cast_signed(), "INT");
        eventually("odyn-host ends", || self.child.try_wait().unwrap());
    }
}

#[test]
fn under_odyn_it_reaches_its_servers_through_egress_and_is_back_when_killed() {
    let fake = Fake::start();
    let local = Local::start(&fake);
    assert_eq!(local.ask("eth_chainId")["result"], "0x1");
    let asked = |times| {
        eventually("the checkpoint is asked for", || (fake.beacon.counter().of("bootstrap") >= times).then_some(()));
    };
    asked(1);
    // The generated chain is not mainnet.
    eventually("the log says what is wrong", || local.log().contains(" odyn WARN light client: ").then_some(()));
    assert!(local.log().contains("egress decision=allowed method=CONNECT host=host"), "{}", local.log());

    let first = local.helios();
    let user = status_field(first, "Uid");
    assert!(!is_root() || user.split_whitespace().all(|uid| uid == "65534"), "{user}");
    assert_eq!((status_field(first, "Seccomp"), status_field(first, "NoNewPrivs")), ("2".into(), "1".into()));
    signal(first, "KILL");
    // Not refused: it waits for the next process.
    assert_eq!(local.ask("eth_chainId")["result"], "0x1");
    assert_ne!(local.helios(), first);
    asked(2);
    assert!(
        local.log().contains("the light client was killed by SIGKILL; it is started again in 1s"),
        "{}",
        local.log()
    );
}
