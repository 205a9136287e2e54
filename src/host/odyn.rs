//! Starting the `odyn` that `local` runs the application under.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cli::Local;
use super::error::Error;
use super::temp::TempDir;
use crate::sys::process::Pid;

/// What odyn's `--config-dir` must hold.
const MANIFEST_NAME: &str = "enclaver.yaml";

/// The simulated vsock of the enclave that lives in `temp`.
#[must_use]
pub fn vsock_path(temp: &TempDir) -> PathBuf {
    temp.path().join("vsock")
}

/// Where the enclave that lives in `temp` writes the root certificate of its simulated module.
#[must_use]
pub fn root_path(temp: &TempDir) -> PathBuf {
    temp.path().join("root.pem")
}

/// Starts odyn with the application, in a process group of its own: a terminal's Ctrl-C is for us, who pass it on once.
///
/// # Errors
/// [`Error::NoOdyn`], [`Error::StartOdyn`], or [`Error::Prepare`] for the configuration folder.
pub fn start(options: &Local, temp: &TempDir) -> Result<Pid, Error> {
    let program = find()?;
    let mut vsock = std::ffi::OsString::from("uds:");
    vsock.push(vsock_path(temp));
    let mut command = Command::new(&program);
    command.args(["--no-bootstrap", "--nsm", "sim", "--vsock"]).arg(vsock);
    command.arg("--sim-root").arg(root_path(temp));
    command.arg("--config-dir").arg(config_dir(&options.config, temp)?);
    // Both ends are on this machine, which can hold more of a burst than an enclave.
    command.args(["--log-bytes", "16777216"]);
    command.args((0..options.verbosity).map(|_| "-v"));
    command.arg("--").args(&options.app);
    // An enclave has no standard input either.
    command.stdin(Stdio::null()).process_group(0);
    // Dropping std's Child neither waits nor kills: its end is learnt with that of all other descendants.
    command.spawn().map(|child| Pid::from(&child)).map_err(|e| Error::StartOdyn(program, e))
}

/// `odyn` beside this program's own file, else on `PATH`.
fn find() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.with_file_name("odyn");
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(&beside, &path).ok_or(Error::NoOdyn(beside))
}

fn find_in(beside: &Path, path: &OsStr) -> Option<PathBuf> {
    let on_path = std::env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("odyn"));
    std::iter::once(beside.to_owned()).chain(on_path).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The folder of the manifest if it has the name odyn looks for, else one in `temp` that makes it look so.
fn config_dir(manifest: &Path, temp: &TempDir) -> Result<PathBuf, Error> {
    let folder = match manifest.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if manifest.file_name() == Some(OsStr::new(MANIFEST_NAME)) {
        return Ok(folder.to_owned());
    }
    let made = temp.path().join("config");
    let failed = |e| Error::Prepare(made.clone(), e);
    fs::create_dir(&made).map_err(failed)?;
    fs::copy(manifest, made.join(MANIFEST_NAME)).map_err(failed)?;
    symlink(fs::canonicalize(folder).map_err(failed)?.join("tls"), made.join("tls")).map_err(failed)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neighbour_is_preferred_and_only_executables_count() {
        let temp = TempDir::new().unwrap();
        let (near, far) = (temp.path().join("near"), temp.path().join("far"));
        let (beside, on_path) = (near.join("odyn"), far.join("odyn"));
        for folder in [&near, &far] {
            fs::create_dir(folder).unwrap();
        }
        assert_eq!(find_in(&beside, far.as_os_str()), None);
        fs::write(&beside, "").unwrap();
        fs::write(&on_path, "").unwrap();
        fs::set_permissions(&on_path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(&beside, far.as_os_str()), Some(on_path.clone()));
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(&beside, far.as_os_str()), Some(beside));
        assert_eq!(find_in(&temp.path().join("none"), OsStr::new("relative")), None);
    }

    #[test]
    fn a_manifest_of_another_name_gets_a_folder_with_its_tls_files_beside_it() {
        let (temp, source) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        fs::create_dir(source.path().join("tls")).unwrap();
        fs::write(source.path().join("tls/cert.pem"), "cert").unwrap();
        let manifest = source.path().join("staging.yaml");
        fs::write(&manifest, "version: v1").unwrap();
        let made = config_dir(&manifest, &temp).unwrap();
        assert_eq!(fs::read_to_string(made.join("enclaver.yaml")).unwrap(), "version: v1");
        assert_eq!(fs::read_to_string(made.join("tls/cert.pem")).unwrap(), "cert");
        assert_eq!(config_dir(Path::new("enclaver.yaml"), &temp).unwrap(), Path::new("."));
        assert_eq!(config_dir(Path::new("/a/enclaver.yaml"), &temp).unwrap(), Path::new("/a"));
    }
}
