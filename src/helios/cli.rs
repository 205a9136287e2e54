//! The command line of `odyn-helios`.

use std::ffi::OsString;
use std::process::ExitCode;

/// odyn-helios, from `main` to the end.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    todo!("{}", args.count())
}
