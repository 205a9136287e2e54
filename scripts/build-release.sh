#!/usr/bin/env bash
# Builds what a release ships: `scripts/build-release.sh [--out DIR] [--helios] [--host] [--twice] [TARGET...]`.
#
# odyn for x86_64-unknown-linux-musl, and for aarch64-unknown-linux-musl where rustup has that target, as OUT/odyn-TARGET:
# static, stripped, without the host side and everything simulated, with its bill of materials beside it
# (odyn-TARGET.cdx.json, CycloneDX 1.6). It prints size, SHA-256 and every crate that is in it. --helios adds odyn-helios,
# --host adds odyn-host. OUT is target/dist unless told.
#
# The same commit and compiler make the same bytes in whatever folder: paths are remapped, and no time but the commit's
# ($SOURCE_DATE_EPOCH, if set) gets into a file. --twice proves it: it builds two copies of this folder, at paths of
# different lengths and from nothing, and fails unless they agree. Releases are made with it.
#
# $ODYN_CARGO runs instead of `cargo` to build: a command prefix that brings a target which rustup cannot install here. It
# must append the RUSTFLAGS it finds to its own.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "$0")/.."
# SIM_MARKERS, HOST_MARKERS and FOREIGN_CRATES.
# shellcheck source=scripts/audited.sh
. scripts/audited.sh

PREFERRED=x86_64-unknown-linux-musl
SECOND=aarch64-unknown-linux-musl

say() { echo "build-release: $*" >&2; }
fail() { say "FAILED: $*"; exit 1; }
usage() { echo "usage: scripts/build-release.sh [--out DIR] [--helios] [--host] [--twice] [TARGET...]" >&2; exit 2; }

out='' twice='' targets=() binaries=(odyn)
while [ $# -gt 0 ]; do
    case $1 in
        --out) [ $# -ge 2 ] || usage; out=$2; shift ;;
        --helios) binaries+=(odyn-helios) ;;
        --host) binaries+=(odyn-host) ;;
        --twice) twice=yes ;;
        -*) usage ;;
        *) targets+=("$1") ;;
    esac
    shift
done

for tool in cargo python3 readelf sha256sum; do
    command -v "$tool" > /dev/null || { say "$tool is missing: install it (readelf is in binutils)"; exit 77; }
done

sysroot=$(rustc --print sysroot)
# Whether rustup has installed the standard library of a target.
installed() { [ -d "$sysroot/lib/rustlib/$1/lib" ]; }

read -ra cargo <<< "${ODYN_CARGO:-cargo}"
if [ "${#targets[@]}" -eq 0 ]; then
    targets=("$PREFERRED")
    if installed "$SECOND"; then targets+=("$SECOND"); else say "rustup has no $SECOND here: left out"; fi
fi
for target in "${targets[@]}"; do
    installed "$target" || [ -n "${ODYN_CARGO:-}" ] || {
        say "no standard library for $target here: rustup target add $target
    or name in ODYN_CARGO a command that brings one: ODYN_CARGO='bash ../shared/tools/musl-std.sh cargo' $0"
        exit 77
    }
done

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null) ||
        { say "this is no git checkout: set SOURCE_DATE_EPOCH to the time of the commit, in seconds since 1970"; exit 1; }
    [ -z "$(git status --porcelain)" ] || say "WARNING: there are uncommitted changes; this is not a build of any commit"
fi
export SOURCE_DATE_EPOCH

# What would change the bytes must come from this script alone.
for name in $(compgen -e | grep -E '^(CARGO_PROFILE_|CARGO_ENCODED_RUSTFLAGS$|CARGO_BUILD_|CFLAGS|TARGET_CFLAGS|RUSTFLAGS$)'); do
    say "$name is ignored: a release is built with this script's own settings"
    unset "$name"
done
export CARGO_INCREMENTAL=0

# build SOURCE FOLDER TARGET BINARY: builds one executable of the checkout in SOURCE, with FOLDER as cargo's own.
build() {
    local source=$1 folder=$2 target=$3 binary=$4 features=() home=${CARGO_HOME:-$HOME/.cargo} library
    case $binary in odyn-*) features=(--features "${binary#odyn-}") ;; esac
    case "$source$folder$home$sysroot" in *[[:space:]]*) fail "cargo takes no path with a space in RUSTFLAGS" ;; esac
    # The standard library's sources, as the compiler's own builds call them.
    library=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')
    local maps=("$home=/cargo" "$source=/odyn" "$folder=/target" "$sysroot/lib/rustlib/src/rust=$library")
    if [ -e "$sysroot/lib/rustlib/src/rust" ]; then
        maps+=("$(realpath "$sysroot/lib/rustlib/src/rust")=$library")
    fi
    # From here, so that a prefix with a relative path works; cargo compiles in SOURCE. The C compiler's flags go by the
    # name that cc's crate looks for: what ring and blst compile may hold the names of its files.
    env "CFLAGS_${target//-/_}=${maps[*]/#/-ffile-prefix-map=}" RUSTFLAGS="${maps[*]/#/--remap-path-prefix=}" \
        CARGO_TARGET_DIR="$folder" "${cargo[@]}" build --manifest-path "$source/Cargo.toml" --locked --release \
        --target "$target" --no-default-features "${features[@]}" --bin "$binary" >&2 ||
        fail "building $binary for $target"
}

