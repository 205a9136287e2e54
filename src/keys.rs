//! The enclave's two keys: secp256k1, which signs, and P-384, with which clients encrypt.
//!
//! Promises: both are made at start from the Nitro Secure Module alone, by rejection sampling over exactly as many bytes
//! as the curve's order has, so that every valid key is as likely as any other; they are never written, never leave this
//! type and are wiped when it is dropped. They are in memory of their own, locked where the limit allows, which no core
//! dump and no forked child has. Never prints or copies a key: there is no `Debug` and no `Clone`.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

use k256::ecdsa::SigningKey;
use p384::ecdh::SharedSecret;
use p384::pkcs8::{EncodePublicKey, LineEnding};
use sha3::{Digest, Keccak256};
use zeroize::Zeroizing;

use crate::config::limits;
use crate::nsm::{Nsm, NsmError};
use crate::sys::locked::Locked;

/// Both keys, and what is public about them.
pub struct Keys {
    private: Locked<Private>,
    public: Public,
}

/// What nobody else may know. Both types wipe themselves when they are dropped.
struct Private {
    signing: SigningKey,
    agreement: p384::SecretKey,
}

/// What anybody may know.
#[derive(Clone, Debug)]
pub struct Public {
    /// The Ethereum address, 20 bytes as `0x` and hexadecimal with the checksum of EIP-55.
    pub address: String,
    /// The secp256k1 key as an uncompressed point (SEC 1, section 2.3.3): `04`, x, y.
    pub signing_key: [u8; 65],
    /// The P-384 key as SubjectPublicKeyInfo in DER (RFC 5480).
    pub agreement_der: Vec<u8>,
    /// The same in PEM (RFC 7468).
    pub agreement_pem: String,
}

/// A recoverable ECDSA signature, with s in the lower half (EIP-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// 32 bytes, big-endian.
    pub r: [u8; 32],
    /// 32 bytes, big-endian.
    pub s: [u8; 32],
    /// Whether the curve point's y was odd: 0 or 1.
    pub y_parity: u8,
}

impl Signature {
    /// r, s and one more byte.
    #[must_use]
    pub fn with(&self, last: u8) -> [u8; 65] {
        let mut bytes = [last; 65];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..64].copy_from_slice(&self.s);
        bytes
    }
}

/// Why there are no keys.
#[derive(Debug)]
pub enum KeyError {
    /// The module's: no random bytes.
    Nsm(NsmError),
    /// The module's: bytes that are no key, over and over. By chance this does not happen.
    NotRandom,
    /// The machine's: no memory to keep them in.
    Memory(io::Error),
    /// A defect of odyn: a public key that does not encode.
    Encoding,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nsm(e) => write!(f, "cannot make the enclave's keys: {e}"),
            Self::NotRandom => {
                f.write_str("cannot make the enclave's keys: what the Nitro Secure Module gives is not random")
            }
            Self::Memory(e) => write!(f, "no memory for the enclave's keys: {e}"),
            Self::Encoding => f.write_str("cannot encode the enclave's public key: a defect in odyn"),
        }
    }
}

impl std::error::Error for KeyError {}

impl Keys {
    /// Makes both.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn generate(nsm: &dyn Nsm) -> Result<Self, KeyError> {
        let signing = draw(nsm, |bytes: &[u8; 32]| SigningKey::from_slice(bytes).ok())?;
        let agreement = draw(nsm, |bytes: &[u8; 48]| p384::SecretKey::from_slice(bytes).ok())?;
        let public = Public::of(&signing, &agreement)?;
        let private = Locked::new(Private { signing, agreement }).map_err(KeyError::Memory)?;
        if !private.is_locked() {
            log::info!("the keys' memory is not locked: RLIMIT_MEMLOCK does not allow it");
        }
        Ok(Self { private, public })
    }

    /// What is public.
    #[must_use]
    pub fn public(&self) -> &Public {
        &self.public
    }

    /// Signs a 32-byte hash; the same hash always gives the same signature (RFC 6979).
    #[must_use]
    pub fn sign(&self, hash: &[u8; 32]) -> Signature {
        let (signature, recovery) = self.private.signing.sign_prehash_recoverable(hash);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), y_parity: u8::from(recovery.is_y_odd()) }
    }

    /// The x coordinate that the P-384 key and a client's public key share (ECDH, SP 800-56A). Wiped when dropped.
    #[must_use]
    pub fn agree(&self, client: &p384::PublicKey) -> SharedSecret {
        self.private.agreement.diffie_hellman(client)
    }
}

