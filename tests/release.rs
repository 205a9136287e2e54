//! What a release ships: `scripts/build-release.sh` and the bill of materials, and the images of `enclave/`. The build
//! itself takes minutes; here something else makes the executable, and what the script says of it is looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::TempDir;
use crate::support::tools::{installed, program};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Stands in for `cargo build`: puts `$FAKE_BINARY` where the build would, and notes what it was called with.
const FAKE_CARGO: &str = r#"#!/bin/sh
{ echo "$RUSTFLAGS"; env | grep '^CFLAGS'; echo "$@"; } >> "$FAKE_NOTES"
while [ $# -gt 0 ]; do
    case $1 in --target) target=$2 ;; --bin) binary=$2 ;; esac
    shift
done
mkdir -p "$CARGO_TARGET_DIR/$target/release"
cp "$FAKE_BINARY" "$CARGO_TARGET_DIR/$target/release/$binary"
[ -z "$FAKE_DIFFERENCE" ] || echo "$CARGO_TARGET_DIR" >> "$CARGO_TARGET_DIR/$target/release/$binary"
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A static executable with a text in it, made by the C compiler that building odyn needs anyway.
fn executable(dir: &TempDir, says: &str) -> PathBuf {
    let source =
        dir.write("program.c", &format!("const char says[] = \"{says}\"; void _start(void) {{ for (;;) {{}} }}\n"));
    let made = dir.path().join("program");
    let built = Command::new("cc").args(["-static", "-nostdlib", "-s", "-o"]).arg(&made).arg(source).status();
    assert!(built.unwrap().success());
    made
}

/// Runs the script with something that stands in for the compiler.
fn build_release(dir: &TempDir, binary: &Path, adjust: impl FnOnce(&mut Command)) -> Option<Output> {
    for tool in ["python3", "readelf"] {
        program(tool)?;
    }
    let cargo = dir.write("fake-cargo", FAKE_CARGO);
    let mut command = Command::new("bash");
    command.arg(root().join("scripts/build-release.sh")).arg("--out").arg(dir.path().join("out"));
    command.env("ODYN_CARGO", format!("sh {}", cargo.display())).env("SOURCE_DATE_EPOCH", "1700000000");
    command.env("CARGO_TARGET_DIR", dir.path().join("target")).env("FAKE_BINARY", binary);
    command.env("FAKE_NOTES", dir.path().join("notes"));
    adjust(&mut command);
    Some(command.output().unwrap())
}

/// The crates that cargo says are in an executable, as NAME@VERSION.
fn crates_of_cargo(features: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "-e", "normal", "--no-default-features", "--features", features]);
    command.args(["--target", TARGET, "--prefix", "none", "--format", "{p}"]).current_dir(root());
    let lines = text(&command.output().unwrap().stdout);
    let words = lines.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join("@").replace("@v", "@"));
    words.filter(|name| !name.starts_with("odyn@")).collect()
}

/// A bill of materials of some bytes.
fn bill(dir: &TempDir, name: &str, bytes: &str) -> Option<String> {
    program("python3")?;
    let binary = dir.write("binary", bytes);
    let mut command = Command::new("python3");
    command.arg(root().join("scripts/sbom.py")).args(["--name", name, "--target", TARGET, "--binary"]).arg(binary);
    let made = command.env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    Some(text(&made.stdout))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_bill_of_materials_lists_exactly_the_crates_that_cargo_links() {
    let dir = TempDir::new();
    for (name, features) in [("odyn", ""), ("odyn-helios", "helios")] {
        let Some(bill) = bill(&dir, name, "odyn") else { return };
        let bill = json(&bill);
        let mut listed = BTreeSet::new();
        for component in bill["components"].as_array().unwrap() {
            let field = |name: &str| component[name].as_str().unwrap().to_owned();
            listed.insert(format!("{}@{}", field("name"), field("version")));
            assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64, "{component}");
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
            // What a procedural macro is made of runs in the compiler, and nowhere else.
            let compiler = ["syn", "quote", "serde_derive"].contains(&field("name").as_str());
            assert!(!compiler || field("scope") == "excluded", "{component}");
            assert!(field("name") != "rustls" || field("scope") == "required", "{component}");
        }
        assert_eq!(listed, crates_of_cargo(features), "{name}");
    }
}

