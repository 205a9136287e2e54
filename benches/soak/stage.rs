//! Everything that takes part: odyn with its application, `odyn-host` at the other end, and the world behind that.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use odyn::host::verify::chain::Root;
use odyn::host::verify::fetch;

use crate::aws::Moto;
use crate::log;
use crate::stream::Stream;
use crate::support::certificates::Certificates;
use crate::support::fake_aws::FakeAws;
use crate::support::{Odyn, PREAMBLE, Port, TempDir, eventually};
use crate::tally::{Outcome, complain, ensure};
use crate::tls::{NAME, Tls};
use crate::{app, origin};

/// The fake AWS, where its Python is installed.
pub struct Aws {
    pub fake: FakeAws,
    _moto: Moto,
}

pub struct Stage {
    pub odyn: Odyn,
    pub host: Host,
    pub tls: Tls,
    /// Where the application listens, and where `odyn-host` publishes that.
    pub plain: Port,
    pub published: Port,
    pub proxy: Port,
    pub api: Port,
    pub aux: Port,
    pub kms: Port,
    /// The world: what speaks as the application does, an HTTP server, and nobody.
    pub far: Port,
    pub origin: Port,
    pub nobody: Port,
    pub aws: Option<Aws>,
    pub root: Root,
    /// Connections that last from the first round to the last.
    pub held: Mutex<Vec<Stream>>,
}

impl Stage {
    pub fn set() -> Self {
        let [plain, published, proxy, api, aux, kms, far, origin, nobody] = std::array::from_fn(|_| Port::reserve());
        let (dir, certificates) = (TempDir::new(), Certificates::new(&[NAME]));
        let tls = Tls::new(&certificates);
        certificates.write(dir.path(), tls.port.0);
        let root = dir.path().join("root.pem");
        let aws = FakeAws::start(&root).zip(Moto::start()).map(|(fake, _moto)| Aws { fake, _moto });
        let mut manifest = format!(
            "{PREAMBLE}ingress:\n  - listen_port: {}\n  - listen_port: {}\n    tls:\n      cert_file: cert.pem\n      \
             key_file: key.pem\negress:\n  proxy_port: {}\n  allow: [host, 169.254.169.254]\napi:\n  listen_port: {}\naux_api:\n  \
             listen_port: {}\n",
            plain.0, tls.port.0, proxy.0, api.0, aux.0
        );
        if let Some(aws) = &aws {
            // Credentials that have to be renewed every ten seconds.
            aws.fake.control("set", r#"{"lifetime": 310}"#);
            manifest += &format!(
                "kms_proxy:\n  listen_port: {}\n  endpoints:\n    us-east-1: http://host:{}\nstorage:\n  s3:\n    \
                 enabled: true\n    bucket: bucket\n    prefix: soak\n    endpoint: http://host:{}\n",
                kms.0, aws.fake.port, aws._moto.port.0
            );
        }
        dir.write("enclaver.yaml", &manifest);
        let host = Host::start(&dir, &[(&published, &plain), (&tls.published, &tls.port)]);
        let far_end = far.listen();
        thread::spawn(move || app::listen(&far_end));
        origin::listen(origin.listen());
        let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let ports = [far.0, plain.0, tls.port.0].map(|port| port.to_string());
        let command = [&program, "app", &ports[0], &ports[1], &ports[2]].map(|word| word as &str);
        let odyn = Odyn::with_manifest_in(dir, &["--sim-root", root.to_str().unwrap()], &command, |command| {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            for name in names.filter(|name| name.starts_with("AWS_")) {
                command.env_remove(name);
            }
            // glibc's arenas, one for each few threads, keep ten MiB of a peak between them; the odyn of a release, with musl,
            // has none.
            command.env("MALLOC_ARENA_MAX", "1");
            if let Some(aws) = &aws {
                command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://host:{}", aws.fake.port));
            }
        });
        odyn.wait_running();
        for port in [published.0, tls.published.0] {
            eventually("odyn-host publishes a port", || Stream::tcp(port).ok());
        }
        let root = Root::chosen(&fetch::root(&root).unwrap());
        let held = Mutex::default();
        Self { odyn, host, tls, plain, published, proxy, api, aux, kms, far, origin, nobody, aws, root, held }
    }

    /// What the application says to an order, from beside odyn.
    pub fn answer(&self, order: &str) -> Outcome<String> {
        let failed = |e: std::io::Error| format!("{order}: {e}");
        let mut stream = Stream::tcp(self.plain.0).map_err(failed)?;
        std::io::Write::write_all(&mut stream, format!("{order}\n").as_bytes()).map_err(failed)?;
        std::io::read_to_string(stream).map_err(failed)
    }

    /// The same, of a line.
    pub fn order(&self, order: &str) -> Outcome<String> {
        let said = self.answer(order)?;
        Ok(said.strip_suffix('\n').ok_or_else(|| format!("{order}: {said:?}"))?.to_owned())
    }

    /// Until a round is over.
    pub fn wait_over(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `odyn-host run`.
pub struct Host {
    child: Child,
    said: Vec<JoinHandle<()>>,
}

impl Host {
    fn start(dir: &TempDir, publish: &[(&Port, &Port)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        command.args(["run", "--config"]).arg(dir.path().join("enclaver.yaml"));
        command.arg("--vsock").arg(crate::support::uds(dir.path()));
        for (outside, inside) in publish {
            command.args(["-p", &format!("{}:{}", outside.0, inside.0)]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (log, own) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, said: vec![thread::spawn(move || printed(log)), thread::spawn(move || told(own))] }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, and reads what it said to its end.
    pub fn finish(&mut self) -> Outcome<ExitStatus> {
        let status = crate::tally::eventually("odyn-host ends", || self.ended())?;
        for reader in self.said.drain(..) {
            ensure(reader.join().is_ok(), || "a reader of odyn-host panicked".to_owned())?;
        }
        Ok(status)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The enclave's log, which ends with the application's goodbye or odyn's own lines behind it.
fn printed(log: impl Read) {
    let (mut log, mut last) = (BufReader::new(log), Vec::new());
    loop {
        let mut line = Vec::new();
        match log.read_until(b'\n', &mut line) {
            Ok(1..) => last = line,
            _ => break,
        }
        // What the other reader may have missed.
        if String::from_utf8_lossy(&last).contains(" panicked at ") {
            complain(&format!("odyn-host printed {:?}", String::from_utf8_lossy(&last)));
        }
    }
    if !last.ends_with(b"\n") {
        complain(&format!("odyn-host printed a log that ends in {:?}", String::from_utf8_lossy(&last)));
    }
}

/// Its own lines.
fn told(lines: impl Read) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let logged = [" INFO ", " WARN ", " ERROR "].iter().any(|level| line.contains(level));
        if logged && let Err(e) = log::odyns_own(&line) {
            complain(&format!("odyn-host said {e}"));
        }
    }
}

/// Whether nobody listens there any more.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
