//! Whatever stands in `enclaver.yaml`, it is a manifest whose fields fit together, or an error that names the file.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use odyn::config::manifest::Manifest;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Manifest::parse("fuzzed.yaml", text) {
        Err(error) => assert!(error.to_string().contains("fuzzed.yaml"), "{error}"),
        Ok(manifest) => check(&manifest),
    }
});

/// What later modules rely on.
fn check(manifest: &Manifest) {
    let needs_egress = manifest.kms_proxy.is_some() || manifest.storage.is_some() || manifest.helios.is_some();
    assert!(!needs_egress || manifest.egress.is_some());
    assert_eq!(manifest.api.is_some(), manifest.aux_api.is_some());
    if let Some(storage) = &manifest.storage {
        assert!(storage.prefix.is_empty() || storage.prefix.ends_with('/') && !storage.prefix.starts_with('/'));
    }
    // On the enclave's loopback, each of these listens or is the application's.
    let ingress = manifest.ingress.iter().map(|ingress| ingress.port);
    let own = [
        manifest.egress.as_ref().map(|egress| egress.proxy_port),
        manifest.api,
        manifest.aux_api,
        manifest.kms_proxy.as_ref().map(|kms| kms.port),
        manifest.helios.as_ref().map(|helios| helios.port),
    ];
    let ports: Vec<u16> = ingress.chain(own.into_iter().flatten()).map(|port| port.number()).collect();
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len(), "{ports:?}");
}