impl Public {
    fn of(signing: &SigningKey, agreement: &p384::SecretKey) -> Result<Self, KeyError> {
        let point = signing.verifying_key().to_sec1_point(false);
        let signing_key: [u8; 65] = point.as_bytes().try_into().map_err(|_| KeyError::Encoding)?;
        let der = agreement.public_key().to_public_key_der().map_err(|_| KeyError::Encoding)?;
        let pem = der.to_pem("PUBLIC KEY", LineEnding::LF).map_err(|_| KeyError::Encoding)?;
        let hash = keccak256(&signing_key[1..]);
        let address = checksummed(&hash[12..]);
        Ok(Self { address, signing_key, agreement_der: der.as_bytes().to_vec(), agreement_pem: pem })
    }
}

/// A key from as many random bytes as its curve's order has; bytes that are no key (0, or the order and above) are drawn
/// again. For both curves that is less likely than 2^-127, so a few such draws in a row mean a broken module.
fn draw<const N: usize, K>(nsm: &dyn Nsm, key: impl Fn(&[u8; N]) -> Option<K>) -> Result<K, KeyError> {
    for _ in 0..limits::NSM_ATTEMPTS {
        let mut bytes = Zeroizing::new([0; N]);
        nsm.random(&mut bytes[..]).map_err(KeyError::Nsm)?;
        if let Some(key) = key(&bytes) {
            return Ok(key);
        }
    }
    Err(KeyError::NotRandom)
}

