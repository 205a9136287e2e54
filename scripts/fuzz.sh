#!/usr/bin/env bash
# Fuzzes the readers of hostile data: `scripts/fuzz.sh [SECONDS [TARGET...]]`, ten minutes each and all of them unless told.
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). It works with the stable compiler: RUSTC_BOOTSTRAP allows the sanitizer's flags.
# What is found is left in fuzz/artifacts/; the corpus grows in $ODYN_FUZZ_CORPUS or target/fuzz-corpus, from the few inputs
# of fuzz/corpus/ that are kept in the repository and those that fuzz/seeds.py makes, of the test data too where that is.
# With ODYN_FUZZ_RUNS=N a target ends after N executions even if it has seconds left. Targets of the light client are
# built with the feature helios, which takes some minutes more; the others compile nothing of it.
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-600}
[ $# -eq 0 ] || shift
cargo fuzz --version > /dev/null 2>&1 || { echo "fuzz.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 77; }
export RUSTC_BOOTSTRAP=1
corpus=${ODYN_FUZZ_CORPUS:-$PWD/target/fuzz-corpus}
data=${ODYN_TEST_DATA:-$PWD/../shared/data}
python3 -B fuzz/seeds.py "$data" "$corpus" >&2
# Of each target in the manifest, its name and the feature it needs, if any.
known=$(awk -F'"' '/^name =/ { name = $2 } /^path = "fuzz_targets/ { needs[name] = "" } /^required-features/ { needs[name] = $2 }
    END { for (name in needs) print name, needs[name] }' fuzz/Cargo.toml | sort)
if [ $# -eq 0 ]; then
    mapfile -t targets < <(cut -d' ' -f1 <<< "$known")
else
    targets=("$@")
fi
for target in "${targets[@]}"; do
    entry=$(grep "^$target " <<< "$known") || { echo "fuzz.sh: no target is called $target" >&2; exit 2; }
    feature=${entry#* }
    mkdir -p "$corpus/$target" "fuzz/corpus/$target"
    echo "fuzz.sh: $target, $seconds s" >&2
    cargo fuzz run --fuzz-dir fuzz ${feature:+--features "$feature"} "$target" "$corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -runs="${ODYN_FUZZ_RUNS:--1}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1
done
