use super::*;

fn read(args: &[&str]) -> Result<Request, String> {
    parse(args.iter().map(OsString::from)).map_err(|e| e.to_string())
}

#[test]
fn run_takes_an_enclave_and_has_a_default_for_everything_else() {
    let Ok(Request::Run(run)) = read(&["run", "--vsock", "cid:16"]) else { panic!() };
    assert_eq!(run.which, Which::Existing(Enclave::Cid(16)));
    assert_eq!((run.config, run.bind, run.verbosity), ("enclaver.yaml".into(), Ipv4Addr::LOCALHOST.into(), 0));
    let args = ["run", "--vsock=uds:/v=1", "-p", "80:8080", "-p", "0:9", "--bind", "::1", "--config=x.yaml", "-vv"];
    let Ok(Request::Run(run)) = read(&args) else { panic!() };
    assert_eq!(run.which, Which::Existing(Enclave::Uds("/v=1".into())));
    assert_eq!(run.publish, [Choice { host: 80, port: 8080 }, Choice { host: 0, port: 9 }]);
    assert_eq!((run.config, run.bind, run.verbosity), ("x.yaml".into(), "::1".parse().unwrap(), 2));
}

#[test]
fn run_starts_an_image_with_what_was_said_of_it_and_the_rest_unset() {
    let launch = |args: &[&str]| match read(args) {
        Ok(Request::Run(Run { which: Which::New(launch), .. })) => launch,
        other => panic!("{other:?}"),
    };
    let unset = Launch { eif: "a.eif".into(), cpu: None, memory: None, debug: false, at: None, vsock_file: None };
    assert_eq!(launch(&["run", "--eif", "a.eif"]), unset);
    let args = ["run", "--eif=a.eif", "--cpu", "2", "--memory", "512", "--debug-mode", "--vsock", "cid:9"];
    let set = Launch {
        cpu: NonZeroU32::new(2),
        memory: NonZeroU32::new(512),
        debug: true,
        at: Some(Enclave::Cid(9)),
        ..unset.clone()
    };
    assert_eq!(launch(&args), set);
    let args = ["run", "--vsock", "uds:/v", "--eif", "a.eif", "--vsock-file", "f"];
    assert_eq!(launch(&args), Launch { at: Some(Enclave::Uds("/v".into())), vsock_file: Some("f".into()), ..unset });
}

#[test]
fn everything_behind_two_dashes_is_the_applications() {
    let Ok(Request::Local(local)) = read(&["local", "-p", "1:2", "--", "app", "--help", "--", "-v"]) else { panic!() };
    assert_eq!(local.app, ["app", "--help", "--", "-v"]);
    assert_eq!(local.verbosity, 0);
}

#[test]
fn streams_take_a_manifest_only_when_told() {
    let stream = |name: &str| match read(&[name, "--vsock", "cid:1"]) {
        Ok(Request::Follow(follow)) => (follow.stream, follow.config),
        other => panic!("{other:?}"),
    };
    assert_eq!(stream("logs"), (Stream::Log, None));
    assert_eq!(stream("status"), (Stream::Status, None));
    let Ok(Request::Follow(probe)) = read(&["status", "--once", "--vsock", "file:/run/enclave"]) else { panic!() };
    assert!(probe.once && probe.enclave == Address::In("/run/enclave".into()));
    assert_eq!(read(&["check", "a.yaml"]), Ok(Request::Check("a.yaml".into())));
}

#[test]
fn every_sub_command_explains_itself_whatever_else_is_missing() {
    for command in Command::ALL {
        let Ok(Request::Help(text)) = read(&[command.name(), "--help"]) else { panic!("{command:?}") };
        assert!(text.starts_with(&format!("usage: odyn-host {} ", command.name())));
        assert!(USAGE.contains(&format!("odyn-host {} ", command.name())));
    }
    assert_eq!(read(&["--help"]), Ok(Request::Help(USAGE)));
    assert_eq!(read(&["--version"]), Ok(Request::Version));
}