#[test]
fn the_bill_of_materials_is_the_same_bytes_for_the_same_executable_only() {
    let dir = TempDir::new();
    let Some(first) = bill(&dir, "odyn", "odyn") else { return };
    assert_eq!(Some(&first), bill(&dir, "odyn", "odyn").as_ref());
    let other = json(&bill(&dir, "odyn", "oden").unwrap());
    let first = json(&first);
    assert_ne!(first["serialNumber"], other["serialNumber"]);
    let hash = &first["metadata"]["component"]["hashes"][0]["content"];
    let expected = ring::digest::digest(&ring::digest::SHA256, b"odyn");
    let expected: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash.as_str(), Some(expected.as_str()));
    assert_eq!(first["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
}

#[test]
fn the_bill_of_materials_is_cyclonedx_by_its_official_schema() {
    let Some(python) = installed("bin/python3") else { return };
    let dir = TempDir::new();
    let good = dir.write("good.json", &bill(&dir, "odyn-helios", "odyn").unwrap());
    let bad = dir.write("bad.json", &bill(&dir, "odyn", "odyn").unwrap().replace("\"purl\"", "\"perl\""));
    for (file, valid) in [(good, true), (bad, false)] {
        let mut command = Command::new(&python);
        let answer = command.arg(root().join("tests/clients/sbom_validator.py")).arg(&file).output().unwrap();
        assert_eq!(answer.status.success(), valid, "{}: {}", file.display(), text(&answer.stderr));
    }
}

#[test]
fn a_release_says_its_size_hash_and_crates_and_lies_beside_its_bill_of_materials() {
    let dir = TempDir::new();
    let binary = executable(&dir, "odyn");
    let Some(built) = build_release(&dir, &binary, |command| {
        command.arg(TARGET).env("RUSTFLAGS", "-C target-cpu=native").env("CFLAGS", "-march=native");
    }) else {
        return;
    };
    let said = text(&built.stdout);
    assert!(built.status.success(), "{said}{}", text(&built.stderr));
    let size = std::fs::metadata(&binary).unwrap().len();
    assert!(said.contains(&format!("{size} bytes, static, stripped")), "{said}");
    assert!(said.contains("rustls v") && said.contains("serde_derive v"), "{said}");
    let made = dir.path().join("out");
    assert_eq!(std::fs::read(made.join(format!("odyn-{TARGET}"))).unwrap(), std::fs::read(&binary).unwrap());
    let bill = json(&std::fs::read_to_string(made.join(format!("odyn-{TARGET}.cdx.json"))).unwrap());
    assert!(said.contains(bill["metadata"]["component"]["hashes"][0]["content"].as_str().unwrap()), "{said}");

    // The compiler was told to leave the folders' names out, in Rust and in C, and nothing of the caller's.
    let notes = std::fs::read_to_string(dir.path().join("notes")).unwrap();
    let folder = root().display();
    assert!(notes.contains(&format!("--remap-path-prefix={folder}=/odyn")), "{notes}");
    assert!(notes.contains(&format!("-ffile-prefix-map={folder}=/odyn")), "{notes}");
    assert!(notes.contains("--locked --release") && notes.contains("--no-default-features"), "{notes}");
    assert!(!notes.contains("native"), "{notes}");
}

#[test]
fn a_release_is_refused_that_is_not_static_or_has_something_simulated_in_it() {
    let dir = TempDir::new();
    let simulated = executable(&dir, "SIMULATED");
    let cases =
        [(Path::new(env!("CARGO_BIN_EXE_odyn")), "is not static"), (simulated.as_path(), "which is the simulation's")];
    for (binary, reason) in cases {
        let Some(built) = build_release(&dir, binary, |command| {
            command.arg(TARGET);
        }) else {
            return;
        };
        assert_eq!(built.status.code(), Some(1));
        assert!(text(&built.stderr).contains(reason), "{}", text(&built.stderr));
        assert!(!dir.path().join(format!("out/odyn-{TARGET}")).exists());
    }
}

#[test]
fn two_builds_that_differ_are_no_release() {
    let dir = TempDir::new();
    let binary = executable(&dir, "odyn");
    let twice = |difference: &'static str| {
        build_release(&dir, &binary, |command| {
            command.args(["--twice", TARGET]).env("FAKE_DIFFERENCE", difference);
        })
    };
    let Some(same) = twice("") else { return };
    assert!(same.status.success(), "{}", text(&same.stderr));
    assert!(text(&same.stderr).contains("two builds in two folders are the same bytes"));
    let built = twice("yes").unwrap();
    assert_eq!(built.status.code(), Some(1));
    assert!(text(&built.stderr).contains("differ"), "{}", text(&built.stderr));
}

