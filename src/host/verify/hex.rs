//! Bytes as hexadecimal digits and back.

/// Two lower-case digits a byte, no prefix.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Bytes from digits of either case, `0x` before them or not; `None` for anything else.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    base16ct::mixed::decode_vec(text.strip_prefix("0x").unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_and_nothing_else_is_read_as_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
        assert_eq!((decode("0xAb"), decode("")), (Some(vec![0xab]), Some(vec![])));
        for bad in ["a", "0xa", "+1", "zz", "0x0x", " 1", "é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
