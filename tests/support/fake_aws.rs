//! `fake_aws.py`, which stands in for AWS, and odyn with a KMS proxy in front of it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::connection::Connection;
use super::fake_host::FakeHost;
use super::tools::{installed, program};
use super::{Odyn, Port, TempDir};

/// The fake AWS, for as long as its standard input is open.
pub struct FakeAws {
    child: Child,
    pub port: u16,
}

impl FakeAws {
    /// Believes the attestation root in the file `root`, which may come later. `None`, with a note, without its tools.
    pub fn start(root: &Path) -> Option<Self> {
        let (python, _) = (installed("bin/python3")?, program("openssl")?);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_aws.py");
        let mut command = Command::new(python);
        command.arg("-B").arg(script).arg(root).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok());
        Some(Self { child, port: port.unwrap_or_else(|| panic!("fake_aws.py said {line:?}")) })
    }

    /// What `control` in `fake_aws.py` answers.
    pub fn control(&self, name: &str, body: &str) -> Value {
        Connection::to(self.port).ask("POST", &format!("/control/{name}"), body.as_bytes()).ok()
    }

    /// Asserts that none of the secrets that went through the fake AWS is in `log`.
    pub fn assert_no_secret_in(&self, log: &str) {
        let state = self.control("state", "{}");
        let secrets = state["secrets"].as_array().unwrap();
        assert!(secrets.len() > 3, "{secrets:?}");
        for secret in secrets.iter().map(|secret| secret.as_str().unwrap()).filter(|secret| secret.len() >= 8) {
            assert!(!log.contains(secret), "{secret}");
        }
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// odyn with a KMS proxy before a fake AWS.
pub struct KmsOdyn {
    pub aws: FakeAws,
    pub odyn: Odyn,
    pub port: Port,
    _host: FakeHost,
}

impl KmsOdyn {
    /// Runs `app` with nothing in its environment that says anything of AWS but what odyn sets, and where the metadata
    /// service is, which odyn is told too. odyn logs all it can.
    pub fn start(app: &[&str]) -> Option<Self> {
        let dir = TempDir::new();
        let root = dir.path().join("root.pem");
        let aws = FakeAws::start(&root)?;
        let (port, egress) = (Port::reserve(), Port::reserve());
        let at = |name: &str| format!("http://{name}.test:{}", aws.port);
        let sections = format!(
            "egress:\n  proxy_port: {}\n  allow: [169.254.169.254, \"**.test\"]\nkms_proxy:\n  listen_port: {}\n  \
             endpoints:\n    us-east-1: {}\n    eu-west-1: {}\n",
            egress.0,
            port.0,
            at("kms.us-east-1"),
            at("kms.eu-west-1")
        );
        let host = FakeHost::start(&dir.path().join("vsock"));
        let flags = ["-vvv", "--sim-root", root.to_str().unwrap()];
        let odyn = Odyn::in_dir(dir, &sections, &flags, app, |command| {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            for name in names.filter(|name| name.starts_with("AWS_")) {
                command.env_remove(name);
            }
            command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", at("imds"));
        });
        Some(Self { aws, odyn, port, _host: host })
    }

    /// Waits for the application's end, with code 0, and returns the whole log.
    pub fn finish(self) -> (FakeAws, String) {
        let mut log = Vec::new();
        self.odyn.log_reader().read_to_end(&mut log).unwrap();
        let log = String::from_utf8_lossy(&log).into_owned();
        let (status, _) = self.odyn.finish();
        assert_eq!(status, r#"{"status":"exited","code":0}"#, "{log}");
        (self.aws, log)
    }
}
