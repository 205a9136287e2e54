use super::*;

const ROOT: &str = "0xabababababababababababababababababababababababababababababababab";

fn run(args: &[&str]) -> Result<Options, UsageError> {
    match parse(args.iter().map(OsString::from))? {
        Request::Run(options) => Ok(*options),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_trusted_and_whom_to_ask_is_all_it_needs() {
    let options =
        run(&["--network", "mainnet", "--execution-rpc=https://e.test/key", "--checkpoint", ROOT, "-vv"]).unwrap();
    assert_eq!(options.checkpoint, Checkpoint::Root([0xab; 32]));
    assert_eq!(options.consensus_rpc.as_str(), "https://ethereum.operationsolarstorm.org");
    assert_eq!((options.listen, options.way), (Listen::On(([127, 0, 0, 1], 8545).into()), Way::Network));
    assert_eq!((options.verbosity, options.allow_old_checkpoint), (2, false));
}

#[test]
fn a_wrong_command_line_says_which_argument_and_no_url() {
    let most = ["--network", "sepolia", "--execution-rpc", "https://e.test/key", "--checkpoint", ROOT];
    for (args, message) in [
        (&[][..], "--network is missing"),
        (&["--network", "goerli"], "--network: expected mainnet, sepolia, holesky or hoodi"),
        (&most[..4], "--checkpoint is missing"),
        (&most, "--consensus-rpc is missing"),
        (&["--execution-rpc", "ws://secret"], "--execution-rpc: expected a URL that starts with http:// or https://"),
        (&["--checkpoint", "0x12"], "--checkpoint: expected a block root of 32 bytes in hexadecimal or unsafe-latest"),
        (&["--listen"], "--listen needs a value"),
        (&["--listen", "8545"], "--listen: expected ADDRESS:PORT or stdin"),
        (&["run"], "unknown argument \"run\""),
    ] {
        assert_eq!(run(args).unwrap_err().to_string(), message);
    }
    let latest = ["--network", "mainnet", "--execution-rpc", "http://e.test", "--checkpoint", "unsafe-latest"];
    assert_eq!(run(&latest).unwrap_err(), UsageError::Missing("--consensus-rpc"), "whom to trust is never guessed");
}
