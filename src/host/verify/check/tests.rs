use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use base64ct::{Base64, Encoding};

use super::*;
use crate::host::verify::print;

/// A minute after the recorded document was made.
const THEN: Duration = Duration::from_secs(1_695_049_470);

/// The recorded document of a real enclave in debug mode; `None` where the test data is not.
fn real() -> Option<Vec<u8>> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    let folder = std::env::var_os("ODYN_TEST_DATA").map_or_else(beside, PathBuf::from);
    match std::fs::read_to_string(folder.join("attestation/valid-doc.b64")) {
        Ok(text) => Some(Base64::decode_vec(text.trim_ascii()).unwrap()),
        Err(_) => {
            // Never a failure, $ODYN_TEST_REQUIRE or not; see tests/support/tools.rs. The harness swallows eprintln!.
            let _ = writeln!(std::io::stderr(), "skipped: no test data");
            None
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

fn aws(now: Duration) -> Expected {
    Expected { root: Root::aws(), pcrs: BTreeMap::new(), nonce: None, now }
}

fn failure(bytes: &[u8], expected: &Expected) -> String {
    verify(bytes, expected).unwrap_err().to_string()
}

#[test]
fn a_real_document_verifies_at_its_time() {
    let Some(bytes) = real() else { return };
    let document = verify(&bytes, &aws(THEN)).unwrap();
    assert_eq!(document.module_id, "i-0918f6c55e3b61d89-enc018aa8b8e2285d13");
    assert!(document.is_debug());
    assert_eq!((document.pcrs.len(), document.cabundle.len()), (16, 4));
    let json: serde_json::Value = serde_json::from_str(&print::json(&document)).unwrap();
    assert_eq!(json["timestamp"], 1_695_049_410_860_u64);
    assert!(json["pcrs"]["3"].as_str().unwrap().starts_with("4a9329d69c836267b18a"));
    assert!(json["cabundle"][0].as_str().unwrap().starts_with("MIICETCCAZagAwIBAgI"));
    assert!(json["public_key"].is_null());
    let expected = Expected { pcrs: document.pcrs.clone(), nonce: document.nonce.clone(), ..aws(THEN) };
    assert_eq!(verify(&bytes, &expected), Ok(document));
}

#[test]
fn a_real_document_is_not_valid_before_or_after_its_hours() {
    let Some(bytes) = real() else { return };
    for late in [THEN + Duration::from_secs(4 * 3600), now()] {
        let late = failure(&bytes, &aws(late));
        assert!(
            late.starts_with("validity failed: now, a certificate expired ") && late.contains("fetch a new one"),
            "{late}"
        );
    }
    let early = failure(&bytes, &aws(THEN - Duration::from_secs(3600)));
    assert!(early.starts_with("validity failed: now, a certificate becomes valid "), "{early}");
}

#[test]
fn a_real_document_with_any_byte_changed_is_refused() {
    let Some(bytes) = real() else { return };
    const SAMPLE: usize = 500;
    for n in 0..SAMPLE {
        let mut changed = bytes.clone();
        let at = n * bytes.len() / SAMPLE + n % (bytes.len() / SAMPLE);
        changed[at] ^= 1 << (n % 8);
        assert!(verify(&changed, &aws(THEN)).is_err(), "byte {at}");
    }
}

#[test]
fn a_real_document_cut_anywhere_or_prolonged_has_not_the_shape() {
    let Some(mut bytes) = real() else { return };
    for length in 0..bytes.len() {
        assert!(failure(&bytes[..length], &aws(THEN)).starts_with("shape failed: "), "{length} bytes");
    }
    bytes.push(0);
    assert!(failure(&bytes, &aws(THEN)).starts_with("shape failed: trailing bytes: 1 "));
}

#[test]
fn a_real_document_with_another_measurement_or_nonce_than_expected_is_refused() {
    let Some(bytes) = real() else { return };
    let with = |index, value: u8| Expected { pcrs: BTreeMap::from([(index, vec![value; 48])]), ..aws(THEN) };
    assert!(verify(&bytes, &with(0, 0)).is_ok());
    assert!(failure(&bytes, &with(0, 1)).starts_with("pcr failed: PCR0 is 0000"));
    assert_eq!(failure(&bytes, &with(16, 0)), "pcr failed: PCR16 is not in the document");
    let nonce = Expected { nonce: Some(b"fresh".to_vec()), ..aws(THEN) };
    assert!(failure(&bytes, &nonce).starts_with("nonce failed: it is another, bba6bfd5"));
}

#[cfg(feature = "sim")]
mod simulated {
    use aws_nitro_enclaves_nsm_api::api::{AttestationDoc, Digest};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::sim::chain::Chain;
    use crate::wire::cose;

    fn trusting(chain: &Chain) -> Expected {
        let root = CertificateDer::from_pem_slice(chain.root_pem().as_bytes()).unwrap();
        Expected { root: Root::chosen(&root), ..aws(now()) }
    }

    /// What a module with this chain would attest, for a test to spoil.
    fn document(chain: &Chain) -> AttestationDoc {
        let made = now().as_millis().try_into().unwrap();
        let pcrs = [(0, vec![1; 48]), (1, vec![2; 48])].into();
        let (leaf, above) = (chain.leaf(), chain.above());
        AttestationDoc::new("i-test".into(), Digest::SHA384, made, pcrs, leaf, above, None, Some(vec![7]), None)
    }

    fn signed(chain: &Chain, payload: &[u8]) -> Vec<u8> {
        cose::sign1(payload, &chain.sign(&cose::to_be_signed(payload)).unwrap())
    }

    fn spoilt(chain: &Chain, spoil: impl FnOnce(&mut AttestationDoc)) -> String {
        let mut document = document(chain);
        spoil(&mut document);
        failure(&signed(chain, &document.to_binary()), &trusting(chain))
    }

    #[test]
    fn a_simulated_document_verifies_with_its_own_root_only() {
        let (chain, other) = (Chain::new().unwrap(), Chain::new().unwrap());
        let bytes = signed(&chain, &document(&chain).to_binary());
        assert!(!verify(&bytes, &trusting(&chain)).unwrap().is_debug());
        assert!(failure(&bytes, &trusting(&other)).starts_with("chain failed: the root certificate is not the one of"));
        assert!(failure(&bytes, &aws(now())).starts_with("chain failed: the root certificate is not AWS's, "));
    }

    #[test]
    fn certificates_that_do_not_belong_together_are_refused_by_name() {
        let (chain, other) = (Chain::new().unwrap(), Chain::new().unwrap());
        let missing = spoilt(&chain, |d| drop(d.cabundle.pop()));
        assert!(missing.starts_with("chain failed: at the document's time, no path"), "{missing}");
        assert!(missing.ends_with("an issuer is missing (UnknownIssuer)"), "{missing}");
        let rootless = spoilt(&chain, |d| drop(d.cabundle.remove(0)));
        assert!(rootless.starts_with("chain failed: the root certificate is not"), "{rootless}");
        let swapped = spoilt(&chain, |d| d.certificate = other.leaf().into());
        let replaced =
            "chain failed: at the document's time, a certificate was not signed by the one above it: another's";
        assert!(swapped.starts_with(replaced), "{swapped}");
        // Signed by that other certificate's key, too.
        let mut whole = document(&chain);
        whole.certificate = other.leaf().into();
        let whole = failure(&signed(&other, &whole.to_binary()), &trusting(&chain));
        assert!(whole.starts_with(replaced), "{whole}");
        let authority = spoilt(&chain, |d| d.certificate = chain.above()[1].clone().into());
        assert!(authority.starts_with("chain failed: "), "{authority}");
        assert!(spoilt(&chain, |d| d.cabundle.clear()).starts_with("shape failed: cabundle: 0"));
        let garbage = spoilt(&chain, |d| d.certificate = vec![0x30; 100].into());
        assert!(garbage.starts_with("chain failed: the module's certificate cannot be read"), "{garbage}");
    }

    #[test]
    fn a_document_signed_by_another_key_than_its_certificates_is_refused() {
        let (chain, other) = (Chain::new().unwrap(), Chain::new().unwrap());
        let bytes = signed(&other, &document(&chain).to_binary());
        assert!(failure(&bytes, &trusting(&chain)).starts_with("signature failed: "));
    }

    #[test]
    fn a_document_from_outside_its_certificates_time_is_refused() {
        let chain = Chain::new().unwrap();
        let year = 366 * 24 * 3_600_000;
        let early = spoilt(&chain, |d| d.timestamp -= year);
        assert!(
            early.starts_with("chain failed: at the document's time, a certificate becomes valid 365 days"),
            "{early}"
        );
        let late = spoilt(&chain, |d| d.timestamp += year);
        assert!(late.starts_with("chain failed: at the document's time, a certificate expired "), "{late}");
    }

    #[test]
    fn another_digest_or_a_register_of_another_size_is_refused() {
        let chain = Chain::new().unwrap();
        assert_eq!(spoilt(&chain, |d| d.digest = Digest::SHA512), "digest failed: it is \"SHA512\", not SHA384");
        let short = spoilt(&chain, |d| drop(d.pcrs.insert(1, vec![0; 32].into())));
        assert_eq!(short, "digest failed: PCR1 has 32 bytes, SHA384 has 48");
    }

    #[test]
    fn what_no_module_would_write_has_not_the_shape() {
        let chain = Chain::new().unwrap();
        for (text, wanted) in [
            (spoilt(&chain, |d| drop(d.pcrs.insert(2, vec![0; 47].into()))), "value in pcrs: 47, "),
            (spoilt(&chain, |d| drop(d.pcrs.insert(32, vec![0; 48].into()))), "index in pcrs: 32, "),
            (spoilt(&chain, |d| d.pcrs.clear()), "pcrs: 0, "),
            (spoilt(&chain, |d| d.nonce = Some(vec![0; 1025].into())), "nonce: 1025, "),
            (spoilt(&chain, |d| d.timestamp = 0), "timestamp: 0, "),
            (spoilt(&chain, |d| d.module_id.clear()), "module_id: 0, "),
        ] {
            assert!(text.starts_with(&format!("shape failed: {wanted}")), "{text}");
        }
    }

    #[test]
    fn another_spelling_of_a_good_document_is_refused() {
        let chain = Chain::new().unwrap();
        let payload = document(&chain).to_binary();
        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut payload = payload.clone();
            edit(&mut payload);
            failure(&signed(&chain, &payload), &trusting(&chain))
        };
        let expect =
            |text: String, wanted: &str| assert!(text.starts_with(&format!("shape failed: {wanted}")), "{text}");
        expect(edited(&|p| p.push(0)), "in the signed part, trailing bytes: 1 ");
        // A map of nine pairs, its count in two bytes; and of indefinite length.
        expect(edited(&|p| drop(p.splice(..1, [0xb8, 9]))), "in the signed part, non-canonical CBOR");
        expect(edited(&|p| p[0] = 0xbf), "in the signed part, non-canonical CBOR");
        expect(edited(&|p| p[0] = 0xa8), "in the signed part, trailing bytes");
        expect(edited(&|p| p[0] = 0xaa), "in the signed part, truncated CBOR");
        expect(edited(&|p| p[2] = b'n'), "unknown field \"nodule_id\"");
        let again = [&b"\xaa\x65nonce\xf6"[..], &payload[1..]].concat();
        expect(edited(&|p| p.clone_from(&again)), "nonce is there twice");
        let without = b"\xa1\x65nonce\xf6".to_vec();
        expect(edited(&|p| p.clone_from(&without)), "module_id is missing");
        let good = signed(&chain, &payload);
        let outer = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            edit(&mut bytes);
            failure(&bytes, &trusting(&chain))
        };
        expect(outer(&|b| b[0] = 0x83), "an array of 3 items");
        expect(outer(&|b| b[5] = 0x23), "the protected header is not");
        expect(outer(&|b| drop(b.splice(6..7, [0xa1, 1, 1]))), "the unprotected header is not empty");
        expect(outer(&|b| drop(b.splice(1..2, [0x58, 4]))), "non-canonical CBOR");
        expect(outer(&|b| b.insert(0, 0xd2)), "byte 0 does not begin an array");
        expect(outer(&|b| b.clear()), "the document is empty");
    }
}
