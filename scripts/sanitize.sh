#!/usr/bin/env bash
# Runs what reaches unsafe code under tools that see what it does to memory: `scripts/sanitize.sh [asan | valgrind]`,
# both unless told.
#
#   asan      AddressSanitizer with its leak detector, by the stable compiler: RUSTC_BOOTSTRAP allows the flag.
#   valgrind  memcheck, which also sees what is read before it was written, and leaks.
#
# Each gets the unit tests of src/sys/ and then odyn itself, as the process that the tests start: applications run, are
# signalled and reaped, bytes move, all ends by exit(), where leaks are counted. It is built without its own allocator,
# which keeps some blocks from malloc. The standard library comes as the compiler brings it: AddressSanitizer sees what
# that does through malloc and libc, not its single reads and writes; valgrind does. A test of 500 connections is left
# out of valgrind, which has 500 threads at most.
set -euo pipefail

cd "$(dirname "$0")/.."

say() { echo "sanitize: $*" >&2; }
mode=${1:-both}
case $mode in asan | valgrind | both) ;; *) say "usage: scripts/sanitize.sh [asan | valgrind]"; exit 2 ;; esac
[ "$mode" = asan ] || command -v valgrind > /dev/null || { say "valgrind is missing: install it"; exit 77; }

host=$(rustc -vV | sed -n 's/^host: //p')
folder=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export CARGO_INCREMENTAL=0

# What a process has to say goes to a file of its own: odyn's standard error is read by tests, which may end it, too.
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
judge() {
    local found
    found=$(find "$reports" -name 'report.*' -size +0 | wc -l)
    if [ "$found" -gt 0 ]; then
        find "$reports" -name 'report.*' -size +0 -exec head -n 50 {} + >&2
        say "FAILED: $found processes have something to say under $1"
        exit 1
    fi
    say "$1: nothing found"
}

if [ "$mode" != valgrind ]; then
    export ASAN_OPTIONS="log_path=$reports/report:exitcode=99:detect_leaks=1:detect_stack_use_after_return=1"
    instrumented() {
        RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes --cfg malloc_alone" \
            CARGO_TARGET_DIR="$folder/sanitize" cargo "$1" --locked --target "$host" "${@:2}"
    }
    # AddressSanitizer makes mlock do nothing.
    instrumented test --lib sys:: -- --skip a_locked_value_is_locked
    instrumented build --bin odyn
    ODYN_BINARY="$folder/sanitize/$host/debug/odyn" cargo test --locked --test main -- ingress:: supervision::
    unset ASAN_OPTIONS
    judge AddressSanitizer
fi

if [ "$mode" != asan ]; then
    memcheck="valgrind --quiet --vgdb=no --log-file=$reports/report.%p --error-exitcode=99 --leak-check=full"
    # What may only possibly be lost is a thread's own record, which the standard library points into the middle of.
    memcheck="$memcheck --errors-for-leak-kinds=definite --show-leak-kinds=definite"
    RUSTFLAGS="--cfg malloc_alone" CARGO_TARGET_DIR="$folder/sanitize" cargo build --locked --bin odyn
    variable=$(tr 'a-z-' 'A-Z_' <<< "CARGO_TARGET_${host}_RUNNER")
    env "$variable=$memcheck" cargo test --locked --lib sys::
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$memcheck" "$folder/sanitize/debug/odyn" > "$reports/odyn"
    chmod +x "$reports/odyn"
    ODYN_BINARY="$reports/odyn" cargo test --locked --test main -- supervision::signals ingress:: --skip five_hundred
    judge valgrind
fi
