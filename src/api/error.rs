//! Why a request is not answered with 200, as status and JSON body `{"error":"..."}`.

use std::fmt;

use crate::aws::s3::error::S3Error;
use crate::aws::s3::key::KeyError;
use crate::config::limits;
use crate::nsm::NsmError;

/// A request that cannot be served.
#[derive(Debug)]
pub enum ApiError {
    /// The client's: the body is not JSON, or not an object, or has a name twice.
    Json(serde_json::Error),
    /// The client's: a field of the body, by its path, and what is wrong with it.
    Field(String, Problem),
    /// The client's: the path of a field that does not exist.
    Unknown(String),
    /// The client's: the transaction is of a type that is not signed here.
    TransactionType(TransactionType),
    /// The client's: the ciphertext is not one that this key, that key and nonce belong to.
    Decryption,
    /// The client's: there is nothing at this path.
    NotFound,
    /// The client's: the methods this path takes.
    Method(&'static str),
    /// The manifest's: no `storage.s3` section.
    NoStorage,
    /// The client's: there is no object with this key.
    NoObject,
    /// The client's: an object larger than what is stored.
    ObjectTooLarge,
    /// S3's, or that of what leads there.
    Storage(S3Error),
    /// The module's.
    Nsm(NsmError),
    /// A defect of odyn; the log has the place.
    Defect,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It has another type than this.
    Type(&'static str),
    /// It is there and empty.
    Empty,
    /// It is not hexadecimal, two digits a byte.
    Hex,
    /// It is not padded standard base64 (RFC 4648, section 4).
    Base64,
    /// It is not a hexadecimal number.
    Quantity,
    /// A number that starts with zeroes.
    LeadingZeros,
    /// A number with more bytes than this.
    TooLarge(usize),
    /// Not exactly so many bytes.
    Length(usize),
    /// Fewer bytes than this.
    TooShort(usize),
    /// More bytes than this.
    TooLong(usize),
    /// Neither of the words it may be.
    Choice(&'static str),
    /// It is no P-384 public key as SubjectPublicKeyInfo in DER.
    PublicKey,
    /// It is no public key in PEM.
    Pem,
    /// It is not RLP, or RLP that could be written in another way.
    Rlp,
    /// A list of another number of items than this.
    Items(usize),
    /// It is signed already.
    Signed,
    /// It stands beside another spelling of itself.
    Twice,
    /// It is no key of the S3 storage.
    Key(KeyError),
    /// Not a whole number above 0.
    Count,
    /// Not what a header field can carry.
    FieldValue,
}

/// A type of transaction that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionType {
    /// From before EIP-2718.
    Legacy,
    /// EIP-2718 with this first byte.
    Other(u8),
}

impl ApiError {
    /// A problem with the field called `name`.
    #[must_use]
    pub fn field(name: &str, problem: Problem) -> Self {
        Self::Field(name.to_owned(), problem)
    }

    /// The status of contract section 7.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::NoObject => 404,
            Self::Method(_) => 405,
            Self::ObjectTooLarge => 413,
            Self::Storage(_) | Self::Nsm(_) | Self::Defect => 503,
            _ => 400,
        }
    }

    /// The methods to list in `Allow`, when the status is 405.
    #[must_use]
    pub fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Method(allowed) => Some(allowed),
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "body: {e}"),
            Self::Field(name, problem) => write!(f, "{name}: {problem}"),
            Self::Unknown(name) => write!(f, "{name}: no such field"),
            Self::TransactionType(TransactionType::Legacy) => {
                f.write_str("payload.raw_payload: a legacy transaction; only type 0x02 (EIP-1559) is signed")
            }
            Self::TransactionType(TransactionType::Other(byte)) => {
                write!(f, "payload.raw_payload: unknown type 0x{byte:02x}; only type 0x02 (EIP-1559) is signed")
            }
            Self::Decryption => {
                f.write_str("encrypted_data: does not decrypt with this nonce, client_public_key and enclave key")
            }
            Self::NotFound => f.write_str("no such path"),
            Self::Method(allowed) => write!(f, "method not allowed; this path takes {allowed}"),
            Self::NoStorage => f.write_str("S3 storage not configured"),
            Self::NoObject => f.write_str("no object with this key"),
            Self::ObjectTooLarge => write!(f, "value: more than {} MiB", limits::S3_OBJECT >> 20),
            Self::Storage(e) => write!(f, "{e}"),
            Self::Nsm(e) => write!(f, "{e}"),
            Self::Defect => f.write_str("a defect in odyn; its log names the place"),
        }
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Type(wanted) => write!(f, "must be {wanted}"),
            Self::Empty => f.write_str("must not be empty"),
            Self::Hex => f.write_str("not hexadecimal with two digits a byte"),
            Self::Base64 => f.write_str("not padded standard base64"),
            Self::Quantity => f.write_str("not a hexadecimal number such as \"0x1f\""),
            Self::LeadingZeros => f.write_str("a number must not start with zeroes"),
            Self::TooLarge(most) => write!(f, "a number of more than {most} bytes"),
            Self::Length(wanted) => write!(f, "must be {wanted} bytes"),
            Self::TooShort(least) => write!(f, "must be at least {least} bytes"),
            Self::TooLong(most) => write!(f, "must be at most {most} bytes"),
            Self::Choice(words) => write!(f, "must be {words}"),
            Self::PublicKey => f.write_str("not a P-384 public key as SubjectPublicKeyInfo in DER"),
            Self::Pem => f.write_str("not a public key as SubjectPublicKeyInfo in PEM"),
            Self::Rlp => f.write_str("not canonical RLP"),
            Self::Items(wanted) => write!(f, "must be a list of {wanted} items"),
            Self::Signed => f.write_str("is signed already"),
            Self::Twice => f.write_str("there in two spellings"),
            Self::Key(e) => write!(f, "{e}"),
            Self::Count => f.write_str("must be a whole number above 0"),
            Self::FieldValue => f.write_str("must be printable ASCII, such as \"text/plain\""),
        }
    }
}

impl From<NsmError> for ApiError {
    fn from(e: NsmError) -> Self {
        Self::Nsm(e)
    }
}

impl From<S3Error> for ApiError {
    fn from(e: S3Error) -> Self {
        Self::Storage(e)
    }
}
