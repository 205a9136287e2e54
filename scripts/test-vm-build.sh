# shellcheck shell=bash disable=SC2154,SC2034
# Sourced by scripts/test-vm.sh: finds or builds the static odyn ($odyn) and application ($app) that its full form boots.

# The compiler for the enclave's target: rustup's own, or another that $ODYN_CARGO names.
musl_cargo() {
    local prefix=(cargo)
    if [ -n "${ODYN_CARGO:-}" ]; then
        read -ra prefix <<< "$ODYN_CARGO"
    elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-musl" ]; then
        lacking "missing: the target; rustup target add x86_64-unknown-linux-musl, or set ODYN_CARGO to a cargo that has it"
    fi
    "${prefix[@]}" "$@" --locked --no-default-features --target x86_64-unknown-linux-musl
}

static=$target/x86_64-unknown-linux-musl
if [ -n "${ODYN_BINARY:-}" ]; then
    odyn=$ODYN_BINARY
elif [ -x scripts/build-release.sh ]; then
    say "building the release, some minutes"
    scripts/build-release.sh --out "$work/release" > "$work/release.log" 2>&1 || { cat "$work/release.log" >&2; exit 1; }
    odyn=$work/release/odyn-x86_64-unknown-linux-musl
else
    say "building odyn for the enclave, some minutes"
    musl_cargo build --quiet --release --bin odyn
    odyn=$static/release/odyn
fi
if [ -n "${ODYN_ACCEPTANCE_APP:-}" ]; then
    app=$ODYN_ACCEPTANCE_APP
else
    say "building the application for the enclave"
    musl_cargo build --quiet --example acceptance
    app=$static/debug/examples/acceptance
fi
