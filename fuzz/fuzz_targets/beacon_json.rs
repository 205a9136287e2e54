//! Whatever a consensus RPC sends as JSON is an object or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use odyn::config::value::Network;
use odyn::helios::consensus::json;
use odyn::helios::network::Spec;

static SPEC: LazyLock<Spec> = LazyLock::new(|| Spec { committee_size: 4, ..Spec::of(Network::Mainnet) });

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 5 {
        0 => drop(json::bootstrap(&SPEC, bytes)),
        1 => drop(json::updates(&SPEC, bytes, 4)),
        2 => drop(json::finality_update(&SPEC, bytes)),
        3 => drop(json::optimistic_update(&SPEC, bytes)),
        _ => drop(json::block_root(bytes)),
    }
});
