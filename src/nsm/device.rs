//! `/dev/nsm`, through AWS's own binding.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::Mutex;

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver::nsm_process_request;

use super::{Nsm, NsmError};
use crate::config::limits;
use crate::sync::lock;

/// Where the driver puts it.
pub const PATH: &str = "/dev/nsm";

/// The open device. One caller at a time: the driver has one message buffer.
#[derive(Debug)]
pub struct Device(Mutex<File>);

impl Device {
    /// Opens [`PATH`].
    ///
    /// # Errors
    /// [`NsmError::Open`].
    pub fn open() -> Result<Self, NsmError> {
        let file = OpenOptions::new().read(true).write(true).open(PATH).map_err(NsmError::Open)?;
        Ok(Self(Mutex::new(file)))
    }

    fn request(&self, request: Request) -> Result<Response, NsmError> {
        let file = lock(&self.0);
        match nsm_process_request(file.as_raw_fd(), request) {
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
}

/// Fills `out` from as many answers as it takes, giving up after [`limits::NSM_ATTEMPTS`] empty ones in a row.
fn fill(mut out: &mut [u8], mut more: impl FnMut() -> Result<Vec<u8>, NsmError>) -> Result<(), NsmError> {
    let mut empty = 0;
    while !out.is_empty() {
        let mut bytes = more()?;
        let n = bytes.len().min(out.len());
        empty = if n == 0 { empty + 1 } else { 0 };
        if empty == limits::NSM_ATTEMPTS {
            return Err(NsmError::Dry);
        }
        let (now, later) = out.split_at_mut(n);
        now.copy_from_slice(&bytes[..n]);
        out = later;
        bytes.fill(0);
        std::hint::black_box(&bytes);
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
}
