//! The HTTP clients people use, as odyn's application, with nothing but the variables it sets: curl, Python's requests
//! and httpx, Node's undici, Go's net/http, Python's websockets. `tests/clients/` has the programs; each prints a JSON
//! line a case, and is counted, so that a part left out cannot hide.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::certificates::Certificates;
use crate::support::fake_host::FakeHost;
use crate::support::tools::{installed, program};
use crate::support::{Odyn, Port, TempDir};

/// A server of `tests/clients/`, for as long as its standard input is open.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(python: &Path, script: &str, args: &[&str]) -> Self {
        let mut child = Command::new(python)
            .arg("-B")
            .arg(client(script))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{script} said {line:?}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script)
}

/// The world as the clients see it: an origin over HTTP and over HTTPS, and a policy that allows just these.
struct World {
    plain: Server,
    tls: Server,
    dir: TempDir,
    ca: PathBuf,
}

impl World {
    fn start() -> Option<Self> {
        let python = installed("bin/python3")?;
        let dir = TempDir::new();
        let certificates = Certificates::new(&["host"]);
        let (cert, key) = (dir.write("cert.pem", &certificates.cert_pem), dir.write("key.pem", &certificates.key_pem));
        let ca = dir.write("ca.pem", &certificates.ca_pem);
        let plain = Server::start(&python, "origin.py", &[]);
        let tls = Server::start(&python, "origin.py", &["--tls", cert.to_str().unwrap(), key.to_str().unwrap()]);
        Some(Self { plain, tls, dir, ca })
    }

    /// `BASE HTTPS_BASE CA_FILE REFUSED`, as the HTTP clients take them.
    fn arguments(&self) -> Vec<String> {
        vec![
            format!("http://host:{}", self.plain.port),
            format!("https://host:{}", self.tls.port),
            self.ca.display().to_string(),
            "refused.test".to_owned(),
        ]
    }

    fn run(self, app: &[String]) -> String {
        let ports = [self.plain.port, self.tls.port];
        run_as_app(self.dir, &ports, app)
    }
}

/// Runs `app` under odyn, which lets it reach the name `host` at `ports`; returns its log when it ended with code 0.
fn run_as_app(dir: TempDir, ports: &[u16], app: &[String]) -> String {
    let proxy = Port::reserve();
    let allow: Vec<String> = ports.iter().map(|port| format!("host:{port}")).collect();
    let section = format!("egress:\n  proxy_port: {}\n  allow: {allow:?}\n", proxy.0);
    let _host = FakeHost::start(&dir.path().join("vsock"));
    let app: Vec<&str> = app.iter().map(String::as_str).collect();
    let odyn = Odyn::in_dir(dir, &section, &[], &app, |command| {
        // Python and Go find nothing else of the machine's own configuration either.
        command.env_remove("ALL_PROXY").env_remove("all_proxy");
    });
    let mut log = odyn.log_reader();
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut log, &mut text).unwrap();
    drop(log);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (status, _) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":0}"#, "{text}");
    text
}

fn assert_passed(log: &str, cases: usize) {
    let passed = log.matches("\"ok\": true").count() + log.matches("\"ok\":true").count();
    // The closing line is one more.
    assert_eq!(passed, cases + 1, "{log}");
}

fn python(script: &str) -> Option<Vec<String>> {
    let python = installed("bin/python3")?.display().to_string();
    Some(vec![python, "-B".into(), client(script).display().to_string()])
}

#[test]
fn requests_goes_through_the_proxy_variables_alone() {
    let (Some(app), Some(world)) = (python("requests_client.py"), World::start()) else { return };
    let arguments = world.arguments();
    assert_passed(&world.run(&[app, arguments].concat()), 18);
}

#[test]
fn httpx_goes_through_the_proxy_variables_alone() {
    let (Some(app), Some(world)) = (python("httpx_client.py"), World::start()) else { return };
    let arguments = world.arguments();
    assert_passed(&world.run(&[app, arguments].concat()), 18);
}

#[test]
fn undici_goes_through_the_proxy_variables_alone() {
    let (Some(node), Some(tools)) = (program("node"), installed("node_modules/undici")) else { return };
    let Some(world) = World::start() else { return };
    let mut app = vec![node.to_owned(), client("undici_client.mjs").display().to_string()];
    app.extend(world.arguments());
    app.push(tools.parent().and_then(Path::parent).unwrap().display().to_string());
    assert_passed(&world.run(&app), 16);
}

#[test]
fn go_goes_through_the_proxy_variables_alone() {
    let (Some(go), Some(world)) = (installed("bin/go_client"), World::start()) else { return };
    let app = [vec![go.display().to_string()], world.arguments()].concat();
    assert_passed(&world.run(&app), 20);
}

#[test]
fn websockets_are_tunnelled_and_upgraded() {
    let (Some(tunnelled), Some(upgraded)) = (python("websocket_client.py"), python("upgrade_client.py")) else {
        return;
    };
    let Some(world) = World::start() else { return };
    let echo = Server::start(&installed("bin/python3").unwrap(), "ws_echo.py", &[]);
    let tunnelled = [tunnelled, vec![format!("ws://host:{}/", echo.port), "refused.test".into()]].concat();
    assert_passed(&run_as_app(TempDir::new(), &[echo.port], &tunnelled), 2);
    let bases = [echo.port, world.plain.port].map(|port| format!("http://host:{port}"));
    let upgraded = [upgraded, bases.to_vec(), vec!["refused.test".into()]].concat();
    assert_passed(&run_as_app(TempDir::new(), &[echo.port, world.plain.port], &upgraded), 3);
}

#[test]
fn curl_gets_uploads_waits_for_continue_and_is_told_why_it_is_refused() {
    let (Some(_), Some(world)) = (program("curl"), World::start()) else { return };
    let body = world.dir.path().join("body");
    std::fs::write(&body, vec![b'x'; 3_000_000]).unwrap();
    let script = r#"
        set -e
        base=$1 tls=$2 ca=$3 refused=$4 body=$5
        hash=$(sha256sum < "$body" | cut -d' ' -f1)
        curl -sS --max-time 30 "$base/hello" "$base/hello" "$tls/hello" --cacert "$ca" > /dev/null; echo CASE get
        for url in "$base" "$tls"; do
            curl -sS --max-time 30 --cacert "$ca" --data-binary "@$body" "$url/echo-sha256" | grep -q "$hash"; echo CASE post
            curl -sS --max-time 30 --cacert "$ca" -T - "$url/echo-sha256" < "$body" | grep -q "$hash"; echo CASE chunked
            curl -sSv --max-time 30 --expect100-timeout 20 -H 'Expect: 100-continue' --cacert "$ca" \
                --data-binary "@$body" "$url/expect" 2>&1 >/dev/null | grep -q '100 Continue'; echo CASE continue
            curl -sSI --max-time 30 --cacert "$ca" "$url/hello" | grep -q '200'; echo CASE head
        done
        curl -sS --max-time 30 "http://$refused/" | grep -q '"error":"egress denied"'; echo CASE refused
        curl -sS --max-time 30 "https://$refused/" 2>&1 | grep -q 403 ; echo CASE refused-tunnel
    "#;
    let mut app: Vec<String> = ["/bin/sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    app.extend(world.arguments());
    app.push(body.display().to_string());
    let log = world.run(&app);
    assert_eq!(log.lines().filter(|line| line.starts_with("CASE ")).count(), 11, "{log}");
}
