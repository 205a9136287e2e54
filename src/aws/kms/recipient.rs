//! The key that KMS encrypts to: RSA with 2048 bits, made in this enclave and named in each attestation document.
//!
//! Promises: its randomness, and that of every use of it (blinding), is the Nitro Secure Module's and nobody else's; the
//! private key never leaves this type and is wiped when dropped, as far as the `rsa` crate wipes it. Making it takes a thread of its own, so that the
//! application starts meanwhile; the first call that needs it waits.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use rsa::PrivateKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::cms::{CmsError, Envelope};
use crate::config::limits;
use crate::nsm::{AttestationRequest, Nsm, NsmError};
use crate::serve::thread_builder;
use crate::sync::{lock, wait};

/// What Nitro's documentation and every client of it use.
const BITS: usize = 2048;

/// Why the recipient could not do its part.
#[derive(Debug)]
pub enum RecipientError {
    /// The key is not there yet, [`limits::KMS_KEY_WAIT`] after it was asked for.
    Late,
    /// Making the key failed; the log has the reason. The next call has it tried again.
    NoKey,
    /// The module's.
    Nsm(NsmError),
    /// KMS's: this is no envelope for this key.
    Cms(CmsError),
}

impl fmt::Display for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("the enclave's RSA key is not made yet: try again"),
            Self::NoKey => f.write_str("making the enclave's RSA key failed, its log has the reason: try again"),
            Self::Nsm(e) => write!(f, "{e}"),
            Self::Cms(e) => write!(f, "CiphertextForRecipient {e}"),
        }
    }
}

impl std::error::Error for RecipientError {}

/// The key, once it is there, and who attests to it.
pub struct Recipient {
    nsm: Arc<dyn Nsm>,
    slot: Arc<Slot>,
}

struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Making,
    Made(Arc<Key>),
    Failed,
}

impl Recipient {
    /// Starts making the key.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn new(nsm: Arc<dyn Nsm>) -> io::Result<Self> {
        let slot = Arc::new(Slot { state: Mutex::new(State::Making), changed: Condvar::new() });
        let recipient = Self { nsm, slot };
        recipient.start_making()?;
        Ok(recipient)
    }

    /// A new attestation document over the key, and the key. The document has neither nonce nor user data: KMS looks at
    /// neither.
    ///
    /// # Errors
    /// Any but [`RecipientError::Cms`].
    pub fn attest(&self) -> Result<(Vec<u8>, Arc<Key>), RecipientError> {
        let key = self.key()?;
        let request = AttestationRequest { public_key: Some(key.spki.clone()), ..AttestationRequest::default() };
        Ok((self.nsm.attest(&request).map_err(RecipientError::Nsm)?, key))
    }

    fn key(&self) -> Result<Arc<Key>, RecipientError> {
        let deadline = Instant::now() + limits::KMS_KEY_WAIT;
        let mut state = lock(&self.slot.state);
        if matches!(*state, State::Failed) {
            self.start_making_again(&mut state)?;
        }
        loop {
            match &*state {
                State::Made(key) => return Ok(Arc::clone(key)),
                State::Failed => return Err(RecipientError::NoKey),
                State::Making => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecipientError::Late);
            }
            state = wait(&self.slot.changed, state, left);
        }
    }

    /// One attempt at a time: whoever finds a failed one makes the next.
    fn start_making_again(&self, state: &mut MutexGuard<'_, State>) -> Result<(), RecipientError> {
        **state = State::Making;
        self.start_making().map_err(|e| {
            log::error!("KMS proxy: no thread to make the RSA key: {e}");
            **state = State::Failed;
            RecipientError::NoKey
        })
    }

    fn start_making(&self) -> io::Result<()> {
        let (slot, nsm) = (Arc::clone(&self.slot), Arc::clone(&self.nsm));
        let make = move || {
            let begun = Instant::now();
            // A panic would leave everybody waiting for a key that never comes.
            let made = catch_unwind(AssertUnwindSafe(|| Key::generate(nsm))).unwrap_or(Err(None));
            let state = match made {
                Ok(key) => {
                    log::info!("KMS proxy: made an RSA key in {:?}", begun.elapsed());
                    State::Made(Arc::new(key))
                }
                Err(reason) => {
                    let reason = reason.map_or_else(|| "a defect in odyn".to_owned(), |e| e.to_string());
                    log::error!("KMS proxy: cannot make the RSA key: {reason}");
                    State::Failed
                }
            };
            *lock(&slot.state) = state;
            slot.changed.notify_all();
        };
        thread_builder("kms key").stack_size(limits::API_STACK).spawn(make).map(drop)
    }
}

/// An RSA key pair with the module whose randomness its use needs. No `Debug`, no `Clone`.
pub struct Key {
    pair: PrivateKey,
    /// SubjectPublicKeyInfo in DER (RFC 5280).
    spki: Vec<u8>,
    nsm: Arc<dyn Nsm>,
}

impl Key {
    /// The error is the module's, or `None` for a defect of odyn.
    fn generate(nsm: Arc<dyn Nsm>) -> Result<Self, Option<NsmError>> {
        let mut random = Randomness { nsm: &*nsm, failure: None };
        match PrivateKey::new(&mut random, BITS) {
            Ok(pair) => Self::new(pair, nsm).ok_or(None),
            Err(_) => Err(random.failure),
        }
    }

    fn new(pair: PrivateKey, nsm: Arc<dyn Nsm>) -> Option<Self> {
        let spki = pair.to_public_key().to_public_key_der().ok()?.into_vec();
        Some(Self { pair, spki, nsm })
    }

    /// Opens what KMS encrypted to this key. RSA is blinded anew each time (RFC 8017 leaves that to implementations).
    ///
    /// # Errors
    /// [`RecipientError::Cms`], or [`RecipientError::Nsm`] when there is no randomness to blind with.
    pub fn open(&self, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, RecipientError> {
        let envelope = Envelope::parse(envelope).map_err(RecipientError::Cms)?;
        let content_key = self.decrypt(envelope.encrypted_key())?;
        envelope.open(content_key.as_ref().map(|key| key.as_slice())).map_err(RecipientError::Cms)
    }

    /// RSAES-OAEP with SHA-256 (RFC 8017, section 7.1.2); `None` when it does not decrypt, for whatever reason.
    fn decrypt(&self, ciphertext: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, RecipientError> {
        let mut random = Randomness { nsm: &*self.nsm, failure: None };
        let plaintext = self.pair.oaep_decrypt_with_rng::<Sha256, _>(&mut random, ciphertext);
        match random.failure {
            Some(e) => Err(RecipientError::Nsm(e)),
            None => Ok(plaintext.ok().map(Zeroizing::new)),
        }
    }
}

/// The module as the `rsa` crate wants a source of randomness. Keeps the first error, of which the crate says only that
/// there was one.
struct Randomness<'a> {
    nsm: &'a dyn Nsm,
    failure: Option<NsmError>,
}

impl Randomness<'_> {
    fn draw<const N: usize>(&mut self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        self.try_fill_bytes(&mut bytes).map(|()| bytes)
    }
}

impl TryRng for Randomness<'_> {
    type Error = NoRandomness;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomness> {
        self.draw().map(u32::from_le_bytes)
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomness> {
        self.draw().map(u64::from_le_bytes)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), NoRandomness> {
        self.nsm.random(out).map_err(|e| {
            self.failure.get_or_insert(e);
            NoRandomness
        })
    }
}

impl TryCryptoRng for Randomness<'_> {}

#[derive(Debug)]
struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no randomness")
    }
}

impl std::error::Error for NoRandomness {}

#[cfg(test)]
pub(in super::super) mod tests;
