use super::*;
use crate::aws::kms::recipient::tests::{encrypt, key, own_key, recorded};
use crate::aws::kms::recipient::{Key, RecipientError};
use base64ct::{Base64, Encoding};
use cbc::cipher::BlockModeEncrypt;
use p384::pkcs8::der::Encode;

/// What AWS sent once, and the key it is for.
fn real() -> Option<(Vec<u8>, Key)> {
    let decode = |text: String| Base64::decode_vec(text.trim()).unwrap();
    let sent = recorded("kms/ciphertext_for_recipient.b64")?;
    let pkcs8 = recorded("kms/recipient_private_key_pkcs8.b64")?;
    Some((decode(sent), key(&decode(pkcs8))))
}

fn opened(key: &Key, envelope: &[u8]) -> Result<Vec<u8>, CmsError> {
    match key.open(envelope) {
        Ok(text) => Ok(text.to_vec()),
        Err(RecipientError::Cms(e)) => Err(e),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn what_kms_really_sent_opens_and_no_part_of_it_does() {
    let Some((sent, key)) = real() else { return };
    assert_eq!(opened(&key, &sent).unwrap(), b"Hello, World");
    for length in 0..sent.len() {
        assert!(matches!(opened(&key, &sent[..length]), Err(CmsError::Encoding(_))), "{length}");
    }
    assert!(matches!(opened(&key, &[sent, vec![0]].concat()), Err(CmsError::Encoding(_))));
}

#[test]
fn a_changed_bit_opens_nothing_else_except_where_cbc_is_blind() {
    let Some((sent, key)) = real() else { return };
    // The initialisation vector, each bit of which is a bit of the first block, and the content.
    let blind = [415..431, 435..451];
    for at in 0..sent.len() {
        let mut changed = sent.clone();
        changed[at] ^= 1 << (at % 8);
        match opened(&key, &changed) {
            Ok(text) if text == b"Hello, World" => {}
            Ok(_) => assert!(blind.iter().any(|range| range.contains(&at)), "byte {at}"),
            Err(_) => {}
        }
    }
}

#[test]
fn what_is_for_somebody_elses_key_does_not_open() {
    let Some((sent, _)) = real() else { return };
    assert_eq!(opened(own_key(), &sent), Err(CmsError::Decryption));
}

/// A value in DER: every part of these envelopes is shorter than 64 KiB.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match u8::try_from(content.len()) {
        Ok(short @ ..128) => vec![short],
        Ok(longer) => vec![0x81, longer],
        _ => [vec![0x82], u16::try_from(content.len()).unwrap().to_be_bytes().to_vec()].concat(),
    };
    [vec![tag], length, content].concat()
}

/// The same with an indefinite length.
fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
}

/// The parts of an envelope, each to be changed by a test.
#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    recipient_version: Vec<u8>,
    identifier: Vec<u8>,
    key_algorithm: Vec<u8>,
    encrypted_key: Vec<u8>,
    kind: ObjectIdentifier,
    content_algorithm: Vec<u8>,
    content: Vec<u8>,
}

fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    oid.to_der().unwrap()
}

fn sha256() -> Vec<u8> {
    der(0x30, &[&oid(SHA256), &[5, 0]])
}

fn oaep(fields: &[&[u8]]) -> Vec<u8> {
    der(0x30, &[&oid(RSAES_OAEP), &der(0x30, fields)])
}

fn hash_and_mask() -> [Vec<u8>; 2] {
    [der(0xa0, &[&sha256()]), der(0xa1, &[&der(0x30, &[&oid(MGF1), &sha256()])])]
}

const CONTENT_KEY: [u8; KEY] = [7; KEY];
const IV: [u8; BLOCK] = [9; BLOCK];

/// Encrypts whole blocks with [`CONTENT_KEY`], without adding any padding.
fn blocks(mut text: Vec<u8>) -> Vec<u8> {
    let mut cipher = cbc::Encryptor::<Aes256>::new_from_slices(&CONTENT_KEY, &IV).unwrap();
    cipher.encrypt_blocks(Block::<cbc::Encryptor<Aes256>>::slice_as_chunks_mut(&mut text).0);
    text
}

