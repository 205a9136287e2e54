#!/usr/bin/env bash
# Runs every test, with the real clients that some of them need: `scripts/test.sh [ARGUMENTS OF cargo test]`. Those of the
# light client, whose dependencies take some minutes more to build, with ODYN_TEST_HELIOS=1.
#
# The clients go into a folder of their own, $ODYN_TEST_TOOLS or target/test-tools, from the versions pinned in
# tests/clients/; nothing is installed elsewhere, except that root on Debian gets a missing curl, go, node, npm, openssl,
# python3 or slowhttptest by apt-get. The second run finds everything there and starts the tests at once.
#
# How a test finds them, in $ODYN_TEST_TOOLS (absolute):
#
#   bin/python3             Python with requests, httpx, websockets, eth_account, cryptography, cbor2, boto3, moto and web3:
#                           bin/python3 tests/clients/requests_client.py ...
#   bin/kubernetes-validate for enclave/kubernetes/
#   bin/s3s-server          tests/clients/s3s_server, built only with ODYN_TEST_S3S=1
#   bin/st, bin/openapi-spec-validator
#                           Schemathesis with tests/clients/schemathesis.toml, and a validator: for enclave/openapi*.yaml
#   bin/go_client           tests/clients/go_client.go, built
#   node_modules/           undici, ethers, cborg and AWS's SDK; a client is told the folder or finds it by the variable:
#                           node tests/clients/undici_client.mjs ...
#   curl, go, node, openssl, slowhttptest on PATH
#
# $ODYN_TEST_REQUIRE=1 makes a test that would skip for want of a tool fail instead, =all one that wants root too. Plain
# `cargo test` sets neither: those tests then say what they skipped. ODYN_TEST_TOOLS_ONLY=1 stops before the tests.
#
# ODYN_TEST_FAULTS=long repeats the faults of tests/faults/ so often that it takes some minutes:
# ODYN_TEST_FAULTS=long scripts/test.sh --test main faults:: -- --nocapture. It also prints what each of them came to.
set -euo pipefail

cd "$(dirname "$0")/.."
clients=$PWD/tests/clients
export ODYN_TEST_TOOLS=${ODYN_TEST_TOOLS:-$PWD/target/test-tools}
mkdir -p "$ODYN_TEST_TOOLS"
ODYN_TEST_TOOLS=$(cd "$ODYN_TEST_TOOLS" && pwd)

features=()
[ -z "${ODYN_TEST_HELIOS:-}" ] || features=(--features helios)

say() { echo "test.sh: $*" >&2; }

# What the machine itself must bring, and the Debian package of each.
machine_tools() {
    missing=()
    command -v curl > /dev/null || missing+=(curl)
    command -v openssl > /dev/null || missing+=(openssl)
    command -v node > /dev/null || missing+=(nodejs)
    command -v npm > /dev/null || missing+=(npm)
    [ -x /bin/kill ] || [ -x /usr/bin/kill ] || missing+=(procps)
    command -v flock > /dev/null || missing+=(util-linux)
    command -v go > /dev/null || missing+=(golang-go)
    command -v slowhttptest > /dev/null || missing+=(slowhttptest)
    python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3 python3-venv)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
    else
        say "missing on this machine: ${missing[*]} (names of Debian packages). Install them and run this again."
        exit 1
    fi
}

# Runs "$3" unless the files after it are, by their hash, what the stamp "$1" was made for.
unless_stamped() {
    stamp=$ODYN_TEST_TOOLS/$1.stamp what=$2 run=$3
    shift 3
    key=$(cat "$@" | sha256sum)
    [ "$(cat "$stamp" 2> /dev/null)" != "$key" ] || return 0
    say "$what"
    rm -f "$stamp"
    "$run"
    echo "$key" > "$stamp"
}

