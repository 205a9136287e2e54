use super::*;

fn said(stdout: &str, stderr: &str) -> Said {
    Said { succeeded: true, stdout: stdout.into(), stderr: stderr.into() }
}

fn answered(stdout: &str) -> (Option<String>, Option<u32>) {
    said(stdout, "").enclave()
}

#[test]
fn an_enclave_is_an_id_and_a_cid_whatever_else_is_told_of_it() {
    let real = "{\n  \"EnclaveName\": \"app\",\n  \"EnclaveID\": \"i-0a1-enc1b2\",\n  \"ProcessID\": 12,\n  \
                \"EnclaveCID\": 16,\n  \"NumberOfCPUs\": 2,\n  \"CPUIDs\": [1, 3],\n  \"MemoryMiB\": 512\n}\n";
    assert_eq!(answered(real), (Some("i-0a1-enc1b2".into()), Some(16)));
    assert_eq!(answered(&format!("Start allocating memory...\n{real}trailing")), answered(real));
}

#[test]
fn an_id_or_a_cid_that_cannot_be_one_is_none() {
    for rubbish in ["", "{", "null", "[]", "{\"EnclaveID\": 7}", "{\"EnclaveID\": \"\", \"EnclaveCID\": -1}"] {
        assert_eq!(answered(rubbish), (None, None), "{rubbish:?}");
    }
    for id in ["--all", "a b", "a/b", "a\\nb", "ü", &"a".repeat(limits::NITRO_ID + 1)] {
        assert_eq!(answered(&format!("{{\"EnclaveID\": \"{id}\"}}")).0, None, "{id}");
    }
    for cid in ["3", "0", "4294967295", "4294967296", "\"16\"", "16.5"] {
        let answer = format!("{{\"EnclaveID\": \"i-1\", \"EnclaveCID\": {cid}}}");
        assert_eq!(answered(&answer), (Some("i-1".into()), None), "{cid}");
    }
}

#[test]
fn a_list_has_an_enclave_or_not_and_anything_else_is_no_list() {
    assert_eq!(said("[]", "").lists("i-1"), Some(false));
    assert_eq!(said("[{\"EnclaveID\": \"i-1\", \"State\": \"RUNNING\"}]", "").lists("i-1"), Some(true));
    assert_eq!(said("[{\"EnclaveID\": \"i-10\"}, 7]", "").lists("i-1"), Some(false));
    for rubbish in ["", "{}", "[", "null"] {
        assert_eq!(said(rubbish, "").lists("i-1"), None, "{rubbish:?}");
    }
}

#[test]
fn a_failure_is_one_line_with_its_cause_its_log_and_what_helps() {
    let text = "Start allocating memory...\n[ E27 ] Insufficient memory available. User provided `memory` is 9000 MB.\nYou \
                can increase it.\n\nFor more details, please visit https://docs/#E27\n\nIf you open a support ticket, please \
                provide the error log found at \"/var/log/nitro_enclaves/err1.log\"\nFailed connections: 1\n[ E39 ] Enclave \
                process connection failure.\nplease provide the error log found at \"/var/log/nitro_enclaves/err2.log\"\n";
    let reason = said("", text).reason();
    let start = "[ E27 ] Insufficient memory available. User provided `memory` is 9000 MB. (then E39) (nitro-cli's log: \
                 /var/log/nitro_enclaves/err1.log); reserve more in memory_mib";
    assert!(reason.starts_with(start), "{reason}");
    assert!(!reason.contains('\n'));
}

#[test]
fn the_usual_causes_have_a_hint_and_others_none() {
    for (text, hint) in [
        ("[ E22 ] Insufficient CPUs available in the pool.", "cpu_count of"),
        ("[ E26 ] Insufficient memory requested.", "--memory or defaults.memory_mb"),
        ("[ E28 ] Invalid enclave descriptor.", "/dev/nitro_enclaves (group ne"),
        ("[ E36 ] Enclave boot failure.", "--debug-mode"),
        ("Failed to open device file /dev/nitro_enclaves: Permission denied", "group ne"),
        ("[ E19 ] File operation failure.\nFile: '/var/log/nitro_enclaves/nitro_enclaves.log'", "may this user write"),
    ] {
        let reason = said("", text).reason();
        assert!(reason.starts_with(text.lines().next().unwrap()) && reason.contains(hint), "{reason}");
    }
    let unknown = "[ E11 ] Socket error.\nprovide the error log found at \"/var/log/nitro_enclaves/e.log\"\n";
    let expected = "[ E11 ] Socket error. (nitro-cli's log: /var/log/nitro_enclaves/e.log)";
    assert_eq!(said("", unknown).reason(), expected);
    assert_eq!(said("", "one\n\ntwo\nthree\nfour\n").reason(), "two / three / four");
    assert_eq!(said("", "").reason(), "it did not say why");
    assert_eq!(said("", "[ E5 ] x\n[ Eab ] y").reason(), "[ E5 ] x / [ Eab ] y");
}

#[test]
fn what_is_passed_on_is_cut_between_two_characters() {
    let reason = said("", &"ü".repeat(limits::NITRO_REASON)).reason();
    assert_eq!(reason.len(), limits::NITRO_REASON);
    assert_eq!(said(&"é".repeat(1000), "").excerpt().len(), limits::NITRO_REASON);
}
