//! `scripts/promises.py`: SECURITY.md names what keeps each promise, and a test that would notice.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::TempDir;
use crate::support::tools::program;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/promises.py");
const TABLE: &str = "| Promise | Kept in | Test |\n|---|---|---|\n";

fn check(dir: &Path, more: &[&str]) -> Option<Output> {
    let python = program("python3")?;
    Some(Command::new(python).arg("-B").arg(SCRIPT).arg(dir).args(more).output().unwrap())
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the script says of a tree with these documents: nothing, if all is well.
fn wrong_with(security: &str, readme: &str, more: &[&str]) -> Option<String> {
    let dir = tree(security, readme);
    let output = check(dir.path(), more)?;
    assert_eq!(output.status.success(), told(&output).starts_with("promises: 1 promises"), "{}", told(&output));
    Some(if output.status.success() { String::new() } else { told(&output) })
}

fn tree(security: &str, readme: &str) -> TempDir {
    let dir = TempDir::new();
    dir.write("SECURITY.md", security);
    dir.write("README.md", readme);
    dir.write("scripts/x.sh", "");
    dir.write("fuzz/Cargo.toml", "[[bin]]\nname = \"known\"\n");
    dir.write("fuzz/fuzz_targets/known.rs", "");
    dir.write("fuzz/fuzz_targets/forgotten.rs", "");
    dir.write(
        "src/a.rs",
        "#[cfg(test)]\nmod tests {\n    #[test]\n    fn good() {}\n\n    #[test]\n    #[ignore = \"slow\"]\n    fn ignored() \
         {}\n\n    fn helper() {}\n\n    // #[test]\n    fn commented() {}\n\n    #[test]\n    fn twice() {}\n}\nmod more \
         {\n    #[test]\n    fn twice() {}\n    /* #[test]\n    fn hidden() {} */\n}\n",
    );
    dir
}

#[test]
fn every_promise_of_this_tree_has_its_file_and_its_test() {
    let Some(output) = check(Path::new(env!("CARGO_MANIFEST_DIR")), &[]) else { return };
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn a_promise_without_a_file_or_a_test_that_runs_is_named() {
    let row = |kept: &str, test: &str| format!("# Security\n\n{TABLE}| It is so | {kept} | {test} |\n");
    let wrong = |kept: &str, test: &str| wrong_with(&row(kept, test), "", &[]);
    for test in
        ["`src/a.rs::good`", "`scripts/x.sh`", "`fuzz/fuzz_targets/known.rs`", "`scripts/x.sh`, `src/a.rs::good`"]
    {
        let Some(told) = wrong("`src/`, `src/a.rs`", test) else { return };
        assert_eq!(told, "", "{test}");
    }
    for (kept, test, expected) in [
        ("`src/b.rs`", "`src/a.rs::good`", "src/b.rs is not there"),
        ("the source", "`src/a.rs::good`", "names nothing under 'kept in'"),
        ("`src/a.rs`", "of course", "names nothing under 'test'"),
        ("`src/a.rs`", "`src/b.rs::good`", "src/b.rs is not there"),
        ("`src/a.rs`", "`src/a.rs`", "src/a.rs is no script and no fuzz target"),
        ("`src/a.rs`", "`src/a.rs::absent`", "src/a.rs has no functions called absent"),
        ("`src/a.rs`", "`src/a.rs::twice`", "src/a.rs has 2 functions called twice"),
        ("`src/a.rs`", "`src/a.rs::hidden`", "src/a.rs has no functions called hidden"),
        ("`src/a.rs`", "`src/a.rs::helper`", "helper in src/a.rs is not a #[test]"),
        ("`src/a.rs`", "`src/a.rs::commented`", "commented in src/a.rs is not a #[test]"),
        ("`src/a.rs`", "`src/a.rs::ignored`", "ignored in src/a.rs is ignored"),
        ("`src/a.rs`", "`scripts/x.sh::good`", "scripts/x.sh has no tests"),
        ("`src/a.rs`", "`fuzz/fuzz_targets/forgotten.rs`", "is no script and no fuzz target"),
        ("`src/a.rs` | `src/a.rs`", "`src/a.rs::good`", "4 cells instead of 3"),
    ] {
        let told = wrong(kept, test).unwrap();
        assert!(told.contains("SECURITY.md:5: 'It is so': ") && told.contains(expected), "{kept} {test}: {told}");
    }
    let twice = format!("{}{}", row("`src/a.rs`", "`src/a.rs::good`"), "| It is so | `src/` | `scripts/x.sh` |\n");
    assert!(wrong_with(&twice, "", &[]).unwrap().contains("SECURITY.md:6: 'It is so': is in line 5 already"));
    assert!(wrong_with("# Security\n", "", &[]).unwrap().contains("no table of promises"));
}

#[test]
fn a_path_in_the_documents_that_is_not_there_is_named() {
    let security = format!("{TABLE}| It is so | `src/a.rs` | `src/a.rs::good` |\n");
    let good = "See `src/a.rs`, `src/`, [x](scripts/x.sh), `scripts/x.sh --all`, `target/x`, `src/a.rs::tests`.\n";
    let Some(told) = wrong_with(&security, good, &[]) else { return };
    assert_eq!(told, "");
    for bad in ["`src/b.rs`", "`tests/x.rs`", "[x](scripts/y.sh)", "[x](LICENCE.md#part)"] {
        let told = wrong_with(&security, &format!("a\n\nSee {bad}.\n"), &[]).unwrap();
        assert!(told.contains("README.md:3: ") && told.contains(" is not there"), "{bad}: {told}");
    }
}

#[test]
fn a_test_that_is_in_no_module_is_named() {
    let security = format!("{TABLE}| It is so | `src/a.rs` | `src/a.rs::good` |\n");
    let lists = TempDir::new();
    for (built, expected) in [
        ("a::tests::good: test\nb::tests::x: test\n\n2 tests, 0 benchmarks\n", ""),
        ("b::tests::good: test\na::tests::other: test\n", "src/a.rs::good is not among the tests that were built"),
        ("0 tests, 0 benchmarks\n", "lists no test"),
    ] {
        let list = lists.write("list", built);
        let output = check(tree(&security, "").path(), &["--built", list.to_str().unwrap()]);
        let Some(output) = output else { return };
        assert_eq!(output.status.success(), expected.is_empty(), "{built}");
        assert!(told(&output).contains(expected), "{}", told(&output));
    }
}
