//! Which path and method is which endpoint, for each of the two APIs.

use super::error::ApiError;

/// One of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// For the application (contract section 7).
    Internal,
    /// For what the application passes on to others (contract section 8).
    Auxiliary,
}

impl Surface {
    /// What threads and log lines call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal API",
            Self::Auxiliary => "auxiliary API",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Address,
    Sign,
    SignTransaction,
    Random,
    Attestation,
    NonceAttestation,
    PublicKey,
    Encrypt,
    Decrypt,
    Storage(StorageCall),
}

/// What may be asked of the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StorageCall {
    Get,
    Put,
    Delete,
    List,
}

/// The endpoint at `target`, whose query is not looked at.
///
/// # Errors
/// [`ApiError::NotFound`], or, of the internal API, [`ApiError::Method`] with what the path takes.
pub(super) fn route(surface: Surface, method: &str, target: &str) -> Result<Endpoint, ApiError> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let (allowed, endpoint) = match (path, surface) {
        ("/v1/eth/address", _) => ("GET", Endpoint::Address),
        ("/v1/encryption/public_key", _) => ("GET", Endpoint::PublicKey),
        ("/v1/attestation", Surface::Internal) => ("POST", Endpoint::Attestation),
        ("/v1/attestation", Surface::Auxiliary) => ("POST", Endpoint::NonceAttestation),
        (_, Surface::Auxiliary) => return Err(ApiError::NotFound),
        ("/v1/eth/sign", _) => ("POST", Endpoint::Sign),
        ("/v1/eth/sign-tx", _) => ("POST", Endpoint::SignTransaction),
        ("/v1/random", _) => ("GET", Endpoint::Random),
        ("/v1/encryption/encrypt", _) => ("POST", Endpoint::Encrypt),
        ("/v1/encryption/decrypt", _) => ("POST", Endpoint::Decrypt),
        ("/v1/s3/get", _) => ("POST", Endpoint::Storage(StorageCall::Get)),
        ("/v1/s3/put", _) => ("POST", Endpoint::Storage(StorageCall::Put)),
        ("/v1/s3/delete", _) => ("POST", Endpoint::Storage(StorageCall::Delete)),
        ("/v1/s3/list", _) => ("POST", Endpoint::Storage(StorageCall::List)),
        _ => return Err(ApiError::NotFound),
    };
    match surface {
        _ if method == allowed => Ok(endpoint),
        // Its three calls, and everything else 404: a probe is not told what else there might be.
        Surface::Auxiliary => Err(ApiError::NotFound),
        Surface::Internal => Err(ApiError::Method(allowed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(surface: Surface, method: &str, target: &str) -> u16 {
        route(surface, method, target).map_or_else(|e| e.status(), |_| 200)
    }

    #[test]
    fn paths_are_exact_and_methods_are_told() {
        let internal = |method, target| status(Surface::Internal, method, target);
        assert_eq!(internal("GET", "/v1/eth/address"), 200);
        assert_eq!(internal("GET", "/v1/eth/address?x=1"), 200);
        for unknown in ["/", "/v1/eth/address/", "//v1/eth/address", "/V1/eth/address", "/v1/eth/%61ddress", "*"] {
            assert_eq!(internal("GET", unknown), 404, "{unknown}");
        }
        for method in ["POST", "HEAD", "OPTIONS", "get", "BREW"] {
            let error = route(Surface::Internal, method, "/v1/random").unwrap_err();
            assert_eq!((error.status(), error.allow()), (405, Some("GET")), "{method}");
        }
        assert_eq!(route(Surface::Internal, "GET", "/v1/eth/sign").unwrap_err().allow(), Some("POST"));
    }

    #[test]
    fn the_auxiliary_api_has_three_paths() {
        let auxiliary = |method, target| status(Surface::Auxiliary, method, target);
        assert_eq!(auxiliary("GET", "/v1/eth/address"), 200);
        assert_eq!(auxiliary("GET", "/v1/encryption/public_key"), 200);
        assert_eq!(route(Surface::Auxiliary, "POST", "/v1/attestation").unwrap(), Endpoint::NonceAttestation);
        for path in ["/v1/eth/sign", "/v1/eth/sign-tx", "/v1/random", "/v1/encryption/decrypt", "/v1/s3/get"] {
            assert_eq!((auxiliary("GET", path), auxiliary("POST", path)), (404, 404), "{path}");
        }
        for (method, path) in
            [("POST", "/v1/eth/address"), ("HEAD", "/v1/encryption/public_key"), ("GET", "/v1/attestation")]
        {
            assert_eq!(auxiliary(method, path), 404, "{method} {path}");
        }
    }
}
