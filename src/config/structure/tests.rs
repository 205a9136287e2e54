use crate::config::manifest::Manifest;

fn refusal(text: &str) -> String {
    match Manifest::parse("enclaver.yaml", text) {
        Ok(manifest) => panic!("accepted: {manifest:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_not_one_yaml_mapping_is_refused() {
    let table = [
        ("", "enclaver.yaml: the manifest is empty"),
        ("# nothing\n", "enclaver.yaml: the manifest is empty"),
        ("---\n", "enclaver.yaml: the manifest is empty"),
        ("~", "enclaver.yaml: the manifest is empty"),
        ("- a\n", "enclaver.yaml:1: invalid type: sequence, expected a mapping that starts with version: v1"),
        ("text", "enclaver.yaml:1: invalid type: string \"text\", expected a mapping that starts with version: v1"),
        (
            "version: v1\n---\na: b\n",
            "enclaver.yaml: the manifest is one YAML document, and \"---\" starts another here",
        ),
        ("version: v1\n  a: b\n", "enclaver.yaml:2: mapping values are not allowed in this context"),
        (
            "version: v1\n\ta: b\n",
            "enclaver.yaml:2: found a tab character that violates indentation, while scanning a plain scalar at line 1 column 10",
        ),
        (
            "version: 'v1\n",
            "enclaver.yaml:2: found unexpected end of stream, while scanning a quoted scalar at line 1 column 10",
        ),
        ("version: *v\n", "enclaver.yaml:1: unknown anchor"),
        ("version: v\0\n", "enclaver.yaml:1: control characters are not allowed at position 10"),
        ("version: !v v1\n", "enclaver.yaml:1: version: invalid type: enum, expected a value without a tag"),
        (
            "\u{feff}version: v1\n",
            "enclaver.yaml:1: the file starts with a byte-order mark: save it as UTF-8 without one",
        ),
    ];
    for (text, error) in table {
        assert_eq!(refusal(text), error, "{text:?}");
    }
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut exponential = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        exponential.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert_eq!(refusal(&exponential), "enclaver.yaml: repetition limit exceeded");

    // serde_yaml's own limit counts aliases, not what they bring: 3,000 of them times 1,000 bytes pass it.
    let quadratic = |times: usize| format!("a: &a {}\nb: [{}]\n", "x".repeat(1000), "*a, ".repeat(times));
    assert_eq!(refusal(&quadratic(3000)), "enclaver.yaml:1: b[2094]: the aliases expand the manifest beyond all use");
    assert!(refusal(&quadratic(2000)).contains("unknown field `a`"), "the size itself is allowed");

    let open = "[".repeat(1000);
    let closed = format!("{open}{}", "]".repeat(1000));
    for depth in [open, closed] {
        assert_eq!(refusal(&format!("version: {depth}")), "enclaver.yaml:1: recursion limit exceeded");
    }
}

#[test]
fn a_key_twice_is_refused_on_its_second_line() {
    let table = [
        ("name: app\nname: app\n", "enclaver.yaml:2: the key \"name\" is here twice"),
        ("api:\n  listen_port: 1\n  listen_port: 1\n", "enclaver.yaml:3: api: the key \"listen_port\" is here twice"),
        (
            "kms_proxy:\n  listen_port: 1\n  endpoints:\n    a: b.c\n    \"a\": d.e\n",
            "enclaver.yaml:5: kms_proxy.endpoints: the key \"a\" is here twice",
        ),
        (
            "ingress:\n  - listen_port: 1\n  - listen_port: 2\n    listen_port: 3\n",
            "enclaver.yaml:4: ingress[1]: the key \"listen_port\" is here twice",
        ),
    ];
    for (text, error) in table {
        assert_eq!(refusal(text), error, "{text}");
    }
}
