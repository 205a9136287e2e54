use super::super::samples::{Recorded, mainnet, portal};
use super::*;

/// An object, and whether bytes can be read as one of its kind.
type Case<'a> = (&'a [u8], &'a dyn Fn(&[u8]) -> bool);

#[test]
fn an_object_cut_off_anywhere_is_refused_and_so_is_one_with_a_byte_more() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let optimistic = portal("optimistic_update.yaml").unwrap().1;
    let finality = portal("finality_update.yaml").unwrap().1;
    let is_read: [Case<'_>; 5] = [
        (&recorded.bootstrap, &|bytes| bootstrap(&spec, bytes).is_ok()),
        (recorded.plain(0), &|bytes| update(&spec, bytes).is_ok()),
        (recorded.plain(1), &|bytes| update(&spec, bytes).is_ok()),
        (&finality[4..], &|bytes| finality_update(&spec, bytes).is_ok()),
        (&optimistic[4..], &|bytes| optimistic_update(&spec, bytes).is_ok()),
    ];
    for (whole, is_read) in is_read {
        assert!(is_read(whole));
        // extra_data ends the object and has no length of its own: within it, only its Merkle root tells.
        let longest = whole.len() - EXTRA_DATA;
        let cuts = (0..longest).filter(|cut| cut % 7 == 0 || *cut < 700 || longest - cut < 1600);
        for cut in cuts {
            assert!(!is_read(&whole[..cut]), "{cut} of {}", whole.len());
        }
        for cut in longest..whole.len() {
            let _ = is_read(&whole[..cut]);
        }
        assert!(!is_read(&[whole, &[0; EXTRA_DATA + 1]].concat()));
    }
}

#[test]
fn offsets_are_where_the_specification_puts_them() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let whole = recorded.plain(1);
    let finalized_at = 4 + 24_624 + 6 * 32;
    for (at, by) in [(0, 1), (0, 255), (finalized_at, 1), (finalized_at, 255), (finalized_at + 3, 0x80)] {
        let mut changed = whole.to_vec();
        changed[at] = changed[at].wrapping_add(by);
        assert!(update(&spec, &changed).is_err(), "{at} {by}");
    }
}

#[test]
fn the_attested_slot_decides_the_form() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let [deneb, electra] = [0, 1].map(|which| recorded.update(which));
    assert_eq!([&deneb, &electra].map(|update| update.next.as_ref().unwrap().branch.len()), [5, 6]);
    assert_eq!([&deneb, &electra].map(|update| update.finalized.as_ref().unwrap().branch.len()), [6, 7]);
    let mut early = recorded.bootstrap.clone();
    let header = u32::from_le_bytes(early[..4].try_into().unwrap()) as usize;
    early[header..header + 8].copy_from_slice(&(194_048_u64 * 32 - 1).to_le_bytes());
    assert_eq!(bootstrap(&spec, &early), Err(Malformed::BeforeCapella(194_048 * 32 - 1)));
    early[header..header + 8].copy_from_slice(&(194_048_u64 * 32).to_le_bytes());
    assert!(matches!(bootstrap(&spec, &early), Err(Malformed::Ssz(_))), "Capella's has no blob gas");
}

#[test]
fn a_branch_of_zeros_is_for_what_is_absent_alone() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let mut changed = recorded.plain(1).to_vec();
    changed[4 + 24_624..][..6 * 32].fill(0);
    assert_eq!(update(&spec, &changed), Err(Malformed::WithoutBranch("a next committee")));
    changed[4..][..24_624].fill(0);
    assert_eq!(update(&spec, &changed).unwrap().next, None);
    changed[4 + 24_624 + 6 * 32 + 4..][..7 * 32].fill(0);
    assert_eq!(update(&spec, &changed), Err(Malformed::WithoutBranch("a finalized header")));
}

#[test]
fn frames_are_as_long_as_they_say_and_no_more_than_were_asked_for() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let both = recorded.updates.concat();
    let slots = |most| {
        framed_updates(&spec, &both, most)
            .map(|updates| updates.iter().map(|u| spec.period(u.signature_slot)).collect())
    };
    assert_eq!(slots(2), Ok(vec![1421, 1422]));
    assert_eq!(slots(1), Err(Malformed::TooMany));
    assert_eq!(framed_updates(&spec, &[], 1), Ok(Vec::new()));
    assert_eq!(framed_updates(&spec, &both[..both.len() - 1], 2), Err(SHORT));
    assert_eq!(framed_updates(&spec, &3_u64.to_le_bytes(), 2), Err(SHORT));
    assert_eq!(framed_updates(&spec, &[3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3], 2), Err(SHORT), "not even a digest");
    assert_eq!(framed_updates(&spec, &[255; 20], 2), Err(Malformed::Ssz("an update is too large")));
}
