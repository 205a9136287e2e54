//! What a request to the KMS proxy is for: region and service, from the credential scope its caller signed with.
//!
//! The signature itself is not checked, and need not be good: callers have no credentials of AWS's, and whoever can send
//! here is the application itself. What counts is signed anew.

use super::error::ProxyError;
use crate::config::value::Region;
use crate::http::service::Request;

/// SigV4 with a secret key. The asymmetric kind names no region in its scope.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The region a request was signed for. That its service was `kms` has been checked.
///
/// # Errors
/// [`ProxyError::Unsigned`], [`ProxyError::Scope`] or [`ProxyError::Service`].
pub fn region(request: &Request) -> Result<Region, ProxyError> {
    let (algorithm, credential) = match request.field("authorization") {
        Some(value) => in_header(value),
        None => in_query(query(request)).ok_or(ProxyError::Unsigned)?,
    };
    if algorithm != Some(ALGORITHM) {
        return Err(ProxyError::Scope("the algorithm is not AWS4-HMAC-SHA256"));
    }
    let credential = credential.ok_or(ProxyError::Scope("there is no Credential"))?;
    // From the right: an access key's name may hold anything.
    let mut parts = credential.rsplitn(5, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (end, service, region, date, key) = (part(), part(), part(), part(), part());
    let dated = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    if end != "aws4_request" || !dated || key.is_empty() {
        return Err(ProxyError::Scope("the Credential is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request"));
    }
    if service != "kms" {
        return Err(ProxyError::Service);
    }
    Region::parse(region).ok_or(ProxyError::Scope("the Credential's region is none"))
}

fn query(request: &Request) -> &str {
    request.target.split_once('?').map_or("", |(_, query)| query)
}

/// Algorithm and credential of `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`.
fn in_header(value: &str) -> (Option<&str>, Option<String>) {
    let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
    let credential = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="));
    (Some(algorithm), credential.map(str::to_owned))
}

/// The same of a presigned URL; `None` when there is nothing of it.
fn in_query(query: &str) -> Option<(Option<&str>, Option<String>)> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let credential = value("X-Amz-Credential")?;
    // The slash is all that has to be escaped in a scope.
    Some((value("X-Amz-Algorithm"), Some(credential.replace("%2F", "/").replace("%2f", "/"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn of(authorization: Option<&str>, target: &str) -> Result<String, String> {
        let fields = authorization.iter().map(|value| ("authorization".to_owned(), (*value).to_owned())).collect();
        let body = Zeroizing::new(Vec::new());
        let request = Request { method: "POST".to_owned(), target: target.to_owned(), fields, body };
        region(&request).map(|region| region.to_string()).map_err(|e| e.kind().to_owned())
    }

    fn signed(credential: &str) -> Result<String, String> {
        let value = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00");
        of(Some(&value), "/")
    }

    #[test]
    fn the_region_comes_from_the_header_or_the_query() {
        assert_eq!(signed("AKID/20261123/eu-west-1/kms/aws4_request").unwrap(), "eu-west-1");
        assert_eq!(signed("a/b/c/20261123/eu-west-1/kms/aws4_request").unwrap(), "eu-west-1");
        let query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261123%2fus-east-1%2Fkms%2Faws4_request";
        assert_eq!(of(None, query).unwrap(), "us-east-1");
    }

    #[test]
    fn a_scope_that_says_less_or_something_else_is_refused() {
        assert_eq!(of(None, "/").unwrap_err(), "MissingAuthenticationTokenException");
        assert_eq!(of(None, "/?X-Amz-Signature=00").unwrap_err(), "MissingAuthenticationTokenException");
        assert_eq!(signed("AKID/20261123/eu-west-1/s3/aws4_request").unwrap_err(), "InvalidSignatureException");
        let incomplete = [
            "",
            "AKID",
            "20261123/eu-west-1/kms/aws4_request",
            "/20261123/eu-west-1/kms/aws4_request",
            "AKID/20261123//kms/aws4_request",
            "AKID/20261123/eu_west/kms/aws4_request",
            "AKID/20261123/evil.test%23/kms/aws4_request",
            "AKID/20261123/EU-WEST-1/kms/aws4_request",
            "AKID/2026112/eu-west-1/kms/aws4_request",
            "AKID/20261123/eu-west-1/kms/aws4",
        ];
        for credential in incomplete {
            assert_eq!(signed(credential).unwrap_err(), "IncompleteSignatureException", "{credential}");
        }
        for value in
            ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256 Credential=A/20261123/kms/aws4_request"]
        {
            assert_eq!(of(Some(value), "/").unwrap_err(), "IncompleteSignatureException", "{value}");
        }
    }
}
