//! `CiphertextForRecipient`: what KMS encrypts to the key of an attestation document.
//!
//! It is CMS EnvelopedData (RFC 5652, section 6) for one recipient: a content key of AES-256 by RSAES-OAEP with SHA-256
//! (RFC 8017, RFC 4055), the content by AES-256-CBC (RFC 3565). AWS writes it in BER with indefinite lengths and the
//! content in pieces; DER is taken as well. The parser is RustCrypto's `der`.
//!
//! Promises: every algorithm and parameter is checked, and another one is refused rather than tried. Whatever goes wrong
//! once decryption has begun is the same error after the same steps. What CBC cannot promise: the content is not
//! authenticated by this format. Changed on the way it may open to something else; that nobody changes it is TLS's part.

use std::fmt;

use aes::Aes256;
use cbc::cipher::{Block, BlockModeDecrypt, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Decode, DecodeValue, FixedTag, Header, Reader, Tag, TagMode, TagNumber, Tagged};
use p384::pkcs8::spki::AlgorithmIdentifierRef;
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

/// Bytes of a block of AES, and of the initialisation vector.
const BLOCK: usize = 16;

/// Bytes of the content key.
const KEY: usize = 32;

const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const P_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.9");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const AES256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");

/// Why an envelope was not opened. Never says anything that depends on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CmsError {
    /// KMS's: not the encoding of an envelope.
    Encoding(der::Error),
    /// KMS's: an envelope of another kind; what is not supported.
    Unsupported(&'static str),
    /// KMS's: it is for another key, or was changed on the way.
    Decryption,
}

impl fmt::Display for CmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(e) => write!(f, "is no CMS envelope: {e}"),
            Self::Unsupported(what) => write!(f, "is a CMS envelope with {what}"),
            Self::Decryption => f.write_str("does not decrypt with this enclave's key"),
        }
    }
}

impl std::error::Error for CmsError {}

impl From<der::Error> for CmsError {
    fn from(e: der::Error) -> Self {
        Self::Encoding(e)
    }
}

/// A well-formed envelope of the one kind that KMS makes. Nothing in it is secret.
#[derive(Debug)]
pub struct Envelope {
    encrypted_key: Vec<u8>,
    iv: [u8; BLOCK],
    /// One block at least, and whole ones.
    content: Vec<u8>,
}

impl Envelope {
    /// Reads an envelope in BER or DER with nothing behind it.
    ///
    /// # Errors
    /// [`CmsError::Encoding`] or [`CmsError::Unsupported`].
    pub fn parse(ber: &[u8]) -> Result<Self, CmsError> {
        let info = ContentInfo::from_ber(ber)?;
        let (recipient, content) = (info.0.recipient, info.0.content);
        check_oaep(&recipient.algorithm)?;
        if content.kind != DATA {
            return Err(CmsError::Unsupported("content that is no data"));
        }
        let iv = initialisation_vector(&content.algorithm)?;
        let content = content.bytes.into_bytes().into_vec();
        if content.is_empty() || content.len() % BLOCK != 0 {
            return Err(CmsError::Unsupported("content that is not whole blocks"));
        }
        Ok(Self { encrypted_key: recipient.encrypted_key.into_bytes().into_vec(), iv, content })
    }

    /// The content key, encrypted to the recipient.
    #[must_use]
    pub fn encrypted_key(&self) -> &[u8] {
        &self.encrypted_key
    }

    /// The content, with what [`Self::encrypted_key`] decrypted to: `None` when it did not. The same work is done either
    /// way, and the padding is looked at in constant time.
    ///
    /// # Errors
    /// [`CmsError::Decryption`].
    pub fn open(self, key: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        let key = key.filter(|key| key.len() == KEY);
        let stand_in = [0; KEY];
        let mut cipher = cbc::Decryptor::<Aes256>::new_from_slices(key.unwrap_or(&stand_in), &self.iv)
            .map_err(|_| CmsError::Decryption)?;
        let mut content = Zeroizing::new(self.content);
        let (blocks, _) = Block::<cbc::Decryptor<Aes256>>::slice_as_chunks_mut(&mut content);
        cipher.decrypt_blocks(blocks);
        let (well_padded, padding) = padding(&content);
        if !bool::from(well_padded & Choice::from(u8::from(key.is_some()))) {
            return Err(CmsError::Decryption);
        }
        let length = content.len().saturating_sub(usize::from(padding));
        content.truncate(length);
        Ok(content)
    }
}

/// Whether the last block ends in the padding of RFC 5652, section 6.3, and its length. Looks at every byte of the block,
/// whatever is in it.
fn padding(content: &[u8]) -> (Choice, u8) {
    let last = content.last().copied().unwrap_or(0);
    let mut good = !last.ct_eq(&0) & !last.ct_gt(&16);
    for (distance, byte) in (1_u8..=16).zip(content.iter().rev()) {
        let is_text = distance.ct_gt(&last);
        good &= is_text | byte.ct_eq(&last);
    }
    (good, last)
}

