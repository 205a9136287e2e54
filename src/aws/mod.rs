//! odyn's own calls to AWS: the instance's credentials, KMS and S3.
//!
//! Promises: every call goes through the same egress decision and the same way over vsock as the application's own, and
//! answers within a deadline and a size. odyn's own copies of credentials are wiped when they are dropped, those in the
//! HTTP client's buffers are not; none is ever in a log, an error or a Debug output. Never resolves a name, opens a socket to the world, follows a redirect or keeps a cookie; never uses
//! credentials that have expired.
//!
//! Read in this order: [`client`] is one HTTP call, [`sigv4`] makes AWS believe who sent it, [`credentials`] keeps what
//! that takes, [`s3`] stores objects, [`kms`] is the proxy for AWS KMS.

#![forbid(unsafe_code)]

pub mod backoff;
pub mod client;
pub mod connect;
pub mod credentials;
mod flight;
pub mod kms;
pub mod s3;
pub mod sigv4;
pub mod url;
