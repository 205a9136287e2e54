//! A private folder for the sockets of one `odyn-host local`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// Longest name of a UNIX socket: `sun_path` of `unix(7)` has 108 bytes, the last of them a NUL.
const SOCKET_NAME: usize = 107;
/// Room for the longest name in the folder, `/vsock_4294967295`.
const LONGEST_ENTRY: usize = 17;

/// A folder nobody else may enter, and nobody else could have made before us. Dropping it removes it with all in it.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new folder below `TMPDIR`, or `/tmp`.
    ///
    /// # Errors
    /// [`Error::Prepare`], or [`Error::TempTooLong`] when no socket could be made in it.
    pub fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("odyn-{:032x}", random()?));
        if path.as_os_str().as_bytes().len() + LONGEST_ENTRY > SOCKET_NAME {
            return Err(Error::TempTooLong(path));
        }
        // Not recursive: fails if the name exists, whatever it is.
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| Error::Prepare(path.clone(), e))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            log::warn!("cannot remove {}: {e}", self.0.display());
        }
    }
}

fn random() -> Result<u128, Error> {
    let source = "/dev/urandom";
    let read = || -> io::Result<u128> {
        let mut bytes = [0; 16];
        File::open(source)?.read_exact(&mut bytes)?;
        Ok(u128::from_ne_bytes(bytes))
    };
    read().map_err(|e| Error::Prepare(source.into(), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_private_and_gone_with_its_owner() {
        let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        assert_ne!(one.path(), two.path());
        let mode = fs::metadata(one.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        fs::write(one.path().join("file"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
