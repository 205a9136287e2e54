//! The README's snippets run as they stand there, so that they cannot go out of date.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::clients::{node_tools, run, url};
use super::{Apis, Connection};
use crate::support::tools::{installed, program};
use crate::support::{Odyn, Port, TempDir, eventually};

const CALLING: &str = "Calling the API";

/// The only block of code in this language below this heading.
pub fn snippet(heading: &str, language: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split(&format!("\n### {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n### ").next().unwrap();
    let blocks: Vec<&str> = section.split(&format!("\n```{language}\n")).skip(1).collect();
    let [block] = blocks[..] else { panic!("{} blocks of {language} below {heading}", blocks.len()) };
    format!("{}\n", block.split_once("\n```\n").unwrap().0)
}

#[test]
fn the_readmes_curl_snippet_runs_and_its_document_verifies() {
    let Some(_) = program("curl") else { return };
    let dir = TempDir::new();
    let root = dir.path().join("root.pem").display().to_string();
    let apis = Apis::with_flags(&["--sim-root", &root]);
    let mut sh = Command::new("/bin/sh");
    let output = run(sh.args(["-ec", &snippet(CALLING, "sh")]).env("ODYN_API_URL", url(&apis)).current_dir(dir.path()));
    let answers: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [address, message, transaction] = &answers[..] else { panic!("{output}") };
    assert!(message["attestation"].is_string() && transaction["raw_transaction"].is_string(), "{output}");
    for answer in [message, transaction] {
        assert_eq!(answer["address"], address["address"]);
    }
    let mut verify = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
    verify.args(["verify", "--doc", "document.cbor", "--nonce", "00010203", "--root", &root]);
    let claims: Value = serde_json::from_str(&run(verify.current_dir(dir.path()))).unwrap();
    assert_eq!(format!("0x{}", claims["public_key"].as_str().unwrap()), public_key(apis.port.0));
}

fn public_key(port: u16) -> String {
    let key = Connection::to(port).ask("GET", "/v1/encryption/public_key", b"").ok();
    key["public_key_der"].as_str().unwrap().to_owned()
}

/// Before the page's script in Node: its paths are relative to where it came from, and Node 18 keeps `crypto` elsewhere.
const BROWSER: &str = "import { webcrypto } from 'node:crypto';
globalThis.crypto ??= webcrypto;
const node = { fetch, origin: process.argv[2] };
globalThis.fetch = (path, options) => node.fetch(new URL(path, node.origin), options);
";

/// The README's application under odyn and the README's page in Node, which has the same WebCrypto.
#[test]
fn the_readmes_page_and_application_exchange_an_encrypted_message() {
    let (Some(tools), Some(python)) = (node_tools("cborg"), installed("bin/python3")) else { return };
    let dir = TempDir::new();
    let application = dir.write("application.py", &snippet(CALLING, "python"));
    let key = "console.log(`0x${hex(claims.get('public_key'))}`);\n";
    let page = dir.write("page.mjs", &format!("{BROWSER}{}{key}", snippet(CALLING, "js")));
    symlink(tools.join("node_modules"), dir.path().join("node_modules")).unwrap();

    let (api, aux, app) = (Port::reserve(), Port::reserve(), Port::reserve());
    let sections = format!("api:\n  listen_port: {}\naux_api:\n  listen_port: {}\n", api.0, aux.0);
    let command = [python.to_str().unwrap(), "-B", application.to_str().unwrap()];
    let port = app.0.to_string();
    let odyn = Odyn::with(&sections, &[], &command, |odyn| _ = odyn.env("PORT", &port));
    odyn.wait_running();
    eventually("the application listens", || std::net::TcpStream::connect(("127.0.0.1", app.0)).ok());
    let output = run(Command::new("node").arg(page).arg(format!("http://127.0.0.1:{port}")));
    assert_eq!(output, format!("you said: hello\n{}\n", public_key(api.0)), "{}", odyn.log());
}
