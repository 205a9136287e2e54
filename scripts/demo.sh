#!/usr/bin/env bash
# Serves the sample application in enclave/ through odyn on this machine, without Nitro hardware, until Ctrl-C. Needs
# ports 8080, 10000 and 18080 free. Arguments go to `odyn-host local`: scripts/demo.sh -v shows more of odyn's own log.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v python3 > /dev/null || { echo "demo.sh: the sample application is Python: install python3" >&2; exit 1; }
cargo build --bins
exec cargo run --quiet --bin odyn-host -- local --config enclave/enclaver.yaml "$@" -- python3 enclave/app/app.py
