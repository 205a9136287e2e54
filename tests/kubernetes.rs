//! `enclave/kubernetes/`: Kubernetes' own schemas, and what its command lines do.

use std::path::{Path, PathBuf};
use std::process::Command;

use odyn::config::limits;
use serde_yaml::Value;

use crate::eif::Parent;
use crate::support::tools::installed;
use crate::support::{TempDir, eventually};

/// The oldest version with a sleeping preStop, and the newest that is known.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("enclave/kubernetes")
}

fn manifests() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    found.sort();
    found
}

fn deployment() -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(folder().join("deployment.yaml")).unwrap()).unwrap()
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

fn words(list: &Value) -> Vec<String> {
    list.as_sequence().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The value of `--flag=VALUE` in a command line.
fn flag<'a>(command: &'a [String], name: &str) -> &'a str {
    let found = command.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {command:?}"))
}

#[test]
fn every_manifest_fits_the_schemas_and_one_that_does_not_would_be_noticed() {
    let Some(validator) = installed("bin/kubernetes-validate") else { return };
    let validate = |version: &str, files: &[PathBuf]| {
        Command::new(&validator).args(["--strict", "-k", version]).args(files).output().unwrap()
    };
    let found = manifests();
    assert_eq!(found.len(), 3, "{found:?}");
    for version in VERSIONS {
        let output = validate(version, &found);
        assert!(output.status.success(), "{version}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.matches(" passed for resource ").count(), found.len(), "{version}: {said}");
    }
    let dir = TempDir::new();
    for (right, wrong) in [("failureThreshold:", "failureTreshold:"), ("replicas: 3", "replicas: three")] {
        let text = std::fs::read_to_string(folder().join("deployment.yaml")).unwrap();
        let broken = dir.write("broken.yaml", &text.replacen(right, wrong, 1));
        let alone = std::slice::from_ref(&broken);
        assert!(!validate(VERSIONS[0], alone).status.success(), "{wrong} passed");
    }
}

#[test]
fn the_deployments_commands_start_an_enclave_that_its_probes_find_running() {
    let deployment = deployment();
    let container = container(&deployment);
    let parent = Parent::new("ingress:\n  - listen_port: 8080\n", "echo up; exec sleep 1000");
    // What is inside the pod lies in the test's folder.
    let moved = |words: Vec<String>| -> Vec<String> {
        let root = parent.path("").display().to_string();
        let words = words.into_iter().skip(1);
        words.map(|word| word.replace("/app/", &root).replace("/run/odyn/", &root)).collect()
    };
    let command = moved(words(&container["command"]));
    assert_eq!(command[0], "run");
    let probes: Vec<Vec<String>> = ["startupProbe", "readinessProbe", "livenessProbe"]
        .map(|name| moved(words(&container[name]["exec"]["command"])))
        .to_vec();
    for program in [&container["command"], &container["startupProbe"]["exec"]["command"]] {
        assert_eq!(words(program)[0], "odyn-host");
    }
    // The test's own: where the stand-in's enclave is, and a free port of loopback for its ingress.
    let vsock = crate::support::uds(parent.dir.path()).into_string().unwrap();
    let command: Vec<&str> =
        command.iter().map(String::as_str).chain(["--vsock", &vsock, "-p", "0:8080", "--bind", "127.0.0.1"]).collect();
    let mut run = parent.run(&command);
    run.wait_for("out", "up\n");
    for probe in &probes {
        let probe: Vec<&str> = probe.iter().map(String::as_str).collect();
        eventually("the probe passes", || run.parent.command(&probe).output().unwrap().status.success().then_some(()));
    }
    run.signal("TERM");
    assert_eq!(run.finish(), Some(143), "{}", run.read("err"));
    let probe: Vec<&str> = probes[0].iter().map(String::as_str).collect();
    assert_eq!(run.parent.command(&probe).output().unwrap().status.code(), Some(1));
    assert!(run.parent.calls()[0].contains("--cpu-count 2 --memory 512"), "{:?}", run.parent.calls());
}

#[test]
fn its_times_and_sizes_fit_those_of_odyn() {
    let deployment = deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = container(&deployment);
    let seconds = |value: &Value| value.as_u64().unwrap();
    let grace = seconds(&pod["terminationGracePeriodSeconds"]);
    let sleep = seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"]);
    assert!(grace > sleep + limits::DRAIN.as_secs() + limits::NITRO_END.as_secs(), "{grace} s of grace");
    for name in ["startupProbe", "readinessProbe", "livenessProbe"] {
        // The connection, and the answer.
        let most = limits::STATUS_ONCE.as_secs() + 2;
        assert!(seconds(&container[name]["timeoutSeconds"]) > most, "{name}");
    }
    let startup = &container["startupProbe"];
    let patience = seconds(&startup["periodSeconds"]) * seconds(&startup["failureThreshold"]);
    assert!(patience >= limits::ENCLAVE_START.as_secs());
    let pages = container["resources"]["limits"]["hugepages-2Mi"].as_str().unwrap();
    assert_eq!(pages, format!("{}Mi", flag(&words(&container["command"]), "--memory")));
    let writable = words(&container["command"]);
    let file = Path::new(flag(&writable, "--vsock-file")).parent().unwrap().display().to_string();
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"].as_str() == Some(&file)), "{file} is not mounted");
}
