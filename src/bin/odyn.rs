//! odyn, inside the enclave. Everything is in the library.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    odyn::boot::main(std::env::args_os().skip(1))
}
