//! TLS that ends in odyn, and in HAProxy: the same certificate, TLS 1.3 and AES-128-GCM with both.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Run;
use crate::flows::{down, rate, touch, up};
use crate::support::certificates::Certificates;
use crate::support::{Odyn, PREAMBLE, Port, TempDir, eventually};
use crate::table::{Goal, Table, Unit};
use crate::ways::{Stream, Way, haproxy};

const NAME: &str = "bench.example";

type TlsStream = StreamOwned<ClientConnection, Stream>;

pub fn run(run: &Run, table: &mut Table) {
    let (port, dir, certificates) = (Port::reserve(), TempDir::new(), Certificates::new(&[NAME]));
    certificates.write(dir.path(), port.0);
    let pem = dir.write("site.pem", &format!("{}{}", certificates.cert_pem, certificates.key_pem));
    let listen = dir.path().join("haproxy");
    let _haproxy = haproxy(&dir, &format!("bind unix@{} ssl crt {}", listen.display(), pem.display()), port.0);
    let manifest = format!(
        "{PREAMBLE}ingress:\n  - listen_port: {}\n    tls:\n      cert_file: cert.pem\n      key_file: key.pem\n",
        port.0
    );
    dir.write("enclaver.yaml", &manifest);
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let odyn = Odyn::with_manifest_in(dir, &[], &[&program, "app", &port.0.to_string()], |_| {});
    odyn.wait_running();
    eventually("the application listens", || Stream::tcp(port.0).ok());
    let config = client(&certificates);
    let ways = [Way::Odyn(odyn.vsock_path(), port.0), Way::Unix("HAProxy", listen)];
    for way in &ways {
        eventually(way.name(), || connect(way, &config).ok());
    }
    let goal = Goal { direct: None, haproxy: Some(1.0) };
    for (clients, name) in [(1, "TLS, 1 connection"), (8, "TLS, 8 connections")] {
        table.measure(&format!("{name} up"), Unit::MiB, run.rounds, &ways, goal, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| up(&mut connect(way, &config)?, finish, stop))
        });
        table.measure(&format!("{name} down"), Unit::MiB, run.rounds, &ways, goal, |way: &Way| {
            rate(clients, run.time, way.name(), |stop: &AtomicBool| down(&mut connect(way, &config)?, stop))
        });
    }
    let name = "TLS: handshake, 1 byte, close (8 clients)";
    table.measure(name, Unit::PerSecond, run.rounds, &ways, goal, |way: &Way| {
        rate(8, run.time, way.name(), |stop: &AtomicBool| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                touch(&mut connect(way, &config)?)?;
                count += 1;
            }
            Ok(count)
        })
    });
}

fn client(certificates: &Certificates) -> Arc<ClientConfig> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn connect(way: &Way, config: &Arc<ClientConfig>) -> io::Result<TlsStream> {
    let name = ServerName::try_from(NAME).unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, way.connect()?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn finish(stream: &mut TlsStream) -> io::Result<()> {
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.finish()?;
    stream.read(&mut []).map(drop)
}