/// Only SHA-256, for the hash and in MGF1, without a label. SHA-1, the default, is refused too.
fn check_oaep(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), CmsError> {
    let wrong = CmsError::Unsupported("a key encrypted otherwise than by RSAES-OAEP with SHA-256");
    let (RSAES_OAEP, Some(parameters)) = (algorithm.oid, algorithm.parameters) else { return Err(wrong) };
    type Optional<'a> = Option<AlgorithmIdentifierRef<'a>>;
    let (hash, mask, label): (Optional<'_>, Optional<'_>, Optional<'_>) =
        parameters.sequence(|fields| -> der::Result<_> {
            let mut field = |number| fields.context_specific(TagNumber(number), TagMode::Explicit);
            Ok((field(0)?, field(1)?, field(2)?))
        })?;
    let mask = match mask {
        Some(AlgorithmIdentifierRef { oid: MGF1, parameters: Some(hash) }) => {
            Some(hash.decode_as::<AlgorithmIdentifierRef<'_>>()?)
        }
        _ => None,
    };
    let no_label = match label {
        None => true,
        Some(AlgorithmIdentifierRef { oid: P_SPECIFIED, parameters: Some(label) }) => {
            label.decode_as::<&OctetStringRef>()?.is_empty()
        }
        Some(_) => false,
    };
    if is_sha256(hash) && is_sha256(mask) && no_label { Ok(()) } else { Err(wrong) }
}

/// With `NULL` for parameters or none: both are to be taken (RFC 4055, section 2.1).
fn is_sha256(algorithm: Option<AlgorithmIdentifierRef<'_>>) -> bool {
    algorithm.is_some_and(|found| found.oid == SHA256 && found.parameters.is_none_or(AnyRef::is_null))
}

fn initialisation_vector(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<[u8; BLOCK], CmsError> {
    let wrong = CmsError::Unsupported("content encrypted otherwise than by AES-256-CBC");
    let (AES256_CBC, Some(parameters)) = (algorithm.oid, algorithm.parameters) else { return Err(wrong) };
    parameters.decode_as::<&OctetStringRef>()?.as_bytes().try_into().map_err(|_| wrong)
}

/// `ContentInfo` (section 3) of this one type.
struct ContentInfo<'a>(EnvelopedData<'a>);

impl<'a> DecodeValue<'a> for ContentInfo<'a> {
    type Error = CmsError;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, CmsError> {
        if reader.decode::<ObjectIdentifier>()? != ENVELOPED_DATA {
            return Err(CmsError::Unsupported("a type other than EnvelopedData"));
        }
        let content = reader.context_specific(TagNumber(0), TagMode::Explicit)?;
        content.map(Self).ok_or(CmsError::Unsupported("nothing in it"))
    }
}

impl FixedTag for ContentInfo<'_> {
    const TAG: Tag = Tag::Sequence;
}

/// `EnvelopedData` (section 6.1) with one recipient, no originator and no attributes.
struct EnvelopedData<'a> {
    recipient: KeyTransRecipientInfo<'a>,
    content: EncryptedContentInfo<'a>,
}

impl<'a> DecodeValue<'a> for EnvelopedData<'a> {
    type Error = CmsError;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, CmsError> {
        check_version(reader.decode()?)?;
        Ok(Self { recipient: reader.decode::<RecipientInfos<'a>>()?.0, content: reader.decode()? })
    }
}

impl FixedTag for EnvelopedData<'_> {
    const TAG: Tag = Tag::Sequence;
}

/// Version 0 names recipients by issuer and serial number, 2 by key identifier too; nothing else differs here.
fn check_version(version: u8) -> Result<(), CmsError> {
    if matches!(version, 0 | 2) { Ok(()) } else { Err(CmsError::Unsupported("another version")) }
}

/// `RecipientInfos` of one element.
struct RecipientInfos<'a>(KeyTransRecipientInfo<'a>);

impl<'a> DecodeValue<'a> for RecipientInfos<'a> {
    type Error = CmsError;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, CmsError> {
        let one = reader.decode()?;
        if reader.is_finished() { Ok(Self(one)) } else { Err(CmsError::Unsupported("more than one recipient")) }
    }
}

impl FixedTag for RecipientInfos<'_> {
    const TAG: Tag = Tag::Set;
}

/// `KeyTransRecipientInfo` (section 6.2.1). Whom it names is not compared: this enclave has one key, and no other opens
/// what is for it.
struct KeyTransRecipientInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    encrypted_key: OctetString,
}

impl<'a> DecodeValue<'a> for KeyTransRecipientInfo<'a> {
    type Error = CmsError;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, CmsError> {
        check_version(reader.decode()?)?;
        let key_identifier = reader.context_specific::<OctetString>(TagNumber(0), TagMode::Implicit)?;
        if key_identifier.is_none() {
            Tagged::tag(&reader.decode::<AnyRef<'_>>()?).assert_eq(Tag::Sequence)?;
        }
        Ok(Self { algorithm: reader.decode()?, encrypted_key: reader.decode()? })
    }
}

impl FixedTag for KeyTransRecipientInfo<'_> {
    const TAG: Tag = Tag::Sequence;
}

/// `EncryptedContentInfo` (section 6.1) with its content in place.
struct EncryptedContentInfo<'a> {
    kind: ObjectIdentifier,
    algorithm: AlgorithmIdentifierRef<'a>,
    bytes: OctetString,
}

impl<'a> DecodeValue<'a> for EncryptedContentInfo<'a> {
    type Error = CmsError;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, CmsError> {
        let (kind, algorithm) = (reader.decode()?, reader.decode()?);
        let bytes = reader.context_specific(TagNumber(0), TagMode::Implicit)?;
        Ok(Self { kind, algorithm, bytes: bytes.ok_or(CmsError::Unsupported("no content"))? })
    }
}

impl FixedTag for EncryptedContentInfo<'_> {
    const TAG: Tag = Tag::Sequence;
}

#[cfg(test)]
mod tests;
