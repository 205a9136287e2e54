//! odyn, inside the enclave. Everything is in the library.

#![forbid(unsafe_code)]

// Not under tools that watch malloc (scripts/sanitize.sh): they would lose sight of what is kept.
#[cfg(not(malloc_alone))]
#[global_allocator]
static HEAP: odyn::sys::heap::Heap = odyn::sys::heap::Heap::new();

fn main() -> std::process::ExitCode {
    odyn::boot::main(std::env::args_os().skip(1))
}
