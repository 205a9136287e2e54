use alloy_primitives::FixedBytes;

use super::super::samples::{Members, minimal};
use super::*;

const MESSAGE: B256 = B256::repeat_byte(3);

#[test]
fn any_number_of_members_signs_and_only_they() {
    let members = Members::new(1);
    let committee = Committee::new(&members.committee, &minimal()).unwrap();
    for count in [1, 15, 16, 17, 31, 32] {
        let signed = members.sign(MESSAGE, count);
        assert_eq!(committee.verify(MESSAGE, &signed), Ok(()), "{count}");
        assert_eq!(committee.verify(B256::ZERO, &signed), Err(Refusal::Signature));
        for bit in [0, 14, 31] {
            let mut other = signed.clone();
            other.bits[bit / 8] ^= 1 << (bit % 8);
            assert!(committee.verify(MESSAGE, &other).is_err(), "{count} {bit}");
        }
    }
}

#[test]
fn nobodys_signature_is_none() {
    let members = Members::new(1);
    let committee = Committee::new(&members.committee, &minimal()).unwrap();
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    let nobody = SyncAggregate { bits: vec![0; 4], signature: FixedBytes(infinity) };
    assert_eq!(committee.verify(MESSAGE, &nobody), Err(Refusal::Participation));
    let all = SyncAggregate { bits: vec![255; 4], signature: FixedBytes(infinity) };
    assert_eq!(committee.verify(MESSAGE, &all), Err(Refusal::Signature));
    let no_point = SyncAggregate { bits: vec![255; 4], signature: FixedBytes([255; 96]) };
    assert_eq!(committee.verify(MESSAGE, &no_point), Err(Refusal::Signature));
    assert_eq!(committee.verify(MESSAGE, &SyncAggregate { bits: vec![255; 3], ..all }), Err(Refusal::Size));
}

#[test]
fn keys_that_cancel_each_other_out_sign_nothing() {
    let members = Members::new(1);
    let mut claimed = members.committee.clone();
    // The same x with the other y is the negative key.
    claimed.pubkeys[1] = claimed.pubkeys[0];
    claimed.pubkeys[1].0[0] ^= 0x20;
    let committee = Committee::new(&claimed, &minimal()).unwrap();
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    let both = SyncAggregate { bits: vec![3, 0, 0, 0], signature: FixedBytes(infinity) };
    assert_eq!(committee.verify(MESSAGE, &both), Err(Refusal::Signature));
    let one = members.sign(MESSAGE, 1);
    assert_eq!(committee.verify(MESSAGE, &one), Ok(()));
}

#[test]
fn a_committee_has_its_size_and_valid_keys() {
    let spec = minimal();
    let good = Members::new(1).committee;
    let with = |key: [u8; 48]| {
        let mut claimed = good.clone();
        claimed.pubkeys[7] = FixedBytes(key);
        Committee::new(&claimed, &spec).map(|committee| committee.root())
    };
    assert_eq!(with(good.pubkeys[7].0), Ok(good.root()));
    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    assert_eq!(with(infinity), Err(Refusal::Key));
    assert_eq!(with([0; 48]), Err(Refusal::Key));
    let mut short = good.clone();
    short.pubkeys.pop();
    assert_eq!(Committee::new(&short, &spec).map(|committee| committee.root()), Err(Refusal::Size));
}
