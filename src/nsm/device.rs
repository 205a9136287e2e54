//! `/dev/nsm`, through AWS's own binding.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use aws_nitro_enclaves_nsm_api::api::{self, Request, Response};
use aws_nitro_enclaves_nsm_api::driver::nsm_process_request;
use zeroize::Zeroizing;

use super::turn::Turns;
use super::{AttestationRequest, Description, Digest, Nsm, NsmError};
use crate::config::limits;

/// Where the driver puts it.
pub const PATH: &str = "/dev/nsm";

/// The open device. One caller at a time: the driver has one message buffer.
#[derive(Debug)]
pub struct Device {
    file: File,
    turns: Turns,
}

impl Device {
    /// Opens [`PATH`].
    ///
    /// # Errors
    /// [`NsmError::Open`].
    pub fn open() -> Result<Self, NsmError> {
        let file = OpenOptions::new().read(true).write(true).open(PATH).map_err(NsmError::Open)?;
        Ok(Self { file, turns: Turns::default() })
    }

    /// The wait for a turn has a deadline; the call itself has none, see [`Turns`].
    fn request(&self, request: Request) -> Result<Response, NsmError> {
        let _turn = self.turns.take(limits::NSM_TURN)?;
        match nsm_process_request(self.file.as_raw_fd(), request) {
            Response::Error(code) => Err(NsmError::Refused(format!("{code:?}"))),
            response => Ok(response),
        }
    }
}

impl Nsm for Device {
    /// 256 bytes at most come with one call; fewer, or none, may.
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        fill(out, || match self.request(Request::GetRandom)? {
            Response::GetRandom { random } => Ok(random),
            _ => Err(NsmError::Unexpected),
        })
    }

    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        request.check()?;
        let bytes = |field: &Option<Vec<u8>>| field.clone().map(Into::into);
        document(self.request(Request::Attestation {
            user_data: bytes(&request.user_data),
            nonce: bytes(&request.nonce),
            public_key: bytes(&request.public_key),
        })?)
    }

    fn describe(&self) -> Result<Description, NsmError> {
        description(self.request(Request::DescribeNSM)?)
    }
}

fn document(response: Response) -> Result<Vec<u8>, NsmError> {
    match response {
        Response::Attestation { document } if document.is_empty() => Err(NsmError::NoDocument),
        Response::Attestation { document } => Ok(document),
        _ => Err(NsmError::Unexpected),
    }
}

fn description(response: Response) -> Result<Description, NsmError> {
    match response {
        Response::DescribeNSM {
            version_major,
            version_minor,
            version_patch,
            module_id,
            max_pcrs,
            locked_pcrs,
            digest,
        } => Ok(Description {
            version: (version_major, version_minor, version_patch),
            module_id,
            max_pcrs,
            locked_pcrs: locked_pcrs.into_iter().collect(),
            digest: match digest {
                api::Digest::SHA256 => Digest::Sha256,
                api::Digest::SHA384 => Digest::Sha384,
                api::Digest::SHA512 => Digest::Sha512,
            },
        }),
        _ => Err(NsmError::Unexpected),
    }
}

/// Fills `out` from as many answers as it takes, giving up after [`limits::NSM_ATTEMPTS`] empty ones in a row.
fn fill(mut out: &mut [u8], mut more: impl FnMut() -> Result<Vec<u8>, NsmError>) -> Result<(), NsmError> {
    let mut empty = 0;
    while !out.is_empty() {
        let bytes = Zeroizing::new(more()?);
        let n = bytes.len().min(out.len());
        empty = if n == 0 { empty + 1 } else { 0 };
        if empty == limits::NSM_ATTEMPTS {
            return Err(NsmError::Dry);
        }
        let (now, later) = out.split_at_mut(n);
        now.copy_from_slice(&bytes[..n]);
        out = later;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_are_put_together() {
        let mut next = 0..;
        let mut out = [0; 7];
        fill(&mut out, || Ok(next.by_ref().take(3).collect())).unwrap();
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_module_that_gives_nothing_is_an_error_and_not_a_buffer_of_zeroes() {
        assert!(matches!(fill(&mut [0; 7], || Ok(Vec::new())), Err(NsmError::Dry)));
        assert!(matches!(fill(&mut [0; 7], || Err(NsmError::Unexpected)), Err(NsmError::Unexpected)));
    }

    #[test]
    fn an_answer_to_another_question_and_an_empty_document_are_errors() {
        let document_of = |bytes: &[u8]| document(Response::Attestation { document: bytes.to_vec() });
        assert_eq!(document_of(b"cose").unwrap(), b"cose");
        assert!(matches!(document_of(b""), Err(NsmError::NoDocument)));
        assert!(matches!(document(Response::LockPCR), Err(NsmError::Unexpected)));
        assert!(matches!(description(Response::LockPCR), Err(NsmError::Unexpected)));
    }

    #[test]
    fn a_description_is_told_as_it_came() {
        let told = description(Response::DescribeNSM {
            version_major: 1,
            version_minor: 2,
            version_patch: 3,
            module_id: "i-0-enc0".into(),
            max_pcrs: 32,
            locked_pcrs: (0..16).collect(),
            digest: api::Digest::SHA384,
        })
        .unwrap();
        assert_eq!((told.version, told.max_pcrs, told.digest), ((1, 2, 3), 32, Digest::Sha384));
        assert_eq!((told.module_id.as_str(), told.locked_pcrs.len()), ("i-0-enc0", 16));
    }
}
