use super::*;

const ALL: [Network; 4] = [Network::Mainnet, Network::Sepolia, Network::Holesky, Network::Hoodi];

#[test]
fn versions_are_those_of_the_networks_own_configuration() {
    let versions = |network| {
        let spec = Spec::of(network);
        [spec.genesis, spec.altair.version, spec.deneb.version, spec.fulu.version].map(u32::from_be_bytes)
    };
    assert_eq!(versions(Network::Mainnet), [0, 0x0100_0000, 0x0400_0000, 0x0600_0000]);
    assert_eq!(versions(Network::Sepolia), [0x9000_0069, 0x9000_0070, 0x9000_0073, 0x9000_0075]);
    assert_eq!(versions(Network::Holesky), [0x0101_7000, 0x0201_7000, 0x0501_7000, 0x0701_7000]);
    assert_eq!(versions(Network::Hoodi), [0x1000_0910, 0x2000_0910, 0x5000_0910, 0x7000_0910]);
}

#[test]
fn forks_and_blob_prices_are_in_order_everywhere() {
    for network in ALL {
        let spec = Spec::of(network);
        let forks = [spec.altair, spec.bellatrix, spec.capella, spec.deneb, spec.electra, spec.fulu];
        assert!(forks.is_sorted_by_key(|fork| fork.epoch), "{}", spec.name);
        assert!(spec.blob_schedule.is_sorted(), "{}", spec.name);
        assert!(spec.blob_schedule.iter().all(|(time, _)| *time > spec.epoch_time(spec.fulu.epoch)), "{}", spec.name);
        assert_eq!((spec.slots_per_epoch, spec.epochs_per_period, spec.committee_size), (32, 256, 512));
    }
}

#[test]
fn a_fork_begins_with_the_first_slot_of_its_epoch() {
    let spec = Spec::of(Network::Mainnet);
    assert_eq!(spec.fork_at(74_239).version, spec.genesis);
    assert_eq!(spec.fork_at(74_240), spec.altair);
    assert_eq!(spec.fork_at(364_031), spec.deneb);
    assert_eq!(spec.fork_at(364_032), spec.electra);
    assert_eq!(spec.fork_at(411_391), spec.electra);
    assert_eq!(spec.fork_at(u64::MAX), spec.fulu);
    assert_eq!(Spec::of(Network::Hoodi).fork_at(0).version, 0x5000_0910_u32.to_be_bytes(), "the last of those at 0");
}

#[test]
fn slots_and_times_belong_together() {
    let spec = Spec::of(Network::Mainnet);
    // Electra's first block: 2025-05-07 10:05:11 UTC.
    assert_eq!(spec.slot_time(364_032 * 32), 1_746_612_311);
    assert_eq!(spec.slot_at(1_746_612_311), 364_032 * 32);
    assert_eq!(spec.slot_at(1_746_612_310), 364_032 * 32 - 1);
    assert_eq!(spec.slot_at(0), 0);
    assert_eq!(spec.period(11_640_864), 1421);
    assert_eq!(spec.slot_time(u64::MAX), u64::MAX);
}
