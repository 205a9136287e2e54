//! What is run and linked of others: the workflows of CI, and the list of what the enclave's odyn is made of.

use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use crate::support::tools::program;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every value of a key, however deep it stands.
fn every<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(mapping) => {
            for (name, inner) in mapping {
                if name.as_str() == Some(key) {
                    found.push(inner);
                }
                every(inner, key, found);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|inner| every(inner, key, found)),
        _ => {}
    }
}

/// What is wrong with a workflow. An action is one commit, with its version behind it for people: a tag or a branch is
/// whatever its owner makes it tomorrow. And a workflow reads: whoever gets into it can change nothing.
fn complaints(workflow: &str) -> Vec<String> {
    let parsed: Value = match serde_yaml::from_str(workflow) {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("no YAML: {error}")],
    };
    let mut said = Vec::new();
    let mut actions = Vec::new();
    every(&parsed, "uses", &mut actions);
    for action in actions {
        let name = action.as_str().unwrap_or("?");
        let commit = name.split_once('@').map_or("", |(_, commit)| commit);
        if commit.len() != 40 || !commit.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            said.push(format!("{name}: not one commit"));
        } else if !workflow.contains(&format!("{name} # v")) {
            said.push(format!("{name}: no version behind it"));
        }
    }
    if parsed.get("permissions") != Some(&serde_yaml::from_str("contents: read").unwrap()) {
        said.push("its permissions are not `contents: read`".to_owned());
    }
    let mut permissions = Vec::new();
    every(&parsed, "permissions", &mut permissions);
    if permissions.len() > 1 {
        said.push("a job has permissions of its own".to_owned());
    }
    said
}

#[test]
fn workflows_run_actions_of_one_commit_only_and_may_only_read() {
    let mut seen = 0;
    for file in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(complaints(&std::fs::read_to_string(&file).unwrap()), [""; 0], "{}", file.display());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn a_workflow_with_a_tag_or_a_right_to_write_is_noticed() {
    let commit = "3d3c42e5aac5ba805825da76410c181273ba90b1";
    let good = format!("permissions:\n  contents: read\njobs:\n  a:\n    steps:\n      - uses: a/b@{commit} # v1\n");
    assert_eq!(complaints(&good), [""; 0]);
    for (from, to, reason) in [
        (commit, "v1", "not one commit"),
        (commit, "main", "not one commit"),
        (commit, &commit[..12], "not one commit"),
        (commit, &commit.to_uppercase(), "not one commit"),
        (&format!("a/b@{commit}"), "docker://a:1", "not one commit"),
        (" # v1", "", "no version behind it"),
        ("contents: read", "contents: write", "its permissions are not"),
        ("permissions:\n  contents: read\n", "", "its permissions are not"),
        ("  a:\n", "  a:\n    permissions: write-all\n", "a job has permissions of its own"),
        ("jobs:", "jobs: a: b", "no YAML"),
    ] {
        let bad = good.replace(from, to);
        let said = complaints(&bad);
        assert!(said.iter().any(|complaint| complaint.contains(reason)), "{bad}: {said:?}");
    }
}

/// Runs Python with scripts/tcb.py at hand; it prints what it thinks.
fn tcb(code: &str) -> Option<String> {
    program("python3")?;
    let mut command = Command::new("python3");
    command.args(["-B", "-c", &format!("import tcb\n{code}")]).env("PYTHONPATH", root().join("scripts"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_list_of_what_odyn_is_made_of_counts_code_and_nothing_else() {
    for (source, lines, unsafes) in [
        ("fn a() {}\n\n// unsafe\n/* unsafe\n /* unsafe */ unsafe\n*/ fn b() {}\n", 2, 0),
        ("let a = \"unsafe // no comment\"; let b = r#\"\"unsafe\"\n/* \"#; unsafe { c() }\n", 2, 1),
        ("let a = '\"'; unsafe { b('\\'', '\\\\', \"\\\"\") } // '\"'\nlet c: &'a str = d::<'b'>();\n", 2, 1),
        ("unsafe impl<'a> A for B<'a> {}\nunsafe fn unsafe_name() {}\n#[unsafe(no_mangle)]\n", 3, 3),
        ("#[cfg(test)]\nmod tests {\n unsafe fn a() { \"}\"; }\n}\nfn b() {}\n", 1, 0),
        ("fn a() {}\n#[cfg(all(test, unix))]\n#[inline]\nfn b(x: [u8; 2]) -> u8 {\n unsafe {}\n}\n", 1, 0),
        ("struct A {\n #[cfg(test)]\n b: u8,\n c: u8,\n}\n", 3, 0),
        ("#[cfg(not(test))]\nfn a() {}\n#[cfg(any(test, unix))]\nfn b() {}\n", 4, 0),
        ("#[cfg(feature = \"sim\")]\nuse a::b;\nuse c::d;\n#[cfg(any(feature = \"x\", test))]\nuse e::f;\n", 3, 0),
    ] {
        let code = format!(
            "code, _ = tcb.compiled(tcb.stripped({source:?}), {{'sim'}})\n\
             print(tcb.lines(code), len(tcb.UNSAFE.findall(code)))"
        );
        let Some(said) = tcb(&code) else { return };
        assert_eq!(said.trim(), format!("{lines} {unsafes}"), "{source}");
    }
}

#[test]
fn a_module_for_tests_alone_is_not_counted_in_whatever_file_it_is() {
    let dir = crate::support::TempDir::new();
    std::fs::create_dir_all(dir.path().join("a/tests")).unwrap();
    dir.write("lib.rs", "mod a;\n#[cfg(feature = \"sim\")]\npub mod sim;\n");
    dir.write("a.rs", "mod b;\n#[cfg(test)]\nmod tests;\n");
    dir.write("a/b.rs", "fn b() {}\n");
    dir.write("a/tests.rs", "mod c;\n");
    dir.write("a/tests/c.rs", "fn c() {}\n");
    dir.write("sim.rs", "fn sim() {}\n");
    let code = format!(
        "import pathlib\nfolder = pathlib.Path({:?})\nprint(*(file.relative_to(folder) for file in tcb.rust(folder, \
         tcb.walk(folder, ('.rs',)), {{'sim'}})))",
        dir.path()
    );
    let Some(said) = tcb(&code) else { return };
    assert_eq!(said.trim(), "a/b.rs a.rs lib.rs");
}

#[test]
fn a_crate_that_wants_a_newer_compiler_than_cargo_toml_states_is_refused() {
    let asked = |newest: &str| {
        format!(
            "crate = ('a', '1.0.0')\npackages = {{crate: {{'rust_version': '{newest}'}}}}\n\
             try: print(tcb.wanted(packages, {{crate}}, '1.92'))\n\
             except SystemExit as refusal: print(refusal)"
        )
    };
    for (newest, refused) in [("1.91.9", false), ("1.92", false), ("1.92.1", true), ("1.100", true), ("2", true)] {
        let Some(said) = tcb(&asked(newest)) else { return };
        assert_eq!(said.contains("a 1.0.0 wants"), refused, "{newest}: {said}");
    }
}

#[test]
fn a_crate_in_two_versions_is_refused() {
    let Some(said) = tcb("print(tcb.twice({('a', '1.0.0'), ('b', '1.0.0'), ('a', '2.0.0')}))") else { return };
    assert_eq!(said.trim(), "['a']");
}