#[test]
fn a_target_that_is_not_installed_is_named_with_the_command_that_installs_it() {
    let dir = TempDir::new();
    let target = "riscv64gc-unknown-linux-musl";
    let without = |command: &mut Command| {
        command.arg(target).env_remove("ODYN_CARGO");
    };
    let Some(built) = build_release(&dir, Path::new("/nowhere"), without) else { return };
    assert_eq!(built.status.code(), Some(77));
    assert!(text(&built.stderr).contains(&format!("rustup target add {target}")), "{}", text(&built.stderr));
}

/// Runs the stand-in for docker, which does what a Dockerfile says.
fn docker(state: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.arg("-B").arg(root().join("tests/support/nitro/docker")).args(args);
    command.env("ODYN_NITRO_STUB", state.path()).output().unwrap()
}

#[test]
fn the_dockerfiles_make_images_that_start_odyn_with_a_manifest() {
    if program("python3").is_none() {
        return;
    }
    let dir = TempDir::new();
    dir.write(&format!("dist/odyn-{TARGET}"), "odyn's bytes");
    dir.write("app/app", "the application's bytes");
    dir.write("app/enclaver.yaml", &std::fs::read_to_string(root().join("enclave/enclaver.yaml")).unwrap());
    for (tag, file, context) in [("odyn", "Dockerfile", "dist"), ("my-app", "Dockerfile.scratch", "app")] {
        let file = root().join("enclave").join(file).display().to_string();
        let context = dir.path().join(context).display().to_string();
        let built = docker(&dir, &["build", "--tag", &format!("{tag}:latest"), "--file", &file, &context]);
        assert!(built.status.success(), "{file}: {}", text(&built.stderr));
    }
    let image = dir.path().join("images/my-app:latest");
    let read = |path: &str| std::fs::read_to_string(image.join(path)).unwrap();
    assert_eq!(read("rootfs/sbin/odyn"), "odyn's bytes");
    assert_eq!(read("rootfs/app"), "the application's bytes");
    assert_eq!(read("rootfs/etc/enclaver/enclaver.yaml"), read("../../app/enclaver.yaml"));
    let config = json(&read("config.json"));
    // What AWS's init would start: a path in the image, and odyn's own flags as odyn reads them.
    let command: Vec<&str> = config["Cmd"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(command, ["/sbin/odyn", "--user", "1000:1000", "--", "/app"]);
    assert_eq!(config["Entrypoint"], serde_json::Value::Null);
    assert!(config["Env"].is_array());
}

#[test]
fn a_dockerfile_that_means_something_else_is_not_taken_for_one_that_works() {
    if program("python3").is_none() {
        return;
    }
    let dir = TempDir::new();
    dir.write("context/file", "");
    for (dockerfile, reason) in [
        ("FROM scratch\nCOPY missing /\n", "there is no missing"),
        ("FROM scratch\nCOPY ../../etc/passwd /\n", "leads out of"),
        ("FROM scratch\nCMD /app\n", "must be a JSON array"),
        ("FROM nothing:like-it\n", "there is no image"),
        ("FROM scratch\nRUN true\n", "RUN is not known"),
        ("COPY file /\n", "before FROM"),
    ] {
        let file = dir.write("Dockerfile", dockerfile).display().to_string();
        let context = dir.path().join("context").display().to_string();
        let built = docker(&dir, &["build", "--tag", "x:y", "--file", &file, &context]);
        assert!(
            !built.status.success() && text(&built.stderr).contains(reason),
            "{dockerfile}: {}",
            text(&built.stderr)
        );
    }
}
