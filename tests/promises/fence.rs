//! `scripts/fence.sh`: unsafe code and libc stay in `src/sys/`.

use std::process::{Command, Output};

use crate::support::TempDir;

const FORBID: &str = "#![forbid(unsafe_code)]\n";

/// A tree the fence has nothing against, with one more file.
fn fence(name: &str, text: &str) -> Output {
    let dir = TempDir::new();
    dir.write("src/lib.rs", "#![deny(unsafe_code)]\npub mod sys;\npub mod keys;\n");
    dir.write("src/sys/mod.rs", "#![allow(unsafe_code)]\npub fn f() { unsafe { libc::sync() } }\n");
    dir.write("src/keys.rs", FORBID);
    dir.write(name, text);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fence.sh");
    Command::new("bash").arg(script).arg(dir.path()).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_fence_stands_around_this_tree() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fence.sh");
    let output = Command::new("bash").arg(script).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_fence_finds_unsafe_code_and_libc_wherever_they_are() {
    let passes = fence("src/keys/x.rs", "// unsafe libc\npub const S: &str = \"unsafe { libc }\";\n");
    assert!(passes.status.success(), "{}", told(&passes));
    for breach in [
        "fn f() { unsafe { } }\n",
        "use libc::c_int;\n",
        "/* x */ use ::libc as c;\n",
        "#![allow(unsafe_code)]\n",
        "#[expect(unsafe_code)]\nfn f() {}\n",
        "const Q: char = '\"'; fn f() { unsafe { } } const R: char = '\"';\n",
    ] {
        let refused = fence("src/keys/x.rs", breach);
        assert_eq!(refused.status.code(), Some(1), "{breach}");
        assert!(told(&refused).contains("fence: src/keys/x.rs:1: "), "{}", told(&refused));
    }
    for (name, text) in [("src/keys.rs", "pub fn f() {}\n"), ("src/lib.rs", "pub mod sys;\n")] {
        assert!(told(&fence(name, text)).contains(name), "{name} may lack the attribute");
    }
    assert!(told(&fence("src/keys/x.rs", &"\n".repeat(451))).contains("more than 450"));
}
