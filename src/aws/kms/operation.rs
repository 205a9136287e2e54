//! Which operation a request asks for, and which of its results KMS encrypts to an enclave.

use super::error::ProxyError;
use crate::http::service::Request;

/// What every operation of KMS is called by, before its name.
const SERVICE: &str = "TrentService.";

/// The operations that take a `Recipient`, as KMS's API reference has them, and the result each has in the clear.
const ATTESTING: [(&str, &str); 5] = [
    ("Decrypt", "Plaintext"),
    ("GenerateDataKey", "Plaintext"),
    ("GenerateRandom", "Plaintext"),
    ("GenerateDataKeyPair", "PrivateKeyPlaintext"),
    ("DeriveSharedSecret", "SharedSecret"),
];

/// An operation of KMS, by its name in `x-amz-target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation(String);

impl Operation {
    /// What the request asks for. KMS's SDKs speak AWS's JSON protocol 1.1: POST to `/` with the operation in a field.
    /// Another protocol, or the operation written in another way, is refused, because it would pass an attesting
    /// operation by.
    ///
    /// # Errors
    /// [`ProxyError::Operation`].
    pub fn of(request: &Request) -> Result<Self, ProxyError> {
        let target = request.field("x-amz-target").unwrap_or_default();
        let name = target.strip_prefix(SERVICE).unwrap_or_default();
        let plain = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // KMS knows names in their own case only. Should it ever not, this would be the way around the recipient.
        let disguised = ATTESTING.iter().any(|(known, _)| known.eq_ignore_ascii_case(name) && *known != name);
        if request.method == "POST" && request.path() == "/" && plain && !disguised {
            Ok(Self(name.to_owned()))
        } else {
            Err(ProxyError::Operation)
        }
    }

    /// The name, such as `Decrypt`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The whole of `x-amz-target`.
    #[must_use]
    pub fn target(&self) -> String {
        [SERVICE, &self.0].concat()
    }

    /// The result that comes as `CiphertextForRecipient` instead when the request has a `Recipient`; `None` for
    /// operations that take none.
    #[must_use]
    pub fn secret(&self) -> Option<&'static str> {
        ATTESTING.iter().find(|(name, _)| *name == self.0).map(|(_, secret)| *secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn of(method: &str, path: &str, targets: &[&str]) -> Option<Operation> {
        let fields = targets.iter().map(|value| ("x-amz-target".to_owned(), (*value).to_owned())).collect();
        let body = Zeroizing::new(Vec::new());
        Operation::of(&Request { method: method.to_owned(), target: path.to_owned(), fields, body }).ok()
    }

    #[test]
    fn five_operations_have_a_secret_result() {
        let secret = |name: &str| of("POST", "/", &[&format!("TrentService.{name}")]).unwrap().secret();
        for name in ["Decrypt", "GenerateDataKey", "GenerateRandom"] {
            assert_eq!(secret(name), Some("Plaintext"));
        }
        assert_eq!(secret("GenerateDataKeyPair"), Some("PrivateKeyPlaintext"));
        assert_eq!(secret("DeriveSharedSecret"), Some("SharedSecret"));
        for name in ["Encrypt", "ReEncrypt", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "ListKeys"] {
            assert_eq!(secret(name), None);
        }
    }

    #[test]
    fn what_names_no_operation_in_this_protocol_is_refused() {
        assert!(of("POST", "/?X-Amz-Signature=00", &["TrentService.ListKeys"]).is_some());
        assert_eq!(of("GET", "/", &["TrentService.Decrypt"]), None);
        assert_eq!(of("POST", "/service/TrentService/operation/Decrypt", &[]), None);
        assert_eq!(of("POST", "/x", &["TrentService.Decrypt"]), None);
        assert_eq!(of("POST", "/", &["TrentService.Decrypt", "TrentService.Decrypt"]), None);
        for target in [
            "",
            "Decrypt",
            "TrentService.",
            "TrentService.Decrypt ",
            "trentservice.Decrypt",
            "X#Decrypt",
            "TrentService.decrypt",
        ] {
            assert_eq!(of("POST", "/", &[target]), None, "{target}");
        }
    }
}
