# shellcheck shell=bash disable=SC2154,SC2034
# Sourced by scripts/test-vm.sh: finds or builds the static odyn ($odyn) that its full form boots.

if [ -n "${ODYN_BINARY:-}" ]; then
    odyn=$ODYN_BINARY
else
    say "building the release, some minutes"
    scripts/build-release.sh --out "$work/release" x86_64-unknown-linux-musl > "$work/release.log" 2>&1 ||
        { cat "$work/release.log" >&2; exit 1; }
    odyn=$work/release/odyn-x86_64-unknown-linux-musl
fi
