#!/usr/bin/env bash
# The gate: everything a change has to pass. `scripts/check.sh [--no-tests]`; --no-tests leaves out `cargo test`, for CI,
# which runs scripts/test.sh first. With ODYN_TEST_HELIOS=1 for the light client too, which takes some minutes more to build.
set -euo pipefail

cd "$(dirname "$0")/.."

# SIM_MARKERS, HOST_MARKERS and FOREIGN_CRATES.
# shellcheck source=scripts/audited.sh
. scripts/audited.sh

tests=yes
features=()
[ -z "${ODYN_TEST_HELIOS:-}" ] || features=(--features helios)
case "${1:-}" in
    '') ;;
    --no-tests) tests=no ;;
    *) echo "usage: scripts/check.sh [--no-tests]" >&2; exit 2 ;;
esac

step() { echo "check: $*" >&2; }
fail() { echo "check: FAILED: $*" >&2; exit 1; }

# Whether a built binary contains a text; cargo's own folder may be elsewhere than target/.
target=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
contains() { LC_ALL=C grep -aFq -- "$2" "$1"; }

step "formatting"
cargo fmt --check

step "the unsafe fence"
scripts/fence.sh

step "the promises of SECURITY.md"
if command -v python3 > /dev/null; then
    scripts/promises.py
else
    step "no python3 on this machine: skipped"
fi

step "shell scripts"
if command -v shellcheck > /dev/null; then
    shellcheck -x scripts/*.sh .ci/run
else
    step "no shellcheck on this machine: skipped"
fi

step "what the enclave's odyn is made of"
if command -v python3 > /dev/null; then
    scripts/tcb.py --check
else
    step "no python3 on this machine: skipped"
fi

step "licences, sources, duplicates and advisories"
status=0
scripts/deny.sh || status=$?
case $status in
    0) ;;
    77) step "no cargo-deny on this machine: SKIPPED" ;;
    *) fail "scripts/deny.sh" ;;
esac

step "clippy, every target"
cargo clippy --locked "${features[@]}" --all-targets -- -D warnings
step "clippy, the enclave's release build"
cargo clippy --locked --no-default-features --bin odyn --lib -- -D warnings

step "documentation, private items too"
RUSTDOCFLAGS="-D warnings" cargo doc --locked "${features[@]}" --no-deps --document-private-items

if [ "$tests" = yes ]; then
    step "tests"
    cargo test --locked "${features[@]}"
fi

# Tests that no module declares are in the sources and never run. CI has built them; elsewhere they were just run.
step "the promises' tests are among those that were built"
if command -v python3 > /dev/null; then
    built=$(mktemp)
    cargo test --quiet --locked "${features[@]}" -- --list > "$built"
    scripts/promises.py --built "$built"
    rm -f "$built"
fi

# The development profile: the release's sources and features, before an optimiser takes anything out, without the
# minutes of its link-time optimisation.
step "the enclave's build, without host side and simulation"
cargo build --locked --bin odyn --no-default-features
enclave=$(mktemp)
trap 'rm -f "$enclave"' EXIT
cp "$target/debug/odyn" "$enclave"
step "the build with both"
cargo build --locked --bin odyn --bin odyn-host

step "the enclave's build depends on no crate of the simulation or the light client"
audited=$(cargo tree --locked -e normal --no-default-features --prefix none --format '{p}')
everything=$(cargo tree --locked -e normal --features helios --prefix none --format '{p}')
for crate in "${FOREIGN_CRATES[@]}"; do
    ! grep -q "^$crate v" <<< "$audited" || fail "the enclave's odyn depends on $crate"
    # A name that no build depends on would prove nothing.
    grep -q "^$crate v" <<< "$everything" || fail "no build depends on $crate: FOREIGN_CRATES is out of date"
done

step "every manifest in enclave/"
manifests=0
while IFS= read -r -d '' manifest; do
    "$target/debug/odyn-host" check "$manifest" > /dev/null || fail "odyn-host check $manifest"
    manifests=$((manifests + 1))
done < <(find enclave -name 'enclaver*.yaml' -type f -print0)
[ "$manifests" -gt 0 ] || fail "no manifest found in enclave/"

step "the enclave's build has no simulation in it"
for marker in "${SIM_MARKERS[@]}"; do
    ! contains "$enclave" "$marker" || fail "the enclave's odyn contains \"$marker\""
    # Markers that no build contains would prove nothing.
    contains "$target/debug/odyn" "$marker" || fail "\"$marker\" is in no build: it proves nothing"
done

step "the enclave's build has nothing of the host side in it"
for marker in "${HOST_MARKERS[@]}"; do
    ! contains "$enclave" "$marker" || fail "the enclave's odyn contains \"$marker\""
    contains "$target/debug/odyn-host" "$marker" || fail "\"$marker\" is in no build: it proves nothing"
done

step "passed"
