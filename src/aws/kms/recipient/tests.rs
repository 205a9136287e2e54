use super::*;
use crate::keys::tests::hex;
use crate::nsm::Description;
use rsa::pkcs8::DecodePrivateKey;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A module of cheap randomness that can be told to fail.
#[derive(Default)]
pub(in super::super) struct Module {
    broken: AtomicBool,
    pub(in super::super) draws: AtomicUsize,
}

impl Nsm for Module {
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        self.draws.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(NsmError::Dry);
        }
        let mut source = fs::File::open("/dev/urandom").unwrap();
        io::Read::read_exact(&mut source, out).unwrap();
        Ok(())
    }

    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        assert_eq!((&request.nonce, &request.user_data), (&None, &None));
        Ok([b"a document over ".as_slice(), request.public_key.as_deref().unwrap()].concat())
    }

    fn describe(&self) -> Result<Description, NsmError> {
        Err(NsmError::Unexpected)
    }
}

/// A key from PKCS#8 in DER.
pub(in super::super) fn key(pkcs8: &[u8]) -> Key {
    Key::new(PrivateKey::from_pkcs8_der(pkcs8).unwrap(), Arc::new(Module::default())).unwrap()
}

/// A recorded file, or a note that the test is skipped.
pub(in super::super) fn recorded(path: &str) -> Option<String> {
    let dir = std::env::var_os("ODYN_TEST_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let text = fs::read_to_string(dir.join(path)).ok();
    if text.is_none() {
        eprintln!("skipped: no test data");
    }
    text
}

#[test]
fn wycheproofs_oaep_cases_decrypt_or_fail_as_they_say() {
    let Some(text) = recorded("wycheproof/rsa_oaep_2048_sha256_mgf1sha256_test.json") else { return };
    let suite: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for group in suite["testGroups"].as_array().unwrap() {
        let key = key(&hex(group["privateKeyPkcs8"].as_str().unwrap()));
        for case in group["tests"].as_array().unwrap() {
            let bytes = |name: &str| hex(case[name].as_str().unwrap());
            let opened = key.decrypt(&bytes("ct")).unwrap();
            // KMS uses no label, so cases with one must fail here.
            let valid = case["result"] == "valid" && case["label"] == "";
            // The crate does not look at the first byte of what it decrypts to, so that no time and no error can tell
            // whether it was zero (Manger's attack). Who has the public key can write either and learns nothing from it.
            let valid = valid || case["comment"] == "First byte is 1";
            let expected = valid.then(|| bytes("msg"));
            assert_eq!(opened.map(|text| text.to_vec()), expected, "{}", case["tcId"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 37);
}

#[test]
fn a_key_is_made_once_and_attested_to_each_time() {
    let module = Arc::new(Module::default());
    let recipient = Recipient::new(module.clone()).unwrap();
    let (document, key) = recipient.attest().unwrap();
    assert_eq!(document, [b"a document over ".as_slice(), &key.spki].concat());
    assert!((290..300).contains(&key.spki.len()));
    let (again, same) = recipient.attest().unwrap();
    assert_eq!((again, &same.spki), (document, &key.spki));
}

/// A key of this test's run.
pub(in super::super) fn own_key() -> &'static Key {
    static KEY: std::sync::LazyLock<Key> =
        std::sync::LazyLock::new(|| match Key::generate(Arc::new(Module::default())) {
            Ok(key) => key,
            Err(e) => panic!("{e:?}"),
        });
    &KEY
}

/// As KMS encrypts a content key.
pub(in super::super) fn encrypt(key: &Key, text: &[u8]) -> Vec<u8> {
    let module = Module::default();
    let mut random = Randomness { nsm: &module, failure: None };
    key.pair.to_public_key().oaep_encrypt_with_rng::<Sha256, _>(&mut random, text).unwrap()
}

#[test]
fn a_broken_module_is_an_error_and_never_replaced_by_another_source() {
    let module = Arc::new(Module::default());
    module.broken.store(true, Ordering::Relaxed);
    let recipient = Recipient::new(module.clone()).unwrap();
    assert!(matches!(recipient.attest(), Err(RecipientError::NoKey)));
    // It works again: so does the next call.
    module.broken.store(false, Ordering::Relaxed);
    let (_, key) = recipient.attest().unwrap();
    let ciphertext = encrypt(&key, b"secret");
    let before = module.draws.load(Ordering::Relaxed);
    assert_eq!(key.decrypt(&ciphertext).unwrap().unwrap().as_slice(), b"secret");
    // Blinding has drawn something, and without it nothing is decrypted.
    assert!(module.draws.load(Ordering::Relaxed) > before);
    module.broken.store(true, Ordering::Relaxed);
    assert!(matches!(key.decrypt(&ciphertext), Err(RecipientError::Nsm(NsmError::Dry))));
}
