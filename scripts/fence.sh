#!/usr/bin/env bash
# The fence around unsafe code. `scripts/fence.sh [DIR]` looks at DIR/src (this repository unless told) and fails when
#
#   1. code outside src/sys/ uses `unsafe`, names `libc`, or weakens the lint `unsafe_code` in any way;
#      comments and text literals do not count, and `forbid(unsafe_code)` and `deny(unsafe_code)` are fine;
#   2. a module root outside src/sys/ (src/NAME.rs, src/NAME/mod.rs, src/bin/NAME.rs) lacks `#![forbid(unsafe_code)]`,
#      which the compiler then holds for everything below it; or neither src/lib.rs nor Cargo.toml denies it;
#   3. a source file is longer than 450 lines.
#
# The compiler enforces 1 wherever 2 holds. 1 is the second look: it also sees code that no feature compiles today.
set -euo pipefail
shopt -s nullglob
export LC_ALL=C

MAX_LINES=450

cd "${1:-"$(dirname "$0")/.."}"
[ -d src ] || { echo "fence: no src folder in $PWD" >&2; exit 2; }
failures=0

fail() {
    echo "fence: $*" >&2
    failures=$((failures + 1))
}

# Prints a Rust file without its comments and without what stands inside its text literals, line for line.
strip_rust() {
    awk '
    BEGIN { state = "code" }
    {
        out = ""; i = 1; n = length($0)
        while (i <= n) {
            rest = substr($0, i); c = substr(rest, 1, 1); two = substr(rest, 1, 2)
            if (state == "code") {
                before = i == 1 ? " " : substr($0, i - 1, 1)
                if (before !~ /[A-Za-z0-9_]/ && match(rest, /^[bc]?r#*"/)) {
                    # A raw literal: it ends at a quote followed by as many # as it began with.
                    closing = substr(rest, 1, RLENGTH); i += RLENGTH; state = "raw"
                    gsub(/[^#]/, "", closing); closing = "\"" closing
                } else if (two == "//") { break }
                else if (two == "/*") { state = "block"; depth = 1; i += 2; out = out " " }
                else if (c == "\"") { state = "text"; i++ }
                # A character literal, whose quote or slash must not be read as code; a lifetime stays as it is.
                else if (match(rest, /^\047\\\047\047/) || match(rest, /^\047\\[^\047]*\047/) ||
                         match(rest, /^\047[^\\\047]\047/) || match(rest, /^\047[^ -~]+\047/)) { i += RLENGTH }
                else { out = out c; i++ }
            } else if (state == "block") {
                if (two == "/*") { depth++; i += 2 }
                else if (two == "*/") { i += 2; if (--depth == 0) state = "code" }
                else i++
            } else if (state == "text") {
                if (c == "\\") i += 2
                else { if (c == "\"") state = "code"; i++ }
            } else if (substr(rest, 1, length(closing)) == closing) { state = "code"; i += length(closing) }
            else i++
        }
        print out
    }' "$1"
}

# What the fence does not let through of a stripped file on standard input, as `LINE: code`.
breaches() {
    awk '
    {
        code = $0
        gsub(/(forbid|deny)[ \t]*\([ \t]*unsafe_code[ \t]*\)/, "", code)
        if (code ~ /(^|[^A-Za-z0-9_])(unsafe|libc|unsafe_code)([^A-Za-z0-9_]|$)/) print NR ": " $0
    }'
}

while IFS= read -r -d '' file; do
    lines=$(wc -l < "$file")
    [ "$lines" -le "$MAX_LINES" ] || fail "$file: $lines lines, more than $MAX_LINES; give part of it a file of its own"
    case $file in src/sys/* | src/sys.rs) continue ;; esac
    found=$(strip_rust "$file" | breaches)
    while IFS= read -r breach; do
        [ -z "$breach" ] || fail "$file:$breach    (only src/sys/ may)"
    done <<< "$found"
done < <(find src -name '*.rs' -type f -print0 | sort -z)

for root in src/*.rs src/*/mod.rs src/bin/*.rs; do
    case $root in src/lib.rs | src/sys.rs | src/sys/mod.rs) continue ;; esac
    grep -Eqx '#!\[forbid\(unsafe_code\)\] *' <<< "$(strip_rust "$root")" || fail "$root: lacks #![forbid(unsafe_code)]"
done

# The crate root itself cannot forbid: src/sys/ could not allow what it needs then.
if [ -f src/lib.rs ] && ! grep -Eqx '#!\[deny\(unsafe_code\)\] *' <<< "$(strip_rust src/lib.rs)" &&
    ! grep -Eq '^unsafe_code *= *"deny"' Cargo.toml; then
    fail "src/lib.rs: neither it nor Cargo.toml denies unsafe_code"
fi

if [ "$failures" -gt 0 ]; then
    echo "fence: $failures breaches" >&2
    exit 1
fi
echo "fence: unsafe code and libc stay in src/sys/"
