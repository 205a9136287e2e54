//! The OpenAPI files in `enclave/` say what a running odyn does, no less and no more.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_yaml::Value;

use super::{Apis, Connection};
use crate::support::TempDir;
use crate::support::tools::installed;

/// The files' names, with the number of operations in each: a check that finds none has found nothing.
const FILES: [(&str, usize); 2] = [("openapi.yaml", 12), ("openapi-aux.yaml", 3)];

fn path_of(file: &str) -> String {
    format!("{}/enclave/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(path_of(file)).unwrap()).unwrap()
}

/// Path and method of every operation. A path may be taken whole from the internal API's file.
fn documented(file: &str) -> BTreeSet<(String, String)> {
    let (document, internal) = (read(file), read(FILES[0].0));
    let mut found = BTreeSet::new();
    for (path, mut item) in document["paths"].as_mapping().unwrap() {
        let path = path.as_str().unwrap();
        if let Some(reference) = item.get("$ref") {
            assert_eq!(reference.as_str().unwrap(), format!("openapi.yaml#/paths/{}", path.replace('/', "~1")));
            item = &internal["paths"][path];
        }
        for method in item.as_mapping().unwrap().keys() {
            found.insert((path.to_owned(), method.as_str().unwrap().to_ascii_uppercase()));
        }
    }
    found
}

/// Path and method of everything a port serves, of all the paths that src/api/route.rs names.
fn served(port: u16) -> BTreeSet<(String, String)> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/route.rs")).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap();
    let mut found = BTreeSet::new();
    for path in source.split('"').filter(|text| text.starts_with("/v1/")) {
        let answer = Connection::to(port).ask("BREW", path, b"");
        assert!(matches!(answer.status, 404 | 405), "{path}: {answer:?}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
            let status = Connection::to(port).ask(method, path, b"").status;
            found.extend((!matches!(status, 404 | 405)).then(|| (path.to_owned(), method.to_owned())));
        }
    }
    found
}

#[test]
fn the_openapi_files_have_every_path_and_method_of_their_port_and_no_other() {
    let apis = Apis::start();
    for ((file, count), port) in FILES.into_iter().zip([apis.port.0, apis.aux.0]) {
        assert_eq!(documented(file), served(port), "{file}");
        assert_eq!(documented(file).len(), count, "{file}");
    }
}

#[test]
fn the_openapi_files_are_openapi() {
    let Some(validator) = installed("bin/openapi-spec-validator") else { return };
    let output = Command::new(validator).args(FILES.map(|(file, _)| path_of(file))).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn schemathesis_meets_nothing_undocumented_on_either_port() {
    let Some(schemathesis) = installed("bin/st") else { return };
    let apis = Apis::start();
    // It leaves a folder of its own where it runs.
    let dirs = FILES.map(|_| TempDir::new());
    let ports = [apis.port.0, apis.aux.0];
    let runs = [0, 1].map(|at| start(&schemathesis, FILES[at].0, ports[at], dirs[at].path()));
    for (run, (file, count)) in runs.into_iter().zip(FILES) {
        let output = run.wait_with_output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{file}: {said}");
        assert!(said.contains(&format!("Tested: {count}")), "{file}: {said}");
    }
    // It is still all there.
    apis.get("/v1/eth/address").ok();
}

/// What is checked, with how many requests and from which seed, is in tests/clients/schemathesis.toml.
fn start(schemathesis: &Path, file: &str, port: u16, dir: &Path) -> std::process::Child {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schemathesis.toml");
    let mut command = Command::new(schemathesis);
    command.args(["--config-file", config, "run", &path_of(file), "--url", &format!("http://127.0.0.1:{port}")]);
    if file == FILES[1].0 {
        // There everything else is a 404 (contract section 8).
        command.args(["--exclude-checks", "unsupported_method,allow_header_conformance"]);
    }
    command.current_dir(dir).env("NO_PROXY", "*").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
