//! `scripts/test-nitro.sh`, whose place is an EC2 instance, with stand-ins for docker and nitro-cli (`support/nitro/`):
//! the image is really built, and odyn really runs below an init that does as AWS's does, in namespaces. Needs root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::tools::{program, unfit};
use crate::support::{TempDir, is_root};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A machine with the stand-ins on its path.
struct Machine(TempDir);

impl Machine {
    /// `None`, with a note, where namespaces or tools cannot be had.
    fn prepare() -> Option<Self> {
        if !is_root() {
            unfit("root for namespaces");
            return None;
        }
        for tool in ["python3", "curl", "openssl", "unshare"] {
            program(tool)?;
        }
        let probe = "mount --make-rprivate / && mount -t tmpfs none /mnt && mount -t proc proc /mnt";
        let tried = Command::new("unshare").args(["--mount", "--pid", "--net", "--fork", "sh", "-c", probe]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            unfit("namespaces");
            return None;
        }
        let dir = TempDir::new();
        // odyn-host listens in it before nitro-cli is asked.
        std::fs::create_dir(dir.path().join("vsock")).unwrap();
        Some(Self(dir))
    }

    /// The acceptance application, which cargo builds beside the tests.
    fn application() -> PathBuf {
        let made = Path::new(env!("CARGO_BIN_EXE_odyn")).with_file_name("examples").join("acceptance");
        assert!(made.exists(), "{} is missing: cargo build --example acceptance", made.display());
        made
    }

    /// Runs the script to its end.
    fn run(&self, args: &[&str], adjust: impl FnOnce(&mut Command)) -> Output {
        let path = format!("{}:{}", root().join("tests/support/nitro").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.arg(root().join("scripts/test-nitro.sh")).args(args).env("PATH", path);
        command.env("TMPDIR", self.0.path()).env("ODYN_NITRO_STUB", self.0.path());
        command.env("ODYN_NITRO_VSOCK", format!("uds:{}", self.0.path().join("vsock/enclave").display()));
        command.env("ODYN_NITRO_ROOT", self.0.path().join("vsock/root.pem"));
        command.env("ODYN_BINARY", env!("CARGO_BIN_EXE_odyn"));
        command.env("ODYN_HOST_BINARY", env!("CARGO_BIN_EXE_odyn-host"));
        command.env("ODYN_ACCEPTANCE_BINARY", Self::application());
        adjust(&mut command);
        command.output().unwrap()
    }

    /// Nothing is left of a run: no enclave, no image, no file.
    fn assert_clean(&self) {
        let enclaves = self.nitro_cli(&["describe-enclaves"]);
        assert_eq!(text(&enclaves.stdout).trim(), "[]");
        let left: Vec<_> = std::fs::read_dir(self.0.path().join("images")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let ours = ["calls", "enclaves", "images", "vsock"];
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(ours.iter().any(|ours| name == *ours), "{} is left", name.display());
        }
    }

    fn nitro_cli(&self, args: &[&str]) -> Output {
        let mut command = Command::new("python3");
        command.arg("-B").arg(root().join("tests/support/nitro/nitro-cli")).args(args);
        command.env("ODYN_NITRO_STUB", self.0.path()).output().unwrap()
    }

    /// What nitro-cli was asked, one command a line.
    fn calls(&self) -> String {
        std::fs::read_to_string(self.0.path().join("calls")).unwrap()
    }
}

#[test]
fn the_acceptance_list_passes_on_a_stand_in_of_nitro_and_leaves_nothing_behind() {
    let Some(machine) = Machine::prepare() else { return };
    let run = machine.run(&[], |_| {});
    let said = text(&run.stdout);
    assert!(run.status.success(), "{said}{}", text(&run.stderr));
    let passed = said.lines().filter(|line| line.starts_with("ok   ")).count();
    assert!(passed > 20, "{said}");
    assert!(text(&run.stderr).contains(&format!("passed: {passed} checks")), "{said}{}", text(&run.stderr));
    assert!(machine.calls().contains("run-enclave") && machine.calls().contains("--cpu-count 2"));
    machine.assert_clean();
}

#[test]
fn a_document_of_another_image_fails_the_list_and_the_enclave_is_terminated() {
    let Some(machine) = Machine::prepare() else { return };
    let run = machine.run(&[], |command| {
        command.env("ODYN_NITRO_STUB_PCR0", "ab".repeat(48));
    });
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{said}{}", text(&run.stderr));
    assert!(said.lines().any(|line| line.starts_with("FAIL ") && line.contains("PCR0")), "{said}");
    machine.assert_clean();
}

#[test]
fn an_enclave_that_does_not_start_fails_the_list_with_what_nitro_cli_said() {
    let Some(machine) = Machine::prepare() else { return };
    let run = machine.run(&[], |command| {
        command.env("ODYN_NITRO_STUB_FAIL", "run-enclave").env("A_SLOW", "1");
    });
    let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("It was told to fail."), "{said}");
    machine.assert_clean();
}

#[test]
fn a_machine_without_nitro_is_told_what_it_lacks() {
    let dir = TempDir::new();
    let stand_ins = root().join("tests/support/nitro");
    for (path, said) in [
        (format!("{}:/usr/bin:/bin", dir.path().display()), "nitro-cli is missing"),
        (format!("{}:/usr/bin:/bin", stand_ins.display()), "there is no /dev/nitro_enclaves"),
    ] {
        if Path::new("/dev/nitro_enclaves").exists() || program("openssl").is_none() || program("curl").is_none() {
            return;
        }
        let mut command = Command::new("bash");
        command.arg(root().join("scripts/test-nitro.sh")).env("PATH", path).env("ODYN_NITRO_STUB", dir.path());
        let run = command.env_remove("ODYN_NITRO_VSOCK").output().unwrap();
        assert_eq!(run.status.code(), Some(77), "{}", text(&run.stderr));
        assert!(text(&run.stderr).contains(said), "{}", text(&run.stderr));
    }
}
