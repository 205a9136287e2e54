//! The host side; see [`odyn::host`].

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    odyn::host::main(std::env::args_os().skip(1))
}
