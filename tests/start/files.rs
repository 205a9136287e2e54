//! Files that are missing or wrong, ports that are taken.

use std::fs;

use super::{fatal, fatal_with};
use crate::support::certificates::Certificates;
use crate::support::{Odyn, Port, TempDir};

#[test]
fn a_bad_manifest_is_told_on_the_default_ports_with_file_line_and_field() {
    // The preamble has five lines, and the ports asked for are not used: who wrote this may have meant anything.
    let odyn = Odyn::script("bogus: 1\nvsock_ports:\n  status_port: 18000\n", "echo started");
    let file = odyn.dir.path().join("enclaver.yaml");
    let (error, code) = fatal(odyn);
    assert!(error.starts_with(&format!("{}:6: ", file.display())), "{error}");
    assert!(error.contains("bogus"), "{error}");
    assert_eq!(code, 2);
}

#[test]
fn a_manifest_that_is_no_yaml_is_told() {
    let (error, code) = fatal_with("egress: [\n");
    assert!(error.contains("enclaver.yaml:"), "{error}");
    assert_eq!(code, 2);
}

#[test]
fn a_missing_manifest_is_told_with_the_path_where_it_should_be() {
    let dir = TempDir::new();
    let file = dir.path().join("enclaver.yaml");
    let (error, code) = fatal(Odyn::with_manifest_in(dir, &[], &["/bin/true"], |_| {}));
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    assert!(error.contains("No such file"), "{error}");
    assert_eq!(code, 2);
}

#[test]
fn status_and_log_are_served_where_the_manifest_says() {
    let odyn =
        Odyn::script("vsock_ports:\n  status_port: 18000\n  app_log_port: 18001\n", "echo hello; exec sleep 1000");
    let mut line = [0; 21];
    std::io::Read::read_exact(&mut odyn.connect(18000), &mut line).unwrap();
    assert_eq!(&line, b"{\"status\":\"running\"}\n");
    assert!(odyn.try_connect(18001).is_some());
    assert!(odyn.try_connect(17000).is_none() && odyn.try_connect(17001).is_none());
}

/// An ingress port with TLS, and its folder of files.
fn tls_fatal(prepare: impl FnOnce(&TempDir, u16)) -> String {
    let port = Port::reserve();
    let dir = TempDir::new();
    Certificates::new(&["localhost"]).write(dir.path(), port.0);
    prepare(&dir, port.0);
    let sections = format!("ingress:\n  - listen_port: {}\n    tls: {{}}\n", port.0);
    let (error, code) = fatal(Odyn::in_dir(dir, &sections, &[], &["/bin/true"], |_| {}));
    assert_eq!(code, 2, "{error}");
    error
}

fn file(dir: &TempDir, port: u16, name: &str) -> std::path::PathBuf {
    dir.path().join(format!("tls/server/{port}/{name}"))
}

#[test]
fn missing_tls_files_are_named() {
    for name in ["cert.pem", "key.pem"] {
        let error = tls_fatal(|dir, port| fs::remove_file(file(dir, port, name)).unwrap());
        assert!(error.contains(&format!("/{name}: No such file")), "{error}");
    }
}

#[test]
fn tls_files_that_hold_something_else_are_named() {
    for name in ["cert.pem", "key.pem"] {
        for garbage in ["", "not PEM at all\n", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            let error = tls_fatal(|dir, port| fs::write(file(dir, port, name), garbage).unwrap());
            assert!(error.contains(&format!("/{name} ")), "{error}");
        }
    }
    // Each in the other's place.
    let error = tls_fatal(|dir, port| {
        fs::copy(file(dir, port, "key.pem"), file(dir, port, "cert.pem")).unwrap();
    });
    assert!(error.contains("/cert.pem holds no certificate"), "{error}");
    let error = tls_fatal(|dir, port| {
        fs::copy(file(dir, port, "cert.pem"), file(dir, port, "key.pem")).unwrap();
    });
    assert!(error.contains("/key.pem holds no private key"), "{error}");
}

#[test]
fn a_certificate_and_the_key_of_another_are_both_named() {
    let error =
        tls_fatal(|dir, port| fs::write(file(dir, port, "key.pem"), Certificates::new(&["x"]).key_pem).unwrap());
    assert!(error.contains("/cert.pem and ") && error.contains("/key.pem cannot be used together"), "{error}");
}

#[test]
fn an_egress_proxy_port_that_is_taken_is_named() {
    let port = Port::reserve();
    let _taken = port.listen();
    let (error, code) = fatal_with(&format!("egress:\n  proxy_port: {}\n  allow: [example.com]\n", port.0));
    assert!(error.starts_with(&format!("cannot listen on port {} for egress proxy: ", port.0)), "{error}");
    assert_eq!(code, 1);
}

#[test]
fn a_vsock_path_that_cannot_be_is_told_at_once_since_nobody_can_ask() {
    let begun = std::time::Instant::now();
    let mut odyn = Odyn::with("", &["--vsock", "uds:/no/such/folder/vsock"], &["/bin/true"], |_| {});
    let reason = super::failure(odyn.child.stderr.as_mut().unwrap());
    assert!(reason.starts_with("--vsock uds:/no/such/folder/vsock: "), "{reason}");
    assert_eq!(odyn.wait().code(), Some(1));
    assert!(begun.elapsed().as_secs() < 20, "waited {:?} for a host that cannot come", begun.elapsed());
}

#[test]
fn a_second_odyn_does_not_take_the_sockets_of_the_first() {
    let first = Odyn::start("", &["/bin/sleep", "1000"]);
    first.wait_running();
    let vsock = format!("uds:{}", first.vsock_path().display());
    let mut second = Odyn::with("", &["--vsock", &vsock], &["/bin/true"], |_| {});
    let reason = super::failure(second.child.stderr.as_mut().unwrap());
    assert!(reason.starts_with(&format!("--vsock {vsock}: ")), "{reason}");
    assert_eq!(second.wait().code(), Some(1));
    first.wait_running();
}
