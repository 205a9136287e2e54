//! `odyn-host check`: is this manifest valid, and what would run?

use std::path::Path;

use super::error::Error;
use crate::config::manifest::Manifest;

/// Prints what the manifest at `path` says, in words.
///
/// # Errors
/// [`Error::Manifest`] with the file, the line and the field.
pub fn run(path: &Path) -> Result<u8, Error> {
    let manifest = Manifest::load(path).map_err(Error::Manifest)?;
    super::print(&manifest.describe())?;
    Ok(0)
}
