#!/usr/bin/env bash
# Fuzzes the readers of hostile data: `scripts/fuzz.sh [SECONDS [TARGET...]]`, ten minutes each and all of them unless told.
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). It works with the stable compiler: RUSTC_BOOTSTRAP allows the sanitizer's flags.
# What is found is left in fuzz/artifacts/; the corpus grows in $ODYN_FUZZ_CORPUS or target/fuzz-corpus, from the few inputs
# of fuzz/corpus/ that are kept in the repository and those that fuzz/seeds.py makes of the test data, where that is.
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-600}
[ $# -eq 0 ] || shift
cargo fuzz --version > /dev/null 2>&1 || { echo "fuzz.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 77; }
export RUSTC_BOOTSTRAP=1
corpus=${ODYN_FUZZ_CORPUS:-$PWD/target/fuzz-corpus}
data=${ODYN_TEST_DATA:-$PWD/../shared/data}
[ ! -d "$data/eth" ] || python3 fuzz/seeds.py "$data" "$corpus" >&2
if [ $# -eq 0 ]; then
    mapfile -t targets < <(cd fuzz/fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
else
    targets=("$@")
fi
for target in "${targets[@]}"; do
    mkdir -p "$corpus/$target" "fuzz/corpus/$target"
    echo "fuzz.sh: $target, $seconds s" >&2
    cargo fuzz run --fuzz-dir fuzz "$target" "$corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
done
