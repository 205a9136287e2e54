//! Who the application runs as: `--user` by number or by name, names as the image's own `/etc/passwd` and `/etc/group`
//! have them.
//!
//! Promises: a number is itself and nothing is looked up for it; a name is found in exactly one line that is wholly
//! well-formed, or there is no start. Never asks anything but those two files (no NSS, no NIS), and never gives
//! supplementary groups, whatever `/etc/group` says of the user.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::config::limits;
use crate::sys::process::Identity;

/// A checked value of `--user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    user: Who,
    /// `None`: the group of a name's line, or the number that the user has.
    group: Option<Who>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Number(u32),
    Name(String),
}

impl Who {
    /// Digits are a number and nothing else is. The largest number means "leave as it is" to the kernel, so it names
    /// nobody. A name has no blank, colon, slash or control character, and does not look like a flag.
    fn parse(text: &str) -> Option<Self> {
        if let Some(number) = digits(text.as_bytes()) {
            return number.map(Self::Number);
        }
        let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/');
        let flag = text.starts_with(['-', '+']);
        let named = !text.is_empty() && text.len() <= limits::USER_NAME && !flag && !text.contains(strange);
        named.then(|| Self::Name(text.to_owned()))
    }
}

/// `None` when this is not made of digits, `Some(None)` when it is and names nobody.
fn digits(text: &[u8]) -> Option<Option<u32>> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    Some(number.filter(|n| *n != u32::MAX))
}

/// Whom the application becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its numbers.
    pub identity: Identity,
    /// The home folder of a name's line; `None` for a number, for which nothing is looked up.
    pub home: Option<OsString>,
}

/// The image has no such user or group, or does not say which.
#[derive(Debug)]
pub enum UserError {
    /// No line of the file is about this name.
    Unknown(PathBuf, String),
    /// Two lines are about this name: file, name, both lines.
    Twice(PathBuf, String, usize, usize),
    /// The line about a name is not what it should be: file, line, what it should be.
    Malformed(PathBuf, usize, &'static str),
    /// A line has a NUL byte: this is no text file.
    Nul(PathBuf, usize),
    /// The file is larger than [`limits::USER_FILE`].
    TooLarge(PathBuf),
    /// The file cannot be read, and a name cannot be looked up without it.
    Read(PathBuf, String, io::Error),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(path, name) => {
                write!(f, "--user: no {name:?} in {}: add it to the image, or give a number", path.display())
            }
            Self::Twice(path, name, first, second) => {
                write!(f, "{}:{second}: {name:?} again, as in line {first}: leave one of them", path.display())
            }
            Self::Malformed(path, line, wanted) => {
                write!(f, "{}:{line}: not {wanted}: repair the line, or give --user in numbers", path.display())
            }
            Self::Nul(path, line) => {
                write!(f, "{}:{line}: a NUL byte: repair the file, or give --user in numbers", path.display())
            }
            Self::TooLarge(path) => {
                let most = limits::USER_FILE;
                write!(f, "{} is larger than {most} bytes: give --user in numbers", path.display())
            }
            Self::Read(path, name, e) => {
                write!(f, "--user: cannot look {name:?} up in {}: {e}; give a number instead", path.display())
            }
        }
    }
}

impl std::error::Error for UserError {}

/// What a line of `/etc/passwd` is.
const PASSWD: &str = "NAME:PASSWORD:UID:GID:COMMENT:/HOME:SHELL";

/// What a line of `/etc/group` is.
const GROUP: &str = "NAME:PASSWORD:GID:MEMBERS";

impl User {
    /// `USER` or `USER:GROUP`, each a number or a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((user, group)) => Some(Self { user: Who::parse(user)?, group: Some(Who::parse(group)?) }),
            None => Some(Self { user: Who::parse(text)?, group: None }),
        }
    }

    /// Looks names up in `etc/passwd` and `etc/group` below `root` (`/` but in tests).
    ///
    /// # Errors
    /// See [`UserError`].
    pub fn resolve(&self, root: &Path) -> Result<Account, UserError> {
        let (uid, gid, home) = match &self.user {
            // Group 0 is root's, and nobody's default.
            Who::Number(number) => (*number, *number, None),
            Who::Name(name) => passwd(&root.join("etc/passwd"), name)?,
        };
        let gid = match &self.group {
            None => gid,
            Some(Who::Number(number)) => *number,
            Some(Who::Name(name)) => group(&root.join("etc/group"), name)?,
        };
        Ok(Account { identity: Identity { uid, gid }, home })
    }
}

/// User, group and home folder of `name`.
fn passwd(path: &Path, name: &str) -> Result<(u32, u32, Option<OsString>), UserError> {
    let (line, text) = entry(path, name)?;
    let malformed = || UserError::Malformed(path.to_owned(), line, PASSWD);
    let fields: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    let [_, _, uid, gid, _, home, _] = fields.as_slice() else { return Err(malformed()) };
    let number = |field: &[u8]| digits(field).flatten().ok_or_else(malformed);
    let home = match home {
        // As login(1) has it.
        [] => &b"/"[..],
        [b'/', ..] => *home,
        _ => return Err(malformed()),
    };
    Ok((number(uid)?, number(gid)?, Some(OsString::from_vec(home.to_vec()))))
}

/// The number of the group `name`.
fn group(path: &Path, name: &str) -> Result<u32, UserError> {
    let (line, text) = entry(path, name)?;
    let malformed = || UserError::Malformed(path.to_owned(), line, GROUP);
    let fields: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    let [_, _, gid, _] = fields.as_slice() else { return Err(malformed()) };
    digits(gid).flatten().ok_or_else(malformed)
}

/// The only line whose first field is `name`, and its number from 1.
fn entry(path: &Path, name: &str) -> Result<(usize, Vec<u8>), UserError> {
    let bytes = read(path, name)?;
    let mut found: Option<(usize, &[u8])> = None;
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        if text.contains(&0) {
            return Err(UserError::Nul(path.to_owned(), line));
        }
        if text.split(|byte| *byte == b':').next() != Some(name.as_bytes()) {
            continue;
        }
        match found {
            None => found = Some((line, text)),
            Some((first, _)) => return Err(UserError::Twice(path.to_owned(), name.to_owned(), first, line)),
        }
    }
    let (line, text) = found.ok_or_else(|| UserError::Unknown(path.to_owned(), name.to_owned()))?;
    Ok((line, text.to_vec()))
}

fn read(path: &Path, name: &str) -> Result<Vec<u8>, UserError> {
    let failed = |e| UserError::Read(path.to_owned(), name.to_owned(), e);
    // Opening anything but a file might never end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limits::USER_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > limits::USER_FILE {
        return Err(UserError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
