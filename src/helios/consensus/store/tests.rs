use std::path::Path;
use std::time::Instant;

use super::super::samples::{self, Members, Recorded, Wish, mainnet, minimal, portal};
use super::super::ssz;
use super::super::types::Update;
use super::*;

/// Four days after the recordings.
const LATER: u64 = 11_680_000;

#[test]
fn mainnet_is_followed_from_deneb_into_electra() {
    let Some(recorded) = Recorded::load() else { return };
    let begun = Instant::now();
    let mut store = recorded.store();
    eprintln!("bootstrap with its keys: {:?}", begun.elapsed());
    assert_eq!((store.finalized().beacon.slot, store.period(), store.knows_next()), (11_640_864, 1421, false));
    for which in 0..2 {
        let begun = Instant::now();
        store.apply(&recorded.update(which), LATER).unwrap();
        eprintln!("update that brings a committee: {:?}", begun.elapsed());
    }
    assert_eq!((store.finalized().beacon.slot, store.optimistic().beacon.slot), (11_651_008, 11_651_078));
    assert_eq!((store.period(), store.knows_next()), (1422, true));
    let begun = Instant::now();
    let update = Update { next: None, ..recorded.update(1) };
    store.check(&update, LATER).unwrap();
    eprintln!("update alone: {:?}", begun.elapsed());
}

#[test]
fn all_four_kinds_of_object_of_deneb_are_followed() {
    let Some((key, content)) = portal("bootstrap.yaml") else { return };
    let spec = mainnet();
    let bootstrap = ssz::bootstrap(&spec, &content[4..]).unwrap();
    let mut store = Store::bootstrap(&spec, B256::from_slice(&key[1..]), &bootstrap).unwrap();
    assert_eq!(store.finalized().beacon.slot, 10_248_000);

    // A list of byte lists: two offsets, then digest and update twice.
    let content = portal("updates.yaml").unwrap().1;
    let second = u32::from_le_bytes(content[4..8].try_into().unwrap()) as usize;
    for (update, attested) in [(&content[8..second], 10_240_088), (&content[second..], 10_248_263)] {
        let update = ssz::update(&spec, &update[4..]).unwrap();
        assert_eq!(update.attested.beacon.slot, attested);
        store.apply(&update, LATER).unwrap();
    }
    let finality = ssz::finality_update(&spec, &portal("finality_update.yaml").unwrap().1[4..]).unwrap();
    store.apply(&finality, LATER).unwrap();
    assert_eq!(store.optimistic().beacon.slot, 10_248_453);
    assert_eq!(store.finalized(), &finality.finalized.unwrap().value);
    let optimistic = ssz::optimistic_update(&spec, &portal("optimistic_update.yaml").unwrap().1[4..]).unwrap();
    store.apply(&optimistic, LATER).unwrap();
    assert_eq!(store.optimistic().beacon.slot, 10_248_457);
    assert_eq!((store.period(), store.knows_next()), (1251, true));
}