fn padded(text: &[u8]) -> Vec<u8> {
    let padding = BLOCK - text.len() % BLOCK;
    blocks([text.to_vec(), vec![u8::try_from(padding).unwrap(); padding]].concat())
}

impl Parts {
    fn new(text: &[u8]) -> Self {
        let [hash, mask] = hash_and_mask();
        Self {
            version: vec![2, 1, 2],
            recipient_version: vec![2, 1, 2],
            identifier: der(0x80, &[&[1; 32]]),
            key_algorithm: oaep(&[&hash, &mask]),
            encrypted_key: der(4, &[&encrypt(own_key(), &CONTENT_KEY)]),
            kind: DATA,
            content_algorithm: der(0x30, &[&oid(AES256_CBC), &der(4, &[&IV])]),
            content: der(0x80, &[&padded(text)]),
        }
    }

    fn recipient(&self) -> Vec<u8> {
        der(0x30, &[&self.recipient_version, &self.identifier, &self.key_algorithm, &self.encrypted_key])
    }

    /// With every constructed value that AWS writes with an indefinite length written by `write`.
    fn envelope(&self, write: fn(u8, &[&[u8]]) -> Vec<u8>) -> Vec<u8> {
        self.with_recipients(write, &[&self.recipient()])
    }

    fn with_recipients(&self, write: fn(u8, &[&[u8]]) -> Vec<u8>, recipients: &[&[u8]]) -> Vec<u8> {
        let content = write(0x30, &[&oid(self.kind), &self.content_algorithm, &self.content]);
        let enveloped = write(0x30, &[&self.version, &der(0x31, recipients), &content]);
        write(0x30, &[&oid(ENVELOPED_DATA), &write(0xa0, &[&enveloped])])
    }

    fn open(&self) -> Result<Vec<u8>, CmsError> {
        opened(own_key(), &self.envelope(der))
    }
}

#[test]
fn der_and_ber_open_with_content_in_one_piece_or_many() {
    let long: Vec<u8> = (0..=255).cycle().take(2_500).collect();
    for text in [b"".as_slice(), b"Hello", &[1; 16], &long] {
        let mut parts = Parts::new(text);
        assert_eq!(opened(own_key(), &parts.envelope(der)).unwrap(), text);
        assert_eq!(opened(own_key(), &parts.envelope(ber)).unwrap(), text);
        let pieces: Vec<Vec<u8>> = padded(text).chunks(1000).map(|piece| der(4, &[piece])).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        parts.content = ber(0xa0, &pieces);
        assert_eq!(opened(own_key(), &parts.envelope(ber)).unwrap(), text);
        assert_eq!(opened(own_key(), &parts.envelope(der)).unwrap(), text);
    }
}

#[test]
fn a_recipient_may_be_named_by_issuer_and_serial_number() {
    let identifier = der(0x30, &[&der(0x30, &[]), &[2, 1, 1]]);
    let parts = Parts { version: vec![2, 1, 0], recipient_version: vec![2, 1, 0], identifier, ..Parts::new(b"text") };
    assert_eq!(parts.open().unwrap(), b"text");
}

#[test]
fn hashes_may_be_written_without_parameters_and_the_label_when_it_is_empty() {
    let bare = der(0x30, &[&oid(SHA256)]);
    let mask = der(0x30, &[&oid(MGF1), &bare]);
    let label = der(0x30, &[&oid(P_SPECIFIED), &[4, 0]]);
    let key_algorithm = oaep(&[&der(0xa0, &[&bare]), &der(0xa1, &[&mask]), &der(0xa2, &[&label])]);
    assert_eq!(Parts { key_algorithm, ..Parts::new(b"text") }.open().unwrap(), b"text");
}

