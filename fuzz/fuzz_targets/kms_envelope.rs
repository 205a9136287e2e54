//! Whatever stands in `CiphertextForRecipient`, opening it ends, in the content of a well-padded envelope or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use odyn::aws::kms::cms::Envelope;

fuzz_target!(|data: &[u8]| {
    let Some((kind, ber)) = data.split_first() else { return };
    let Ok(envelope) = Envelope::parse(ber) else { return };
    assert!(envelope.encrypted_key().len() < ber.len());
    // Of the right size, of another, or not decrypted.
    let key = match kind % 3 {
        0 => Some(&[7; 32][..]),
        1 => Some(&[7; 16][..]),
        _ => None,
    };
    if let Ok(content) = envelope.open(key) {
        assert!(key.is_some_and(|key| key.len() == 32));
        assert!(content.len() < ber.len());
    }
});
