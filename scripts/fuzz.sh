#!/usr/bin/env bash
# Fuzzes the readers of hostile data: `scripts/fuzz.sh [SECONDS [TARGET...]]`, one target after another, all of them
# unless told. Each ends after SECONDS (900) or 10,000,000 executions, whichever comes first; ODYN_FUZZ_RUNS=N has it
# end after N, with -1 only after SECONDS. Prints a line of figures for each; ends with 1 when one found something.
#
#   scripts/fuzz.sh --build [TARGET...]      only builds
#   scripts/fuzz.sh --minimise [TARGET...]   of all inputs up to 1 KiB, as few as reach what all reach become
#                                            fuzz/corpus/TARGET
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). It works with the stable compiler: RUSTC_BOOTSTRAP allows the
# sanitizer's flags. What is found is left in fuzz/artifacts/, what libFuzzer said in target/fuzz-logs/; the corpus
# grows in $ODYN_FUZZ_CORPUS or target/fuzz-corpus, from the few inputs of fuzz/corpus/ that are kept in the
# repository and those that fuzz/seeds.py makes, of the test data too where that is. With ODYN_FUZZ_BINARIES=DIR
# nothing is built: DIR has the targets. Those of the light client are built with the feature helios, which takes some
# minutes more; the others compile nothing of it.
set -euo pipefail

cd "$(dirname "$0")/.."
what=run seconds=900
case ${1:-} in
    --build | --minimise) what=${1#--}; shift ;;
    *) seconds=${1:-900}; [ $# -eq 0 ] || shift ;;
esac
[[ $seconds =~ ^[0-9]+$ ]] || { echo "fuzz.sh: $seconds is no number of seconds" >&2; exit 2; }
cargo fuzz --version > /dev/null 2>&1 || { echo "fuzz.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 77; }
export RUSTC_BOOTSTRAP=1
corpus=${ODYN_FUZZ_CORPUS:-$PWD/target/fuzz-corpus}
logs=$PWD/target/fuzz-logs
data=${ODYN_TEST_DATA:-$PWD/../shared/data}
binaries=${ODYN_FUZZ_BINARIES:-${CARGO_TARGET_DIR:-$PWD/fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release}
# Of each target in the manifest, its name and the feature it needs, if any.
known=$(awk -F'"' '/^name =/ { name = $2 } /^path = "fuzz_targets/ { needs[name] = "" } /^required-features/ { needs[name] = $2 }
    END { for (name in needs) print name, needs[name] }' fuzz/Cargo.toml | sort)
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cut -d' ' -f1 <<< "$known")

# All that is built is built before the first one runs.
for target in "${targets[@]}"; do
    entry=$(grep "^$target " <<< "$known") || { echo "fuzz.sh: no target is called $target" >&2; exit 2; }
    feature=${entry#* }
    [ -z "${ODYN_FUZZ_BINARIES:-}" ] || continue
    cargo fuzz build --fuzz-dir fuzz ${feature:+--features "$feature"} "$target"
done
[ "$what" != build ] || exit 0
mkdir -p "$logs"

if [ "$what" = minimise ]; then
    for target in "${targets[@]}"; do
        all=$(mktemp -d) least=$(mktemp -d)
        # By size, so that of those that reach the same the shortest is met first.
        find "$corpus/$target" "fuzz/corpus/$target" -type f -size -1025c -exec cp -t "$all" {} + 2> /dev/null || true
        "$binaries/$target" -set_cover_merge=1 -use_counters=0 -timeout=30 "$least" "$all" > "$logs/$target.minimise" 2>&1 ||
            { tail -20 "$logs/$target.minimise"; exit 1; }
        rm -rf "fuzz/corpus/$target"
        mkdir -p "fuzz/corpus/$target"
        cp -t "fuzz/corpus/$target" "$least"/*
        echo "$target: $(find "$all" -type f | wc -l) inputs became $(find "$least" -type f | wc -l)," \
            "$(cat "$least"/* | wc -c) bytes"
        rm -rf "$all" "$least"
    done
    exit 0
fi

python3 -B fuzz/seeds.py "$data" "$corpus" >&2
found=0
# Coverage is libFuzzer's: branches, and these by how often they were taken. It starts with what the corpus reaches.
printf '%-16s %11s %8s %9s %17s %17s %8s  %s\n' target executions seconds exec/s 'coverage: start' end corpus findings
for target in "${targets[@]}"; do
    mkdir -p "$corpus/$target" "fuzz/corpus/$target" "fuzz/artifacts/$target"
    before=$(find "fuzz/artifacts/$target" -type f | wc -l)
    log=$logs/$target.log
    status=0 begun=$SECONDS
    "$binaries/$target" -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" \
        -runs="${ODYN_FUZZ_RUNS:-10000000}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        "$corpus/$target" "fuzz/corpus/$target" > "$log" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    coverage() { grep -o "$1"' *cov: [0-9]* ft: [0-9]*' "$log" | tail -1 | grep -o 'cov.*' || echo '?'; }
    findings=$(($(find "fuzz/artifacts/$target" -type f | wc -l) - before))
    inputs=$(find "$corpus/$target" -type f | wc -l)
    printf '%-16s %11s %8s %9s %17s %17s %8s  %s\n' "$target" "${executions:-?}" $((SECONDS - begun)) "${rate:-?}" \
        "$(coverage INITED | sed 's/cov: //; s/ ft: /, /')" "$(coverage '' | sed 's/cov: //; s/ ft: /, /')" "$inputs" "$findings"
    if [ "$status" -ne 0 ] || [ "$findings" -ne 0 ]; then
        found=1
        echo "fuzz.sh: $target ended with status $status; $log ends:" >&2
        tail -n 40 "$log" >&2
        # On a machine that is gone afterwards nothing else is left of the input.
        newest=$(find "fuzz/artifacts/$target" -type f -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
        [ -z "$newest" ] || { echo "$newest, in Base64:"; head -c 65536 "$newest" | base64; } >&2
    fi
done
exit "$found"