# The executable is what the issue of a release promises: static, stripped, and for odyn nothing of the host's or simulated.
inspect() {
    local file=$1 binary=$2 target=$3 marker crate tree parts
    # Read whole first: a reader that ends at its match would end readelf, and with it the check.
    parts=$(readelf -lW "$file") || fail "readelf does not read $file"
    ! grep -q ' INTERP ' <<< "$parts" || fail "$file asks for an interpreter: it is not static"
    parts=$(readelf -dW "$file") || fail "readelf does not read $file"
    ! grep -q '(NEEDED)' <<< "$parts" || fail "$file needs shared libraries: it is not static"
    parts=$(readelf -SW "$file") || fail "readelf does not read $file"
    ! grep -Eq ' \.(symtab|debug_info) ' <<< "$parts" || fail "$file is not stripped"
    for marker in "$PWD" "$HOME/" "${CARGO_TARGET_DIR:-$PWD/target}"; do
        ! grep -aFq -- "$marker" "$file" || fail "$file contains the path $marker"
    done
    [ "$binary" = odyn ] || return 0
    for marker in "${SIM_MARKERS[@]}" "${HOST_MARKERS[@]}"; do
        ! grep -aFq -- "$marker" "$file" || fail "$file contains \"$marker\", which is the simulation's or the host side's"
    done
    tree=$(crates "$target" "$binary")
    for crate in "${FOREIGN_CRATES[@]}"; do
        ! grep -q "^$crate v" <<< "$tree" || fail "$binary depends on $crate"
    done
}

# The crates of an executable, one a line, procedural macros included.
crates() {
    local features=()
    case $2 in odyn-*) features=(--features "${2#odyn-}") ;; esac
    cargo tree --locked -e normal --no-default-features "${features[@]}" --target "$1" --prefix none --format '{p}' |
        sed -e 's/ (\*)$//' -e "s| ($PWD)||" | sort -u
}

# Copies what belongs to this checkout, committed or not, to a folder.
copy() {
    mkdir -p "$1"
    if git rev-parse --git-dir > /dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . -path ./target -prune -o -type f -print0
    fi | tar --create --null --files-from=- --ignore-failed-read 2> /dev/null | tar --extract --directory "$1"
}

work=''
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
folder=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
out=${out:-$folder/dist}
mkdir -p "$out"
if [ -n "$twice" ]; then
    work=$(mktemp -d)
    first=$work/a second=$work/a-folder-with-a/much/longer/name
    copy "$first/odyn"
    copy "$second/odyn"
fi

for target in "${targets[@]}"; do
    for binary in "${binaries[@]}"; do
        started=$SECONDS
        made=$target/release/$binary
        if [ -n "$twice" ]; then
            build "$first/odyn" "$first/target" "$target" "$binary"
            seconds=$((SECONDS - started))
            build "$second/odyn" "$second/built" "$target" "$binary"
            cmp "$first/target/$made" "$second/built/$made" ||
                fail "two builds of $binary for $target differ: compare $binary in two folders with diffoscope"
            say "$binary for $target: two builds in two folders are the same bytes"
            made=$first/target/$made
        else
            build "$PWD" "$folder" "$target" "$binary"
            seconds=$((SECONDS - started))
            made=$folder/$made
        fi
        inspect "$made" "$binary" "$target"
        install -m 755 "$made" "$out/$binary-$target"
        python3 scripts/sbom.py --binary "$out/$binary-$target" --name "$binary" --target "$target" \
            > "$out/$binary-$target.cdx.json"
        list=$(crates "$target" "$binary")
        echo "$binary-$target"
        echo "  size     $(stat -c %s "$out/$binary-$target") bytes, static, stripped, built in $seconds s"
        echo "  sha256   $(sha256sum < "$out/$binary-$target" | cut -d' ' -f1)"
        echo "  crates   $(grep -c '"scope": "required"' "$out/$binary-$target.cdx.json") in it," \
            "$(grep -c '"scope": "excluded"' "$out/$binary-$target.cdx.json" || true) more that only the compiler runs"
        while IFS= read -r crate; do echo "           $crate"; done <<< "$list"
    done
done
say "in $out"
