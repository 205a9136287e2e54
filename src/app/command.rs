//! What to run: the entrypoint from odyn's arguments, or `/cmd` and `/env` as AWS's own init lays them out.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::config::limits;

/// A program, its arguments and the environment it starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrypoint {
    /// A path, or a name looked up on the application's own `PATH`.
    pub program: OsString,
    /// Without the program itself.
    pub args: Vec<OsString>,
    /// The whole environment before odyn adds its variables; `None`: odyn's own, as the image gave it.
    pub env: Option<Vec<(OsString, OsString)>>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub enum CommandError {
    /// Neither an argument nor `/cmd`.
    Missing,
    /// `/cmd` or `/env` cannot be read.
    Read(PathBuf, io::Error),
    /// `/cmd` or `/env` is larger than the kernel would take.
    TooLarge(PathBuf),
    /// A line of `/env`, counted from 1, is not `NAME=VALUE`.
    NotAVariable(PathBuf, usize),
    /// A line of `/cmd` or `/env`, counted from 1, has a NUL byte.
    Nul(PathBuf, usize),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no application: give ENTRYPOINT, or a /cmd file in the image"),
            Self::Read(path, e) => write!(f, "cannot read {}: {e}", path.display()),
            Self::TooLarge(path) => {
                write!(f, "{} is larger than {} bytes", path.display(), limits::COMMAND_FILE)
            }
            Self::NotAVariable(path, line) => write!(f, "{}:{line}: not NAME=VALUE", path.display()),
            Self::Nul(path, line) => write!(f, "{}:{line}: a NUL byte", path.display()),
        }
    }
}

impl std::error::Error for CommandError {}

/// What `PATH` is for an application started from `/cmd` whose `/env` has none: the value AWS's init puts there.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Entrypoint {
    /// From `args` if there are any, else from `cmd` and `env` below `root` (`/` but in tests).
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn find(args: &[OsString], root: &Path) -> Result<Self, CommandError> {
        match args.split_first() {
            Some((program, args)) => Ok(Self { program: program.clone(), args: args.to_vec(), env: None }),
            None => Self::from_image(&root.join("cmd"), &root.join("env")),
        }
    }

    fn from_image(cmd: &Path, env: &Path) -> Result<Self, CommandError> {
        let mut words = lines(cmd)?.ok_or(CommandError::Missing)?.into_iter();
        let program = words.next().filter(|word| !word.is_empty()).ok_or(CommandError::Missing)?;
        let variables = lines(env)?.unwrap_or_default();
        let mut parsed = vec![("PATH".into(), DEFAULT_PATH.into())];
        for (index, line) in variables.into_iter().enumerate() {
            let variable = variable(line).ok_or_else(|| CommandError::NotAVariable(env.to_owned(), index + 1))?;
            parsed.push(variable);
        }
        Ok(Self { program, args: words.collect(), env: Some(parsed) })
    }
}

/// The lines of a file; `None` when there is no such file.
fn lines(path: &Path) -> Result<Option<Vec<OsString>>, CommandError> {
    let failed = |e| CommandError::Read(path.to_owned(), e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    file.take(limits::COMMAND_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::COMMAND_FILE {
        return Err(CommandError::TooLarge(path.to_owned()));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let checked = |(index, line): (usize, &[u8])| match line.contains(&0) {
        true => Err(CommandError::Nul(path.to_owned(), index + 1)),
        false => Ok(OsString::from_vec(line.to_vec())),
    };
    bytes.split(|b| *b == b'\n').enumerate().map(checked).collect::<Result<_, _>>().map(Some)
}

fn variable(line: OsString) -> Option<(OsString, OsString)> {
    let line = line.into_vec();
    let equals = line.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
    let (name, value) = line.split_at(equals);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value[1..].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, cmd: &str, env: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("odyn-command-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("cmd"), cmd).unwrap();
        std::fs::write(root.join("env"), env).unwrap();
        root
    }

    #[test]
    fn arguments_win_over_the_image_and_keep_odyns_environment() {
        let root = image("args", "/from/image\n", "A=1\n");
        let found = Entrypoint::find(&["prog".into(), "-x".into()], &root).unwrap();
        assert_eq!(found, Entrypoint { program: "prog".into(), args: vec!["-x".into()], env: None });
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn cmd_and_env_are_one_item_a_line_and_empty_lines_of_cmd_are_empty_arguments() {
        let root = image("image", "/bin/app\n--text\n\na b\n", "A=1\nB==x=\nPATH=/bin\n");
        let found = Entrypoint::find(&[], &root).unwrap();
        assert_eq!(found.program, "/bin/app");
        assert_eq!(found.args, ["--text", "", "a b"]);
        let env = found.env.unwrap();
        assert_eq!(env[0], ("PATH".into(), DEFAULT_PATH.into()));
        assert_eq!(env[2], ("B".into(), "=x=".into()));
        assert_eq!(env.last().unwrap(), &("PATH".into(), "/bin".into()));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_bad_line_is_named_and_an_empty_command_is_none() {
        let root = image("bad", "/bin/app\n", "A=1\nnonsense\n");
        let error = Entrypoint::find(&[], &root).unwrap_err().to_string();
        assert!(error.ends_with("env:2: not NAME=VALUE"), "{error}");
        std::fs::write(root.join("cmd"), "\n").unwrap();
        assert!(matches!(Entrypoint::find(&[], &root), Err(CommandError::Missing)));
        std::fs::remove_dir_all(&root).unwrap();
        assert!(matches!(Entrypoint::find(&[], &root), Err(CommandError::Missing)));
    }
}
