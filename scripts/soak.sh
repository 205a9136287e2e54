#!/usr/bin/env bash
# Uses one odyn in every way at once for as long as wanted: `scripts/soak.sh [MINUTES]`, thirty unless told.
#
# What happens, what is checked and when it fails is in benches/soak/: answers byte by byte, descriptors, threads and
# memory at rest after each minute, every line of the log, and at the end odyn's status and that nothing is left. A line
# a round says how it goes; the last one is `soak: passed`, with status 0, or says how often it failed, with status 1.
#
# odyn and odyn-host are release builds with the simulated module (features host and sim). ODYN_SOAK_PROFILE=dev takes
# development builds, whose arithmetic and assertions are checked; $ODYN_BINARY names another odyn. KMS, S3 and Python's
# clients take part once scripts/test.sh has installed what they need (ODYN_TEST_TOOLS_ONLY=1 scripts/test.sh). Wants
# two processors and 1 GiB of memory, and keeps both busy.
set -euo pipefail

cd "$(dirname "$0")/.."
tools=${ODYN_TEST_TOOLS:-$PWD/target/test-tools}
if [ -d "$tools" ]; then
    ODYN_TEST_TOOLS=$(cd "$tools" && pwd)
    export ODYN_TEST_TOOLS
fi
exec cargo bench --quiet --locked --profile "${ODYN_SOAK_PROFILE:-release}" --bench soak -- "${1:-30}"
