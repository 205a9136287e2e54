//! COSE_Sign1 (RFC 9052, section 4.2) the way a Nitro Secure Module uses it: ES384, nothing unprotected, no tag.
//!
//! Not part of the enclave's release build: odyn hands documents through unread. The verifier and the simulated module
//! need these bytes, and share them so that they cannot disagree.

/// The protected header `{1: -35}`: the algorithm is ECDSA with SHA-384 (RFC 9053, section 2.1).
pub const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// Bytes of a signature: r and s of P-384, one behind the other.
pub const SIGNATURE: usize = 96;

/// The bytes that are signed: `["Signature1", protected header, no external data, payload]` in CBOR.
#[must_use]
pub fn to_be_signed(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x84];
    out.push(0x6a);
    out.extend_from_slice(b"Signature1");
    put_bytes(&mut out, PROTECTED);
    put_bytes(&mut out, &[]);
    put_bytes(&mut out, payload);
    out
}

/// The whole document: `[protected header, {}, payload, signature]` in CBOR.
#[must_use]
pub fn sign1(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut out = vec![0x84];
    put_bytes(&mut out, PROTECTED);
    out.push(0xa0);
    put_bytes(&mut out, payload);
    put_bytes(&mut out, signature);
    out
}

/// A byte string with its length in the shortest form.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    const BYTE_STRING: u8 = 0x40;
    let length = (bytes.len() as u64).to_be_bytes();
    match bytes.len() {
        0..24 => out.push(BYTE_STRING | length[7]),
        24..0x100 => out.extend_from_slice(&[BYTE_STRING | 24, length[7]]),
        0x100..0x1_0000 => out.extend_from_slice(&[BYTE_STRING | 25, length[6], length[7]]),
        0x1_0000..0x1_0000_0000 => {
            out.push(BYTE_STRING | 26);
            out.extend_from_slice(&length[4..]);
        }
        _ => {
            out.push(BYTE_STRING | 27);
            out.extend_from_slice(&length);
        }
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (length, head) in [
            (0, &[0x40][..]),
            (23, &[0x57]),
            (24, &[0x58, 24]),
            (255, &[0x58, 255]),
            (256, &[0x59, 1, 0]),
            (65_536, &[0x5a, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            put_bytes(&mut out, &vec![7; length]);
            assert_eq!(out[..head.len()], *head);
            assert_eq!(out.len(), head.len() + length);
        }
    }

    #[test]
    fn a_document_is_four_items_and_signs_its_header() {
        assert_eq!(sign1(b"p", b"s"), [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x41, b'p', 0x41, b's']);
        let signed = b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40\x41p";
        assert_eq!(to_be_signed(b"p"), signed);
    }
}
