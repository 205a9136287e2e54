//! The Ethereum light client; see [`odyn::helios`].

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    odyn::helios::cli::main(std::env::args_os().skip(1))
}
