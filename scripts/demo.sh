#!/usr/bin/env bash
# Serves the sample application in enclave/ through odyn on this machine, without Nitro hardware, until Ctrl-C.
# Arguments go to `odyn-host local`, for example: scripts/demo.sh -p 9090:8080
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 > /dev/null || { echo "demo.sh: the sample application is Python: install python3" >&2; exit 1; }
cargo build --bins
exec cargo run --quiet --bin odyn-host -- local --config enclave/enclaver.yaml "$@" -- python3 enclave/app/app.py
