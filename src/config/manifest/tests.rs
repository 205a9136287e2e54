use super::*;

/// The least a manifest holds, five lines; what a test is about starts on line 6.
const HEAD: &str = "\
version: v1
name: app
target: app:latest
sources:
  app: app:dev
";

fn read(rest: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse("enclaver.yaml", &format!("{HEAD}{rest}"))
}

fn refusal(text: &str) -> String {
    match Manifest::parse("enclaver.yaml", text) {
        Ok(manifest) => panic!("accepted: {manifest:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// Each row: what follows [`HEAD`], and the whole error.
fn refused(table: &[(&str, &str)]) {
    for (rest, error) in table {
        assert_eq!(refusal(&format!("{HEAD}{rest}")), *error, "{rest}");
    }
}

#[test]
fn the_least_manifest_has_defaults_and_runs_nothing() {
    for rest in [
        "",
        "ingress:\negress:\napi:\naux_api:\nkms_proxy:\nstorage:\nhelios_rpc:\nnsm:\nvsock_ports:\ndefaults:\nsignature:\n",
    ] {
        let manifest = read(rest).unwrap();
        assert_eq!(manifest.vsock_ports, VsockPorts::default());
        assert!(manifest.ingress.is_empty() && manifest.egress.is_none() && manifest.api.is_none());
        assert!(manifest.aux_api.is_none() && manifest.kms_proxy.is_none() && manifest.storage.is_none());
        assert!(
            !manifest.nsm_exposed
                && manifest.helios.is_none()
                && manifest.signature.is_none()
                && manifest.environment().is_empty()
        );
        assert_eq!(manifest.services().len(), 3, "status, log, host egress");
    }
}

#[test]
fn the_nsm_is_exposed_only_where_it_is_written() {
    for (rest, exposed) in [("nsm: {}\n", false), ("nsm: {expose: false}\n", false), ("nsm:\n  expose: true\n", true)] {
        assert_eq!(read(rest).unwrap().nsm_exposed, exposed, "{rest}");
    }
    refused(&[
        ("nsm: true\n", "enclaver.yaml:6: nsm: invalid type: boolean `true`, expected a mapping such as expose: true"),
        ("nsm:\n  exposed: true\n", "enclaver.yaml:7: nsm: unknown field `exposed`, expected `expose`"),
        ("nsm:\n  expose: 1\n", "enclaver.yaml:7: nsm.expose: invalid type: integer `1`, expected a boolean"),
    ]);
}

#[test]
fn a_field_of_the_wrong_name_or_kind_is_refused_with_its_line() {
    assert_eq!(refusal("version: v1\nname: a\n"), "enclaver.yaml:1: missing field `target`");
    assert_eq!(refusal("version: v1\nname:\n"), "enclaver.yaml:2: name: may not be empty");
    assert_eq!(
        refusal("version: v2\nname: a\ntarget: b\nsources: {app: c}\n"),
        "enclaver.yaml:1: version: \"v2\" is not known here: write v1"
    );
    refused(&[
        ("api:\n  port: 1\n", "enclaver.yaml:7: api: unknown field `port`, expected `listen_port`"),
        ("api: {}\n", "enclaver.yaml:6: api: missing field `listen_port`"),
        (
            "api: 80\n",
            "enclaver.yaml:6: api: invalid type: integer `80`, expected a mapping such as listen_port: 18000",
        ),
        ("api: [80]\n", "enclaver.yaml:6: api: invalid type: sequence, expected a mapping such as listen_port: 18000"),
        ("api:\n  listen_port: 0\n", "enclaver.yaml:7: api.listen_port: 0 is not a port: ports go from 1 to 65535"),
        (
            "api:\n  listen_port: 70000\n",
            "enclaver.yaml:7: api.listen_port: 70000 is not a port: ports go from 1 to 65535",
        ),
        (
            "api:\n  listen_port: \"80\"\n",
            "enclaver.yaml:7: api.listen_port: invalid type: string \"80\", expected a port number from 1 to 65535",
        ),
        (
            "ingress:\n  - listen_port:\n",
            "enclaver.yaml:7: ingress[0].listen_port: invalid type: unit value, expected a port number from 1 to 65535",
        ),
        (
            "storage: {s3: {enabled: yes}}\n",
            "enclaver.yaml:6: storage.s3.enabled: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "egress:\n  allow:\n    - a.com\n    - '**'\n    - 10.0.0.1/8\n",
            "enclaver.yaml:10: egress.allow[2]: \"10.0.0.1/8\": the address has bits set after its prefix: write 10.0.0.0/8",
        ),
        (
            "egress:\n  deny: ['*foo.com']\n",
            "enclaver.yaml:7: egress.deny[0]: \"*foo.com\": a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone",
        ),
        (
            "egress:\n  allow: a.com\n",
            "enclaver.yaml:7: egress.allow: invalid type: string \"a.com\", expected a sequence",
        ),
        ("signature: {certificate: c}\n", "enclaver.yaml:6: signature: missing field `key`"),
        (
            "defaults:\n  cpu_count: 0\n",
            "enclaver.yaml:7: defaults.cpu_count: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            "storage:\n  s3:\n    bucket: A\n",
            "enclaver.yaml:8: storage.s3.bucket: \"A\" is no bucket name: 3 to 63 of a-z, 0-9, dot and hyphen",
        ),
        (
            "helios_rpc:\n  execution_rpc: ws://secret\n",
            "enclaver.yaml:7: helios_rpc.execution_rpc: is no URL that starts with http:// or https://",
        ),
        (
            "helios_rpc:\n  network: goerli\n",
            "enclaver.yaml:7: helios_rpc.network: unknown variant `goerli`, expected one of `mainnet`, `sepolia`, `holesky`, `hoodi`",
        ),
    ]);
}

#[test]
fn two_services_on_one_port_are_refused_by_both_names() {
    let kms = "egress: {allow: [169.254.169.254]}\nkms_proxy:\n  listen_port: 10000\n";
    refused(&[
        (
            "ingress:\n  - listen_port: 8080\napi:\n  listen_port: 8080\n",
            "enclaver.yaml:9: api.listen_port: 8080 is already taken by ingress[0].listen_port (line 7)",
        ),
        (
            "ingress:\n  - listen_port: 80\n  - listen_port: 81\n  - listen_port: 80\n",
            "enclaver.yaml:9: ingress[2].listen_port: 80 is already taken by ingress[0].listen_port (line 7)",
        ),
        (
            "ingress:\n  - listen_port: 17001\n",
            "enclaver.yaml:7: ingress[0].listen_port: 17001 is already taken by vsock_ports.app_log_port (the default)",
        ),
        (
            "vsock_ports:\n  status_port: 17002\n",
            "enclaver.yaml:7: vsock_ports.status_port: 17002 is already taken by vsock_ports.http_egress_port (the default)",
        ),
        (
            "vsock_ports:\n  status_port: 5\n  app_log_port: 5\n",
            "enclaver.yaml:8: vsock_ports.app_log_port: 5 is already taken by vsock_ports.status_port (line 7)",
        ),
        (kms, "enclaver.yaml:8: kms_proxy.listen_port: 10000 is already taken by egress.proxy_port (the default)"),
        (
            "egress: {allow: [a.com]}\napi:\n  listen_port: 9999\n",
            "enclaver.yaml:8: aux_api.listen_port: 10000 (api.listen_port + 1) is already taken by egress.proxy_port (the default)",
        ),
        (
            "ingress: [{listen_port: 81}]\napi:\n  listen_port: 80\n",
            "enclaver.yaml:6: ingress[0].listen_port: 81 is already taken by aux_api.listen_port (api.listen_port + 1)",
        ),
    ]);
    let apart = "ingress: [{listen_port: 80}]\napi: {listen_port: 17000}\naux_api: {listen_port: 17002}\n";
    assert!(read(apart).is_ok(), "loopback 17000 and vsock 17000 are two ports");
    assert!(read("egress: {proxy_port: 80, allow: []}\napi: {listen_port: 80}\n").is_ok(), "no egress, no proxy");
}

#[test]
fn the_auxiliary_api_follows_the_internal_one() {
    let ports = |rest: &str| read(rest).map(|it| (it.api.map(Port::number), it.aux_api.map(Port::number))).unwrap();
    assert_eq!(ports("api: {listen_port: 80}\n"), (Some(80), Some(81)));
    assert_eq!(ports("api: {listen_port: 80}\naux_api: {}\n"), (Some(80), Some(81)));
    assert_eq!(ports("api: {listen_port: 80}\naux_api: {listen_port: 9}\n"), (Some(80), Some(9)));
    assert_eq!(ports("api: {listen_port: 65535}\naux_api: {listen_port: 9}\n"), (Some(65535), Some(9)));
    refused(&[
        (
            "aux_api:\n  listen_port: 81\n",
            "enclaver.yaml:6: aux_api: it runs beside the internal API: add the line api: {listen_port: 18000}",
        ),
        (
            "api:\n  listen_port: 65535\n",
            "enclaver.yaml:7: api.listen_port: 65535 leaves no next port for the auxiliary API: add the line aux_api: {listen_port: 18001}",
        ),
    ]);
}

#[test]
fn what_calls_aws_needs_egress_to_the_metadata_service() {
    refused(&[
        (
            "kms_proxy:\n  listen_port: 9000\n",
            "enclaver.yaml:6: kms_proxy: the KMS proxy needs egress: add the line egress: {allow: [\"169.254.169.254\", \"kms.us-east-1.amazonaws.com\"]}",
        ),
        (
            "storage:\n  s3: {enabled: true, bucket: abc}\n",
            "enclaver.yaml:7: storage.s3: S3 storage needs egress: add the line egress: {allow: [\"169.254.169.254\", \"**.amazonaws.com\"]}",
        ),
        (
            "egress: {allow: ['**', '169.254.169.254:443']}\nkms_proxy: {listen_port: 9000}\n",
            "enclaver.yaml:7: kms_proxy: egress.allow lacks \"169.254.169.254\": the KMS proxy needs it",
        ),
        (
            "egress: {allow: ['0.0.0.0/0'], deny: ['169.254.0.0/16']}\nkms_proxy: {listen_port: 9000}\n",
            "enclaver.yaml:7: kms_proxy: egress.deny has \"169.254.0.0/16\", but the KMS proxy needs 169.254.169.254:80",
        ),
        (
            "egress: {allow: ['169.254.169.254']}\nstorage:\n  s3:\n    enabled: true\n",
            "enclaver.yaml:8: storage.s3.bucket: is missing, and S3 storage is enabled",
        ),
    ]);
    assert!(read("egress: {allow: ['169.254.0.0/16:80']}\nkms_proxy: {listen_port: 9000}\n").is_ok());
    assert!(read("storage: {s3: {bucket: abc}}\n").unwrap().storage.is_none(), "off unless enabled");
}

#[test]
fn the_light_client_names_what_it_trusts() {
    let root = format!("0x{}", "ab".repeat(32));
    let helios = |fields: &str| format!("helios_rpc:\n  enabled: true\n{fields}");
    let rpc = "  network: sepolia\n  execution_rpc: https://rpc.example.com/key\n";
    refused(&[
        (&helios(""), "enclaver.yaml:6: helios_rpc.network: is missing, and the light client is enabled"),
        (
            &helios("  network: mainnet\n"),
            "enclaver.yaml:6: helios_rpc.execution_rpc: is missing, and the light client is enabled",
        ),
        (
            &helios(rpc),
            "enclaver.yaml:6: helios_rpc.checkpoint: is missing: write the root of a finalised beacon block, or set consensus_rpc and write unsafe-latest",
        ),
        (
            &helios(&format!("{rpc}  checkpoint: unsafe-latest\n")),
            "enclaver.yaml:10: helios_rpc.checkpoint: unsafe-latest trusts the consensus RPC, so add consensus_rpc",
        ),
        (
            &helios("  checkpoint: 0x12\n"),
            "enclaver.yaml:8: helios_rpc.checkpoint: is neither a block root of 32 bytes in hexadecimal nor unsafe-latest",
        ),
    ]);
    let checkpoint = format!("  checkpoint: {root}\n");
    let mainnet = "  network: mainnet\n  execution_rpc: https://rpc.example.com/key\n";
    refused(&[
        (
            &helios(&format!("{rpc}{checkpoint}")),
            "enclaver.yaml:6: helios_rpc.consensus_rpc: is missing, and sepolia has no usual one",
        ),
        (
            &helios(&format!("{mainnet}{checkpoint}")),
            "enclaver.yaml:9: helios_rpc.execution_rpc: the light client needs egress: add the line egress: {allow: [\"rpc.example.com:443\", \"ethereum.operationsolarstorm.org:443\"]}",
        ),
        (
            &format!("egress: {{allow: [\"rpc.example.com\"]}}\n{}", helios(&format!("{mainnet}{checkpoint}"))),
            "enclaver.yaml:7: helios_rpc.consensus_rpc: egress.allow lacks \"ethereum.operationsolarstorm.org\": the light client needs it",
        ),
        (
            &format!(
                "egress: {{allow: [\"**\"], deny: [\"*.example.com\"]}}\n{}",
                helios(&format!("{mainnet}{checkpoint}"))
            ),
            "enclaver.yaml:10: helios_rpc.execution_rpc: egress.deny has \"*.example.com\", but the light client needs rpc.example.com:443",
        ),
    ]);
    let open =
        |fields: &str| read(&format!("egress: {{allow: [\"**\"]}}\n{}", helios(fields))).unwrap().helios.unwrap();
    let given = open(&format!("{mainnet}{checkpoint}"));
    assert_eq!((given.port.number(), given.checkpoint), (8545, Checkpoint::Root([0xab; 32])));
    assert_eq!(given.consensus_rpc.as_str(), "https://ethereum.operationsolarstorm.org");
    assert!(!given.allow_old_checkpoint);
    let latest = format!("{rpc}  consensus_rpc: http://c.example.com\n  checkpoint: unsafe-latest\n");
    assert!(open(&format!("{latest}  allow_old_checkpoint: true\n")).allow_old_checkpoint);
    assert!(read("helios_rpc: {network: hoodi}\n").unwrap().helios.is_none(), "off unless enabled");
}

#[test]
fn tls_files_are_below_the_port_s_folder_unless_absolute() {
    let manifest = read("ingress:\n  - {listen_port: 443, tls: {}}\n  - {listen_port: 444, tls: {cert_file: c, key_file: /k}}\n  - {listen_port: 445, tls: }\n").unwrap();
    let paths: Vec<_> = manifest
        .ingress
        .iter()
        .filter_map(|ingress| Some(ingress.tls.as_ref()?.paths(Path::new("/etc/enclaver"), ingress.port)))
        .collect();
    let expected = [
        ("/etc/enclaver/tls/server/443/cert.pem", "/etc/enclaver/tls/server/443/key.pem"),
        ("/etc/enclaver/tls/server/444/c", "/k"),
    ];
    assert_eq!(paths, expected.map(|(cert, key)| (PathBuf::from(cert), PathBuf::from(key))));
}

#[test]
fn a_file_is_read_to_its_cap_and_must_be_utf_8() {
    let folder = std::env::temp_dir().join(format!("odyn-manifest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Manifest::load(&path).map_err(|error| error.to_string().replace(&folder.display().to_string(), "DIR"))
    };
    assert_eq!(load("good.yaml", HEAD.as_bytes()).unwrap().name, "app");
    let mut full = HEAD.as_bytes().to_vec();
    full.resize(limits::MANIFEST_FILE, b'\n');
    assert!(load("full.yaml", &full).is_ok());
    full.push(b'\n');
    assert_eq!(load("large.yaml", &full).unwrap_err(), "DIR/large.yaml: a manifest has at most 1048576 bytes");
    assert_eq!(
        load("bytes.yaml", b"version: v1\nname: \xff\n").unwrap_err(),
        "DIR/bytes.yaml:2: the text is not UTF-8"
    );
    assert_eq!(load("utf16.yaml", b"\xff\xfev\0").unwrap_err(), "DIR/utf16.yaml:1: the text is not UTF-8");
    let absent = Manifest::load(&folder.join("absent")).unwrap_err();
    assert!(matches!(&absent, ManifestError::Unreadable { .. }));
    assert_eq!(
        absent.to_string(),
        format!("cannot read {}/absent: No such file or directory (os error 2)", folder.display())
    );
    assert!(matches!(Manifest::load(&folder), Err(ManifestError::Unreadable { .. })), "a folder");
    std::fs::remove_dir_all(&folder).unwrap();
}