/// One case of the specification's tests: how many updates were taken, force_updates not made, updates refused because
/// of that.
fn run_case(folder: &Path) -> [usize; 3] {
    let yaml = |name: &str| -> serde_yaml::Value {
        serde_yaml::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let object = |name: &str| {
        let packed = std::fs::read(folder.join(format!("{name}.ssz_snappy"))).unwrap();
        snap::raw::Decoder::new().decompress_vec(&packed).unwrap()
    };
    let (config, meta) = (yaml("config.yaml"), yaml("meta.yaml"));
    let root = |value: &serde_yaml::Value| value.as_str().unwrap().parse::<B256>().unwrap();
    let fork = |name: &str| crate::helios::network::Fork {
        epoch: config[format!("{name}_FORK_EPOCH").as_str()].as_u64().unwrap(),
        version: u32::try_from(config[format!("{name}_FORK_VERSION").as_str()].as_u64().unwrap())
            .unwrap()
            .to_be_bytes(),
    };
    let spec = Arc::new(Spec {
        genesis_validators_root: root(&meta["genesis_validators_root"]).0,
        capella: fork("CAPELLA"),
        deneb: fork("DENEB"),
        electra: fork("ELECTRA"),
        fulu: fork("FULU"),
        ..minimal()
    });
    let bootstrap = ssz::bootstrap(&spec, &object("bootstrap")).unwrap();
    let mut store = Store::bootstrap(&spec, root(&meta["trusted_block_root"]), &bootstrap).unwrap();
    let is = |header: &Header, wanted: &serde_yaml::Value| {
        header.beacon.slot == wanted["slot"].as_u64().unwrap()
            && header.beacon.root() == root(&wanted["beacon_root"])
            && header.execution.root(Form::Electra) == Some(root(&wanted["execution_root"]))
    };
    let [mut taken, mut unforced, mut refused] = [0; 3];
    let mut parted = false;
    for step in yaml("steps.yaml").as_sequence().unwrap() {
        let forced = &step["force_update"];
        let step = if forced.is_null() { &step["process_update"] } else { forced };
        let now = step["current_slot"].as_u64().unwrap();
        if !forced.is_null() {
            unforced += 1;
        } else {
            let update = ssz::update(&spec, &object(step["update"].as_str().unwrap())).unwrap();
            let applied = store.apply(&update, now);
            if parted {
                assert!(matches!(applied, Err(Refusal::Period(..))), "{folder:?}: {applied:?}");
                refused += 1;
                continue;
            }
            applied.unwrap();
            taken += 1;
        }
        let checks = &step["checks"];
        let holds =
            is(store.finalized(), &checks["finalized_header"]) && is(store.optimistic(), &checks["optimistic_header"]);
        assert!(holds || !forced.is_null(), "{folder:?}: at slot {now}");
        // From a forced update on, the specification's store knows what this one never believes.
        parted |= !holds;
    }
    if folder.ends_with("supply_sync_committee_from_past_update") {
        assert!(store.knows_next());
    }
    [taken, unforced, refused]
}

#[test]
fn every_case_of_the_specification_ends_as_it_says_up_to_a_forced_update() {
    let Some(data) = samples::data() else { return };
    let cases = data.join("fulu-minimal/minimal/fulu/light_client/sync/pyspec_tests");
    let run = |name: &str| run_case(&cases.join(name));
    assert_eq!(run("advance_finality_without_sync_committee"), [5, 0, 0]);
    assert_eq!(run("gloas_store_with_legacy_data"), [1, 0, 0]);
    assert_eq!(run("light_client_sync"), [5, 2, 3]);
    assert_eq!(run("light_client_sync_no_force_update"), [2, 1, 0]);
    assert_eq!(run("supply_sync_committee_from_past_update"), [1, 0, 0]);
    assert_eq!(std::fs::read_dir(cases).unwrap().count(), 5, "no case is left out");
}

#[test]
fn no_bit_of_an_update_can_be_changed_but_in_the_slot_of_its_signature() {
    let Some(recorded) = Recorded::load() else { return };
    let (spec, store, whole) = (mainnet(), recorded.store(), recorded.plain(0));
    // Where Deneb's update has its parts: one bit of each byte outside the committee, and of each chunk inside.
    let (committee, signature_slot) = (4..4 + 24_624, 25_144..25_152);
    let slot = u64::from_le_bytes(whole[signature_slot.clone()].try_into().unwrap());
    let end = (spec.period(slot) + 1) * 8192 - 1;
    let mut tried = 0;
    let mut refused = |at: usize, bit: usize| {
        let mut changed = whole.to_vec();
        changed[at] ^= 1 << bit;
        tried += 1;
        match ssz::update(&spec, &changed) {
            Ok(update) => store.clone().apply(&update, end).is_err(),
            Err(_) => true,
        }
    };
    for at in (0..whole.len()).filter(|at| !signature_slot.contains(at)) {
        if !committee.contains(&at) || at % 32 == 5 {
            assert!(refused(at, at / 32 % 8), "byte {at}");
        }
    }
    // Which later block carried the signature is not signed: no more than period, fork and clock bound it.
    let attested = recorded.update(0).attested.beacon.slot;
    let mut accepted = 0;
    for bit in 0..64 {
        let changed = slot ^ 1 << bit;
        let bounded = changed > attested && changed <= end;
        assert_eq!(refused(signature_slot.start + bit / 8, bit % 8), !bounded, "signature slot {changed}");
        accepted += usize::from(bounded);
    }
    assert!(accepted > 0 && tried > 2500, "{accepted} of {tried}");
    assert!(recorded.store().apply(&recorded.update(0), slot).is_ok(), "unchanged it is right");
}

struct Chain {
    spec: Arc<Spec>,
    store: Store,
    members: [Members; 4],
}

/// A store at slot 16, of period 0 (64 slots), whose committee is the first.
fn chain() -> Chain {
    let spec = Arc::new(minimal());
    let members = [1, 2, 3, 4].map(Members::new);
    let bootstrap = samples::bootstrap(16, &members[0]);
    let store = Store::bootstrap(&spec, bootstrap.header.beacon.root(), &bootstrap).unwrap();
    Chain { spec, store, members }
}

const WISH: Wish<'static> = Wish { attested: 40, finalized: Some(24), next: None, signature_slot: 41, signers: 32 };

impl Chain {
    /// Applies what the committee of the signature's period signs.
    fn apply(&mut self, wish: &Wish<'_>) -> Result<(), Refusal> {
        let by = &self.members[usize::try_from(self.spec.period(wish.signature_slot)).unwrap()];
        self.store.apply(&wish.signed(&self.spec, by), 1000)
    }

    fn slots(&self) -> [u64; 2] {
        [self.store.finalized().beacon.slot, self.store.optimistic().beacon.slot]
    }
}

#[test]
fn another_committee_than_the_one_announced_is_refused_however_well_signed() {
    let mut chain = chain();
    let [_, right, wrong, _] = [1, 2, 3, 4].map(Members::new);
    chain.apply(&Wish { next: Some(&right), ..WISH }).unwrap();
    let again = Wish { attested: 42, signature_slot: 43, ..WISH };
    assert_eq!(chain.apply(&Wish { next: Some(&wrong), ..again }), Err(Refusal::OtherNext));
    assert_eq!(chain.slots(), [24, 40], "nothing else of it is believed");
    chain.apply(&Wish { next: Some(&right), ..again }).unwrap();
    assert_eq!(chain.slots(), [24, 42]);
}

#[test]
fn periods_are_walked_one_by_one() {
    let mut chain = chain();
    let next = [2, 3, 4].map(Members::new);
    let second = Wish { attested: 100, finalized: Some(80), next: Some(&next[1]), signature_slot: 101, signers: 32 };
    assert_eq!(chain.apply(&second), Err(Refusal::Period(1, 0)), "before its committee is known");
    chain.apply(&Wish { next: Some(&next[0]), ..WISH }).unwrap();
    let third = Wish { attested: 160, finalized: Some(150), next: Some(&next[2]), signature_slot: 161, signers: 32 };
    assert_eq!(chain.apply(&third), Err(Refusal::Period(2, 0)), "two at once");
    chain.apply(&second).unwrap();
    assert_eq!((chain.store.period(), chain.store.knows_next()), (1, true));
    chain.apply(&third).unwrap();
    assert_eq!((chain.store.period(), chain.slots()), (2, [150, 160]));
    assert_eq!(chain.apply(&WISH), Err(Refusal::Period(0, 2)), "and never back");
}

#[test]
fn finality_takes_two_thirds_and_the_head_half_of_the_most_seen() {
    let mut chain = chain();
    chain.apply(&Wish { signers: 21, ..WISH }).unwrap();
    assert_eq!(chain.slots(), [16, 40], "21 of 32 are less than two thirds");
    chain.apply(&Wish { signers: 22, ..WISH }).unwrap();
    assert_eq!(chain.slots(), [24, 40]);
    let later = Wish { attested: 50, finalized: None, signature_slot: 51, ..WISH };
    chain.apply(&Wish { signers: 11, ..later }).unwrap();
    assert_eq!(chain.slots(), [24, 40], "11 are not more than half of 22");
    chain.apply(&Wish { signers: 12, ..later }).unwrap();
    assert_eq!(chain.slots(), [24, 50]);
}

#[test]
fn a_committee_is_not_learned_where_its_period_is_not_final() {
    let mut chain = chain();
    let next = [2, 3].map(Members::new);
    chain.apply(&Wish { next: Some(&next[0]), ..WISH }).unwrap();
    let early = Wish { attested: 70, finalized: Some(56), next: Some(&next[1]), signature_slot: 71, signers: 32 };
    chain.apply(&early).unwrap();
    assert_eq!((chain.store.period(), chain.slots()), (0, [56, 70]), "it may finalize, not rotate");
    chain.apply(&Wish { attested: 90, finalized: Some(80), next: None, signature_slot: 91, signers: 32 }).unwrap();
    assert_eq!((chain.store.period(), chain.store.knows_next()), (1, false), "rotated, without a committee to come");
    chain
        .apply(&Wish { attested: 91, finalized: Some(80), next: Some(&next[1]), signature_slot: 92, signers: 32 })
        .unwrap();
    assert!(chain.store.knows_next(), "learned without a newer finalized header");
}

#[test]
fn each_check_names_itself() {
    let Chain { spec, store, members } = chain();
    let next = &members[1];
    let good = Wish { next: Some(next), ..WISH }.signed(&spec, &members[0]);
    assert_eq!(store.clone().apply(&good, 41), Ok(()), "what all below differ from");
    let refusal = |change: &dyn Fn(&mut Update)| {
        let mut update = good.clone();
        change(&mut update);
        store.clone().apply(&update, 41)
    };
    assert_eq!(refusal(&|u| u.aggregate.bits.fill(0)), Err(Refusal::Participation));
    assert_eq!(refusal(&|u| u.aggregate.bits.push(0)), Err(Refusal::Size));
    assert_eq!(refusal(&|u| u.signature_slot = 42), Err(Refusal::Future(42, 41)));
    assert_eq!(refusal(&|u| u.signature_slot = 40), Err(Refusal::SlotOrder));
    let finalized = |change: fn(&mut Header)| refusal(&|u| change(&mut u.finalized.as_mut().unwrap().value));
    assert_eq!(finalized(|h| h.beacon.slot = 41), Err(Refusal::SlotOrder));
    assert_eq!(finalized(|h| h.beacon.slot = 25), Err(Refusal::FinalityBranch));
    assert_eq!(finalized(|h| h.beacon.slot = 0), Err(Refusal::FinalityBranch), "genesis has an empty header");
    assert_eq!(finalized(|h| h.execution.gas_used = 1), Err(Refusal::Execution("finalized")));
    assert_eq!(refusal(&|u| u.attested.execution.block_hash = B256::ZERO), Err(Refusal::Execution("attested")));
    assert_eq!(refusal(&|u| u.attested.execution_branch[0] = merkle::number(1)), Err(Refusal::Execution("attested")));
    assert_eq!(refusal(&|u| _ = u.attested.execution_branch.pop()), Err(Refusal::Execution("attested")));
    assert_eq!(refusal(&|u| u.finalized.as_mut().unwrap().branch[6] = merkle::number(1)), Err(Refusal::FinalityBranch));
    assert_eq!(refusal(&|u| u.next.as_mut().unwrap().value = members[2].committee.clone()), Err(Refusal::NextBranch));
    assert_eq!(refusal(&|u| u.next.as_mut().unwrap().branch.push(B256::ZERO)), Err(Refusal::NextBranch));
    assert_eq!(refusal(&|u| u.attested.beacon.proposer_index = 1), Err(Refusal::Signature));
    assert_eq!(refusal(&|u| u.aggregate.bits[0] = 0xfe), Err(Refusal::Signature));
    let stranger = Wish { next: Some(next), ..WISH }.signed(&spec, &members[3]);
    assert_eq!(store.clone().apply(&stranger, 41), Err(Refusal::Signature));
    let old = Wish { attested: 16, finalized: None, next: None, signature_slot: 17, signers: 32 };
    assert_eq!(store.clone().apply(&old.signed(&spec, &members[0]), 41), Err(Refusal::Irrelevant));
    let other_network = Spec { genesis_validators_root: [1; 32], ..minimal() };
    assert_eq!(store.clone().apply(&WISH.signed(&other_network, &members[0]), 41), Err(Refusal::Signature));
}

#[test]
fn before_anything_was_final_the_finalized_header_is_empty() {
    let Chain { spec, mut store, members } = chain();
    let mut update = Wish { finalized: None, ..WISH }.signed(&spec, &members[0]);
    let state = samples::Tree([(87, B256::ZERO), (169, B256::ZERO), (168, merkle::number(9))].into());
    update.attested = samples::header(40, &state);
    let message = signing_root(&spec, update.attested.beacon.root(), 41);
    update.aggregate = members[0].sign(message, 32);
    let empty = Header { execution_branch: vec![B256::ZERO; 4], ..Header::default() };
    update.finalized = Some(Branched { value: empty, branch: state.branch(169) });
    assert_eq!(store.apply(&update, 41), Ok(()));
    assert_eq!([store.finalized(), store.optimistic()].map(|header| header.beacon.slot), [16, 40]);
}

#[test]
fn a_bootstrap_is_the_checkpoints_in_every_part() {
    let spec = Arc::new(minimal());
    let good = samples::bootstrap(16, &Members::new(1));
    let root = good.header.beacon.root();
    let begin = |change: &dyn Fn(&mut Bootstrap)| {
        let mut bootstrap = good.clone();
        change(&mut bootstrap);
        Store::bootstrap(&spec, root, &bootstrap).map(|store| store.period())
    };
    assert_eq!(begin(&|_| ()), Ok(0));
    assert_eq!(begin(&|b| b.header.beacon.slot += 1), Err(Refusal::Checkpoint));
    assert_eq!(begin(&|b| b.header.execution.block_number += 1), Err(Refusal::Execution("checkpoint's")));
    assert_eq!(begin(&|b| b.current = Members::new(2).committee), Err(Refusal::CurrentBranch));
    assert_eq!(begin(&|b| b.current.aggregate_pubkey.0[3] ^= 1), Err(Refusal::CurrentBranch));
    assert_eq!(begin(&|b| b.current_branch[0] = merkle::number(3)), Err(Refusal::CurrentBranch));
    let later = Spec { capella: crate::helios::network::Fork { epoch: 3, version: [3; 4] }, ..minimal() };
    let later = Spec { deneb: later.capella, electra: later.capella, fulu: later.capella, ..later };
    let refused = Store::bootstrap(&Arc::new(later), root, &good).map(|store| store.period());
    assert_eq!(refused, Err(Refusal::BeforeCapella(16)));
}
