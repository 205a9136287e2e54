#!/usr/bin/env bash
# Measures odyn's paths beside a plain connection, HAProxy and socat: `scripts/bench.sh [--out DIR] [GROUP...] [--rounds N]
# [--seconds S]`. Prints a table in Markdown; with --out also writes it, and a plot, to DIR/bench.md and DIR/bench.svg.
#
# Groups: throughput ping connect egress held api tls (all of these unless told), kms, grow (up to ten thousand connections), log.
# Needs haproxy and socat (Debian's packages of these names). odyn is the release build with the simulated module, or
# $ODYN_BINARY. Nothing else should run meanwhile. With the default five rounds of a second it takes five minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for program in haproxy socat; do
    command -v "$program" > /dev/null || missing+=("$program")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "bench.sh: missing: ${missing[*]} (names of Debian packages)" >&2
    exit 77
fi

out='' arguments=()
while [ $# -gt 0 ]; do
    case $1 in
        --out) [ $# -ge 2 ] || { echo "bench.sh: --out needs a folder" >&2; exit 2; }; out=$2; shift ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
if [ -z "$out" ]; then
    exec cargo bench --quiet --locked --bench traffic -- "${arguments[@]}"
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)
cargo bench --quiet --locked --bench traffic -- "${arguments[@]}" --plot "$out/bench.svg" | tee "$out/bench.md"
