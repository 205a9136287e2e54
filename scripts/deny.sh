#!/usr/bin/env bash
# Asks cargo-deny about every dependency, as .deny.toml says: `scripts/deny.sh [--require]`.
#
# Licences, sources and duplicates, three times: for the enclave's odyn, for a plain build with its tests, and for
# everything with the light client. Then the advisories of all of it. Their database is a git repository on GitHub:
# where that cannot be reached they are left out, which is said, and with --require is a failure. It exits with 77 where
# cargo-deny is missing.
set -euo pipefail

cd "$(dirname "$0")/.."
require=
case "${1:-}" in
    '') ;;
    --require) require=yes ;;
    *) echo "usage: scripts/deny.sh [--require]" >&2; exit 2 ;;
esac

say() { echo "deny: $*" >&2; }
command -v cargo-deny > /dev/null || { say "cargo-deny is missing: cargo install --locked cargo-deny"; exit 77; }

# deny ARGUMENT...: one run over the locked graph.
deny() { cargo-deny --config .deny.toml --locked "$@"; }

# The light client's exceptions meet nothing in a build without it; in the one with it none may be idle.
say "the enclave's odyn"
deny --no-default-features --exclude-dev check --allow unmatched-skip licenses sources bans
say "a plain build and its tests"
deny check --allow unmatched-skip licenses sources bans
say "everything, with the light client"
deny --all-features check --deny unmatched-skip licenses sources bans

say "advisories"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
if ! deny --all-features check advisories 2> "$said"; then
    cat "$said" >&2
    grep -q 'failed to fetch advisory database' "$said" || exit 1
    [ -z "$require" ] || { say "FAILED: the advisories cannot be had, and --require was given"; exit 1; }
    say "LEFT OUT: no advisory was looked at, for the database cannot be had from here"
fi