#[test]
fn other_algorithms_and_parameters_are_refused_by_name() {
    let [hash, mask] = hash_and_mask();
    let sha1 = der(0x30, &[&oid(ObjectIdentifier::new_unwrap("1.3.14.3.2.26")), &[5, 0]]);
    let sha1_mask = der(0x30, &[&oid(MGF1), &sha1]);
    let label = der(0x30, &[&oid(P_SPECIFIED), &der(4, &[b"label"])]);
    let rsa = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    let wrong_keys = [
        oaep(&[]),
        oaep(&[&hash]),
        oaep(&[&mask]),
        oaep(&[&der(0xa0, &[&sha1]), &mask]),
        oaep(&[&hash, &der(0xa1, &[&sha1_mask])]),
        oaep(&[&hash, &der(0xa1, &[&sha256()])]),
        oaep(&[&hash, &mask, &der(0xa2, &[&label])]),
        der(0x30, &[&oid(RSAES_OAEP)]),
        der(0x30, &[&oid(rsa), &[5, 0]]),
    ];
    let parts = Parts::new(b"text");
    for key_algorithm in wrong_keys {
        let refused = Parts { key_algorithm, ..parts.clone() }.open();
        let wrong = "a key encrypted otherwise than by RSAES-OAEP with SHA-256";
        assert_eq!(refused, Err(CmsError::Unsupported(wrong)));
    }
    let aes128 = oid(ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"));
    let cbc = oid(AES256_CBC);
    for algorithm in [vec![aes128, der(4, &[&IV])], vec![cbc.clone(), der(4, &[&[9; 15]])], vec![cbc]] {
        let refused = Parts { content_algorithm: der(0x30, &[&algorithm.concat()]), ..parts.clone() }.open();
        assert_eq!(refused, Err(CmsError::Unsupported("content encrypted otherwise than by AES-256-CBC")));
    }
}

#[test]
fn another_number_of_recipients_or_of_blocks_is_refused() {
    let parts = Parts::new(b"text");
    let one = parts.recipient();
    let two = opened(own_key(), &parts.with_recipients(ber, &[&one, &one]));
    assert_eq!(two, Err(CmsError::Unsupported("more than one recipient")));
    assert!(matches!(opened(own_key(), &parts.with_recipients(ber, &[])), Err(CmsError::Encoding(_))));
    for content in [vec![], vec![1; 15], vec![1; 17]] {
        let refused = Parts { content: der(0x80, &[&content]), ..parts.clone() }.open();
        assert_eq!(refused, Err(CmsError::Unsupported("content that is not whole blocks")));
    }
    let absent = Parts { content: Vec::new(), ..parts.clone() }.open();
    assert_eq!(absent, Err(CmsError::Unsupported("no content")));
    assert_eq!(Parts { version: vec![2, 1, 3], ..parts.clone() }.open(), Err(CmsError::Unsupported("another version")));
    let signed = Parts { kind: ENVELOPED_DATA, ..parts }.open();
    assert_eq!(signed, Err(CmsError::Unsupported("content that is no data")));
}

#[test]
fn every_failure_after_parsing_is_the_same() {
    let parts = Parts::new(b"text");
    let with_key = |key: &[u8]| Parts { encrypted_key: der(4, &[key]), ..parts.clone() }.open();
    let with_blocks = |last: &[u8; BLOCK]| {
        let text = [[b'x'; BLOCK], *last].concat();
        Parts { content: der(0x80, &[&blocks(text)]), ..parts.clone() }.open()
    };
    let padded = |count: usize, with: u8| {
        let mut last = [b'x'; BLOCK];
        last[BLOCK - count..].fill(with);
        last
    };
    // Not a number below the modulus, too short, empty, a key of another size.
    let short = encrypt(own_key(), &[7; 16]);
    for key in [[0xff; 256].as_slice(), &[0; 255], &[], &short] {
        assert_eq!(with_key(key), Err(CmsError::Decryption));
    }
    assert_eq!(with_blocks(&padded(2, 2)).unwrap().len(), 2 * BLOCK - 2);
    assert_eq!(with_blocks(&padded(16, 16)).unwrap().len(), BLOCK);
    for last in [padded(1, 0), padded(1, 2), padded(2, 3), padded(15, 16), padded(16, 17), padded(16, 255)] {
        assert_eq!(with_blocks(&last), Err(CmsError::Decryption));
    }
}

#[test]
fn nested_lengths_without_end_are_an_error_and_not_a_deep_stack() {
    let deep = [[0x30, 0x80].repeat(100_000), vec![0; 200_000]].concat();
    assert!(matches!(Envelope::parse(&deep), Err(CmsError::Encoding(_))));
}
