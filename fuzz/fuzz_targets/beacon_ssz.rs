//! Whatever a consensus RPC sends as SSZ is an object or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use odyn::config::value::Network;
use odyn::helios::consensus::ssz;
use odyn::helios::network::Spec;

static SPEC: LazyLock<Spec> = LazyLock::new(|| Spec { committee_size: 32, ..Spec::of(Network::Mainnet) });

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 5 {
        0 => drop(ssz::bootstrap(&SPEC, bytes)),
        1 => drop(ssz::update(&SPEC, bytes)),
        2 => drop(ssz::finality_update(&SPEC, bytes)),
        3 => drop(ssz::optimistic_update(&SPEC, bytes)),
        _ => drop(ssz::framed_updates(&SPEC, bytes, 4)),
    }
});