#[test]
fn a_wrong_command_line_says_which_argument_and_why() {
    for (args, message) in [
        (&[][..], "no sub-command; see odyn-host --help"),
        (&["attest"], "no sub-command \"attest\"; see odyn-host --help"),
        (&["run"], "--vsock or --eif is missing; see odyn-host run --help"),
        (&["run", "--memory", "512"], "--memory is for --eif only; see odyn-host run --help"),
        (&["run", "--vsock", "cid:4", "--debug-mode"], "--debug-mode is for --eif only; see odyn-host run --help"),
        (&["run", "--vsock-file", "f"], "--vsock-file is for --eif only; see odyn-host run --help"),
        (&["run", "--cpu", "+2"], "--cpu \"+2\": expected a number above 0; see odyn-host run --help"),
        (&["run", "--memory", "0"], "--memory \"0\": expected a number of MiB above 0; see odyn-host run --help"),
        (&["run", "--vsock", "file:f"], "--vsock \"file:f\": expected cid:N or uds:PATH; see odyn-host run --help"),
        (&["logs", "--once"], "unknown flag \"--once\"; see odyn-host logs --help"),
        (&["run", "--vsock"], "--vsock needs a value; see odyn-host run --help"),
        (&["run", "--vsock", "16"], "--vsock \"16\": expected cid:N or uds:PATH; see odyn-host run --help"),
        (&["run", "--vsock", "uds:"], "--vsock \"uds:\": expected cid:N or uds:PATH; see odyn-host run --help"),
        (
            &["run", "--vsock", "cid:4294967295"],
            "--vsock \"cid:4294967295\": expected cid:N or uds:PATH; see odyn-host run --help",
        ),
        (&["run", "--bind", "x"], "--bind \"x\": expected an IP address; see odyn-host run --help"),
        (&["run", "app"], "unexpected \"app\"; see odyn-host run --help"),
        (&["local", "app"], "unexpected \"app\": the application goes behind --; see odyn-host local --help"),
        (&["local", "--"], "-- APP is missing; see odyn-host local --help"),
        (&["local", "--vsock", "cid:3"], "unknown flag \"--vsock\"; see odyn-host local --help"),
        (&["local", "-p", "80"], "-p \"80\": expected HOSTPORT:PORT, two port numbers; see odyn-host local --help"),
        (&["logs", "-p", "1:2"], "unknown flag \"-p\"; see odyn-host logs --help"),
        (&["verify"], "--doc or --url is missing; see odyn-host verify --help"),
        (
            &["verify", "--url", "ftp://x"],
            "--url \"ftp://x\": expected http://... or https://...; see odyn-host verify --help",
        ),
        (&["check"], "the manifest's name is missing; see odyn-host check --help"),
        (&["check", "a", "b"], "unexpected \"b\"; see odyn-host check --help"),
    ] {
        assert_eq!(read(args).unwrap_err(), message);
    }
}

#[test]
fn verify_takes_a_document_or_a_url_and_never_both() {
    let digest = "0a".repeat(48);
    let args = ["verify", "--doc", "-", "--pcr", &format!("0={digest}"), "--pcr=31=0x"];
    assert!(read(&args).unwrap_err().contains("expected N=HEX"));
    let pcr = format!("--pcr=31=0x{digest}");
    let Ok(Request::Verify(verify)) = read(&["verify", "--doc", "-", &pcr, "--nonce=0xAB", "--root", "r.pem"]) else {
        panic!()
    };
    assert_eq!(verify.origin, Origin::Document(Source::Stdin));
    assert_eq!(verify.pcrs, BTreeMap::from([(31, vec![0x0a; 48])]));
    assert_eq!((verify.nonce, verify.root), (Some(vec![0xab]), Some("r.pem".into())));
    let Ok(Request::Verify(verify)) = read(&["verify", "--url", "https://a/v1/attestation"]) else { panic!() };
    assert_eq!(verify.origin, Origin::Url("https://a/v1/attestation".into()));
    for (args, message) in [
        (&["verify", "--doc", "a", "--url", "http://a"][..], "--doc and --url exclude each other"),
        (&["verify", "--url", "http://a", "--nonce", "00"], "--nonce and --url exclude each other"),
        (&["verify", "--doc", "a", "--nonce", "0"], "--nonce \"0\": expected hexadecimal digits"),
        (&["verify", "--doc", "a", &pcr, &pcr], "--pcr 31= given twice"),
        (&["verify", "a"], "unexpected \"a\""),
    ] {
        assert_eq!(read(args).unwrap_err(), format!("{message}; see odyn-host verify --help"));
    }
}