/// Ethereum's hash.
#[must_use]
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// EIP-55: a letter is in upper case where the hash of the lower-case text has a nibble of 8 or more.
fn checksummed(address: &[u8]) -> String {
    let lower = base16ct::lower::encode_string(address);
    let hash = keccak256(lower.as_bytes());
    let nibble =
        |at: usize| hash.get(at / 2).map_or(0, |byte| if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 });
    let cased = lower.chars().enumerate().map(|(at, c)| if nibble(at) >= 8 { c.to_ascii_uppercase() } else { c });
    "0x".chars().chain(cased).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::nsm::AttestationRequest;
    use std::marker::PhantomData;
    use std::sync::Mutex;

    /// Gives what it was told to give, in turn; attests by repeating the request.
    pub(crate) struct Scripted(Mutex<Vec<Vec<u8>>>);

    impl Scripted {
        pub(crate) fn new(answers: &[Vec<u8>]) -> Self {
            Self(Mutex::new(answers.iter().rev().cloned().collect()))
        }
    }

    impl Nsm for Scripted {
        fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
            let bytes = self.0.lock().unwrap().pop().ok_or(NsmError::Dry)?;
            out.copy_from_slice(&bytes);
            Ok(())
        }

        fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
            Ok(format!("{request:?}").into_bytes())
        }

        fn describe(&self) -> Result<crate::nsm::Description, NsmError> {
            Err(NsmError::Unexpected)
        }
    }

    /// A number as big-endian bytes.
    fn number(n: u8, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        bytes[size - 1] = n;
        bytes
    }

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        base16ct::mixed::decode_vec(text).unwrap()
    }

    /// Keys from known secrets.
    pub(crate) fn keys(signing: &str, agreement: &[u8]) -> Keys {
        Keys::generate(&Scripted::new(&[hex(signing), agreement.to_vec()])).ok().unwrap()
    }

    const SECP256K1_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    const P384_ORDER: &str =
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

    #[test]
    fn zero_and_the_order_and_what_is_above_are_drawn_again() {
        let above = |order: &str| vec![0xff; order.len() / 2];
        let draws = [
            number(0, 32),
            hex(SECP256K1_ORDER),
            above(SECP256K1_ORDER),
            number(1, 32),
            number(0, 48),
            hex(P384_ORDER),
            above(P384_ORDER),
            number(1, 48),
        ];
        let keys = Keys::generate(&Scripted::new(&draws)).ok().unwrap();
        // The address of the secret 1, known to everybody.
        assert_eq!(keys.public().address, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
        // The generator of P-384 (SP 800-186) is the public key of 1; its SPKI ends in it.
        let generator = "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7\
            3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f";
        assert!(keys.public().agreement_der.ends_with(&hex(&generator.replace(' ', ""))));
    }

    #[test]
    fn one_below_the_order_is_a_key() {
        let mut highest = hex(SECP256K1_ORDER);
        *highest.last_mut().unwrap() -= 1;
        assert!(Keys::generate(&Scripted::new(&[highest, number(1, 48)])).is_ok());
    }

    #[test]
    fn a_module_that_gives_no_key_or_nothing_is_an_error() {
        let zeroes = vec![number(0, 32); 100];
        assert!(matches!(Keys::generate(&Scripted::new(&zeroes)), Err(KeyError::NotRandom)));
        assert!(matches!(Keys::generate(&Scripted::new(&[])), Err(KeyError::Nsm(NsmError::Dry))));
        let half = [number(1, 32)];
        assert!(matches!(Keys::generate(&Scripted::new(&half)), Err(KeyError::Nsm(NsmError::Dry))));
    }

    #[test]
    fn both_private_keys_are_in_locked_memory_that_is_neither_dumped_nor_inherited() {
        let keys = Keys::generate(&Scripted::new(&[number(1, 32), number(1, 48)])).ok().unwrap();
        for place in [(&raw const keys.private.signing).cast::<u8>(), (&raw const keys.private.agreement).cast()] {
            let flags = crate::sys::locked::tests::flags(place).unwrap();
            assert!(flags.contains(" dd") && flags.contains(" wf"), "{flags}");
            assert_eq!(flags.contains(" lo"), keys.private.is_locked(), "{flags}");
        }
    }

    #[test]
    fn addresses_have_the_checksum_of_eip_55() {
        // The examples of EIP-55 itself.
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(checksummed(&hex(&address[2..])), address);
        }
    }

    /// For a type without the trait the constant is this one; for one with it, the inherent constant of the same name.
    trait Lacks {
        const HAS: bool = false;
    }

    impl<T: ?Sized> Lacks for T {}

    struct Printable<T: ?Sized>(PhantomData<T>);
    struct Copyable<T: ?Sized>(PhantomData<T>);

    impl<T: ?Sized + fmt::Debug> Printable<T> {
        const HAS: bool = true;
    }

    impl<T: Clone> Copyable<T> {
        const HAS: bool = true;
    }

    #[test]
    fn secrets_can_be_neither_printed_nor_copied() {
        use crate::aws::{kms::recipient::Key, sigv4::AccessKey};
        // The test tests: what is public can be both.
        const { assert!(Printable::<Public>::HAS && Copyable::<Public>::HAS) };
        let printable = [Printable::<Keys>::HAS, Printable::<Key>::HAS, Printable::<AccessKey>::HAS];
        let copyable = [Copyable::<Keys>::HAS, Copyable::<Key>::HAS, Copyable::<AccessKey>::HAS];
        assert_eq!((printable, copyable), ([false; 3], [false; 3]));
    }

    #[test]
    fn every_secret_is_of_a_type_that_is_wiped_when_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let Keys { private, public } = keys(&format!("{:064x}", 1), &number(1, 48));
        wiped(&private.signing);
        wiped(&private.agreement);
        wiped(&private.agreement.diffie_hellman(&private.agreement.public_key()));
        let crate::aws::sigv4::AccessKey { id, secret, token } =
            crate::aws::sigv4::AccessKey { id: String::new(), secret: Zeroizing::default(), token: None };
        wiped(&secret);
        wiped(&token.unwrap_or_default());
        let body = Zeroizing::default();
        let request = crate::http::service::Request { method: id, target: public.address, fields: Vec::new(), body };
        wiped(&request.body);
    }
}