install_python() {
    # --clear empties the folder: only one that is ours, or empty.
    if [ ! -e "$ODYN_TEST_TOOLS/pyvenv.cfg" ] && [ -n "$(ls -A "$ODYN_TEST_TOOLS")" ]; then
        say "ODYN_TEST_TOOLS=$ODYN_TEST_TOOLS holds other things: name an empty folder"
        exit 1
    fi
    python3 -m venv --clear "$ODYN_TEST_TOOLS"
    # uv takes a tenth of pip's time for the rest.
    "$ODYN_TEST_TOOLS/bin/python3" -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: \
        "$(grep '^uv==' "$clients/requirements.txt")"
    "$ODYN_TEST_TOOLS/bin/uv" pip install --quiet --python "$ODYN_TEST_TOOLS/bin/python3" --only-binary :all: \
        --requirement "$clients/requirements.txt"
}

install_node() {
    cp "$clients/package.json" "$clients/package-lock.json" "$ODYN_TEST_TOOLS/"
    npm ci --prefix "$ODYN_TEST_TOOLS" --ignore-scripts --no-audit --no-fund --silent
}

# Offline, and as the distribution built the standard library, which need not be compiled again then.
build_go() {
    cache=$(mktemp -d)
    env -u GOROOT -u GOFLAGS GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOENV=off \
        GOPATH="$cache/path" GOCACHE="$cache/build" \
        go build -o "$ODYN_TEST_TOOLS/bin/go_client" "$clients/go_client.go" ||
        { rm -rf "$cache"; say "building go_client failed"; exit 1; }
    rm -rf "$cache"
}

# Five minutes of compiling for one test: only when asked for.
build_s3s() {
    build=$(mktemp -d)
    CARGO_TARGET_DIR=$build cargo build --quiet --locked --manifest-path "$clients/s3s_server/Cargo.toml" ||
        { rm -rf "$build"; say "building s3s-server failed"; exit 1; }
    cp "$build/debug/s3s-server" "$ODYN_TEST_TOOLS/bin/"
    rm -rf "$build"
}

machine_tools
# The compiler works while the tools come over the network.
if [ -z "${ODYN_TEST_TOOLS_ONLY:-}" ]; then
    cargo test --locked "${features[@]}" --no-run "$@" &
    compiler=$!
    trap 'kill "$compiler" 2> /dev/null || true' EXIT
fi
(
    flock 9 # two runs at once: the second waits for the first one's tools
    # A folder that someone emptied by half is made anew.
    [ -x "$ODYN_TEST_TOOLS/bin/python3" ] || rm -f "$ODYN_TEST_TOOLS/python.stamp"
    [ -d "$ODYN_TEST_TOOLS/node_modules/ethers" ] || rm -f "$ODYN_TEST_TOOLS/node.stamp"
    [ -x "$ODYN_TEST_TOOLS/bin/s3s-server" ] || rm -f "$ODYN_TEST_TOOLS/s3s.stamp"
    [ -x "$ODYN_TEST_TOOLS/bin/go_client" ] || rm -f "$ODYN_TEST_TOOLS/go.stamp"
    # A venv is bound to its interpreter and its place. --clear empties the folder, the other stamps too: it comes first.
    interpreter=$(mktemp)
    { python3 -c 'import sys; print(sys.base_prefix, sys.version)'; echo "$ODYN_TEST_TOOLS"; } > "$interpreter"
    unless_stamped python "installing the Python clients" install_python \
        "$clients/requirements.txt" "$interpreter"
    rm -f "$interpreter"
    [ -z "${ODYN_TEST_S3S:-}" ] || unless_stamped s3s "building the S3 server (some minutes, once)" build_s3s \
        "$clients/s3s_server/Cargo.lock" "$clients/s3s_server/main.rs"
    unless_stamped node "installing the Node clients" install_node "$clients/package-lock.json"
    unless_stamped go "building the Go client" build_go "$clients/go_client.go"
) 9> "$ODYN_TEST_TOOLS.lock"

[ -z "${ODYN_TEST_TOOLS_ONLY:-}" ] || exit 0
wait "$compiler"
trap - EXIT
export ODYN_TEST_REQUIRE=${ODYN_TEST_REQUIRE:-1}
# Python keeps what it compiles beside the clients: half the time of a test that starts several.
unset PYTHONDONTWRITEBYTECODE
exec cargo test --locked "${features[@]}" "$@"
