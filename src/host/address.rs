//! Naming an enclave: on the command line, and in a file for commands that cannot know its CID.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::config::limits;
use crate::transport::parent::Enclave;

/// What `--vsock` takes for the commands that only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// This enclave.
    Is(Enclave),
    /// The one whose address `run --vsock-file` wrote into this file.
    In(PathBuf),
}

impl Address {
    /// Reads `cid:N`, `uds:PATH` or `file:FILE`.
    #[must_use]
    pub fn parse(text: &OsStr) -> Option<Self> {
        match text.as_bytes().strip_prefix(b"file:").filter(|path| !path.is_empty()) {
            Some(path) => Some(Self::In(OsStr::from_bytes(path).into())),
            None => enclave(text).map(Self::Is),
        }
    }

    /// The enclave that is meant, now.
    ///
    /// # Errors
    /// [`Error::VsockFile`] when there is no such file or no address in it, as before the enclave's start.
    pub fn resolve(&self) -> Result<Enclave, Error> {
        match self {
            Self::Is(enclave) => Ok(enclave.clone()),
            Self::In(file) => read(file).map_err(|e| Error::VsockFile(file.clone(), e)),
        }
    }
}

/// Reads `cid:N` or `uds:PATH`. The largest CID means "any", which cannot be connected to.
#[must_use]
pub fn enclave(text: &OsStr) -> Option<Enclave> {
    if let Some(path) = text.as_bytes().strip_prefix(b"uds:").filter(|path| !path.is_empty()) {
        return Some(Enclave::Uds(OsStr::from_bytes(path).into()));
    }
    let cid = text.to_str()?.strip_prefix("cid:")?.parse().ok()?;
    (cid != u32::MAX).then_some(Enclave::Cid(cid))
}

fn read(file: &Path) -> io::Result<Enclave> {
    let mut text = Vec::new();
    File::open(file)?.take(limits::VSOCK_FILE).read_to_end(&mut text)?;
    let line = text.strip_suffix(b"\n").ok_or(io::ErrorKind::InvalidData)?;
    enclave(OsStr::from_bytes(line)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A file with an enclave's address, removed on drop.
#[derive(Debug)]
pub struct AddressFile(PathBuf);

impl AddressFile {
    /// Writes `enclave`'s address into `file`, which has the whole of it or nothing at any moment.
    ///
    /// # Errors
    /// [`Error::VsockFile`].
    pub fn write(file: &Path, enclave: &Enclave) -> Result<Self, Error> {
        let mut draft = file.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        let mut line = match enclave {
            Enclave::Cid(cid) => format!("cid:{cid}").into_bytes(),
            Enclave::Uds(path) => [b"uds:", path.as_os_str().as_bytes()].concat(),
        };
        line.push(b'\n');
        let written =
            File::create(&draft).and_then(|mut out| out.write_all(&line)).and_then(|()| fs::rename(&draft, file));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| Self(file.to_owned())).map_err(|e| Error::VsockFile(file.to_owned(), e))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::temp::TempDir;
    use super::*;

    #[test]
    fn an_address_is_read_back_from_its_file_which_goes_with_its_writer() {
        let temp = TempDir::new().unwrap();
        let file = temp.path().join("vsock-file");
        let address = Address::In(file.clone());
        assert!(matches!(address.resolve(), Err(Error::VsockFile(..))));
        for enclave in [Enclave::Cid(16), Enclave::Uds("/a b/v=1".into())] {
            let written = AddressFile::write(&file, &enclave).unwrap();
            assert_eq!(address.resolve().unwrap(), enclave);
            drop(written);
            assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_file_that_holds_anything_else_is_an_error() {
        let temp = TempDir::new().unwrap();
        let file = temp.path().join("vsock-file");
        for text in ["", "cid:16", "16\n", "cid:16\ncid:17\n", "file:x\n", "cid:4294967295\n"] {
            fs::write(&file, text).unwrap();
            let error = Address::In(file.clone()).resolve().unwrap_err();
            assert!(matches!(&error, Error::VsockFile(_, e) if e.kind() == io::ErrorKind::InvalidData), "{text:?}");
        }
        fs::create_dir(temp.path().join("folder")).unwrap();
        assert!(AddressFile::write(&temp.path().join("folder"), &Enclave::Cid(1)).is_err());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
    }
}
