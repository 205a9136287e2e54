#!/usr/bin/env bash
# Runs the acceptance list (scripts/acceptance.sh) against a real enclave: `scripts/test-nitro.sh [--cpu N] [--memory MB]
# [--keep]`, on an EC2 instance with Nitro Enclaves. One line a check; exit status 0 when all passed, 1 when one failed,
# 77 when this machine lacks something, which it then names.
#
# It builds odyn's release and the acceptance application, an image of both, and with nitro-cli the EIF; starts that, and
# checks documents against AWS's root and the EIF's own PCRs. At the end it terminates the enclave it started, and no
# other, and removes its image; --keep leaves image, EIF and logs. Two processors and 1024 MiB unless told.
#
# Executables that are built already: $ODYN_BINARY (static), $ODYN_HOST_BINARY, $ODYN_ACCEPTANCE_BINARY.
#
# For stand-ins of Nitro (tests/support/nitro/) only, never to be believed: $ODYN_NITRO_VSOCK is where the enclave is
# reached instead of at its CID (`uds:PATH`), $ODYN_NITRO_ROOT the root its simulated module will write there, in PEM.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "$0")/.."
# How long nitro-cli may take, in seconds; building an EIF of a few MiB takes some ten.
PATIENCE=300
TARGET=$(uname -m)-unknown-linux-musl

say() { echo "test-nitro: $*" >&2; }
usage() { echo "usage: scripts/test-nitro.sh [--cpu N] [--memory MB] [--keep]" >&2; exit 2; }
lacking() { say "$*"; exit 77; }

cpu=2 memory=1024 keep=''
while [ $# -gt 0 ]; do
    case $1 in
        --cpu) [ $# -ge 2 ] || usage; cpu=$2; shift ;;
        --memory) [ $# -ge 2 ] || usage; memory=$2; shift ;;
        --keep) keep=yes ;;
        *) usage ;;
    esac
    shift
done
[[ $cpu =~ ^[0-9]+$ && $memory =~ ^[0-9]+$ ]] || usage

# What the machine must bring.
[ -e scripts/acceptance.sh ] || lacking "scripts/acceptance.sh, the list of checks, is missing from this checkout"
for tool in curl openssl python3 timeout; do
    command -v "$tool" > /dev/null || lacking "$tool is missing: install it"
done
command -v nitro-cli > /dev/null || lacking "nitro-cli is missing. On Amazon Linux 2023:
    dnf install aws-nitro-enclaves-cli aws-nitro-enclaves-cli-devel"
command -v docker > /dev/null || lacking "docker is missing, of which nitro-cli makes EIFs: dnf install docker"
timeout "$PATIENCE" docker info > /dev/null 2>&1 ||
    lacking "docker does not answer: systemctl start docker, and be root or in the group docker"
if [ -z "${ODYN_NITRO_VSOCK:-}" ]; then
    [ -c /dev/nitro_enclaves ] || lacking "there is no /dev/nitro_enclaves: this is no EC2 instance that was launched with
    enclaves enabled (aws ec2 run-instances --enclave-options Enabled=true)"
    [ -w /dev/nitro_enclaves ] || lacking "/dev/nitro_enclaves cannot be written: be root or in the group ne"
    pages=$(cat /sys/kernel/mm/hugepages/hugepages-*/free_hugepages | paste -sd+ | tr -d ' ')
    [ "$((pages))" -gt 0 ] || lacking "no huge pages are free: set memory_mib to at least $memory and cpu_count to at least
    $cpu in /etc/nitro_enclaves/allocator.yaml, then: systemctl restart nitro-enclaves-allocator"
else
    say "WARNING: a stand-in of Nitro at $ODYN_NITRO_VSOCK; this proves nothing about EC2"
fi

# shellcheck source=scripts/acceptance.sh
. scripts/acceptance.sh

work=$(mktemp -d)
name=odyn-acceptance-$$-${work##*.}
image=${name,,}:test
built=''

# The ids of the enclaves that were started from our EIF, whose file name is theirs.
ours() {
    timeout "$PATIENCE" nitro-cli describe-enclaves | python3 -c '
import json, sys
for enclave in json.load(sys.stdin):
    if enclave.get("EnclaveName") == sys.argv[1]:
        print(enclave["EnclaveID"])
' "$name"
}

# shellcheck disable=SC2329
clean_up() {
    local status=$? job id ids
    trap - EXIT
    set +e
    for job in $(jobs -p); do kill "$job" 2> /dev/null; done
    ids=$(ours) || { say "WARNING: nitro-cli does not list enclaves: one with the name $name may still run"; status=1; }
    for id in $ids; do
        say "terminating $id"
        timeout "$PATIENCE" nitro-cli terminate-enclave --enclave-id "$id" > /dev/null ||
            { say "WARNING: $id may still run: nitro-cli terminate-enclave --enclave-id $id"; status=1; }
    done
    if [ -n "$keep" ]; then
        say "kept: $work${built:+ and the image $image}"
    else
        [ -z "$built" ] || docker image rm "$image" > /dev/null || say "WARNING: docker still has the image $image"
        rm -rf "$work"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

failures=0
# check NAME COMMAND...: one line, as the list prints them.
check() {
    local what=$1
    shift
    if "$@"; then
        echo "ok   $what"
    else
        echo "FAIL $what"
        failures=$((failures + 1))
    fi
}

odyn=${ODYN_BINARY:-} host=${ODYN_HOST_BINARY:-} app=${ODYN_ACCEPTANCE_BINARY:-}
if [ -z "$odyn" ]; then
    say "building odyn"
    scripts/build-release.sh --out "$work/dist" "$TARGET" > "$work/build.log"
    odyn=$work/dist/odyn-$TARGET
fi
folder=${CARGO_TARGET_DIR:-$PWD/target}
if [ -z "$app" ] || [ -z "$host" ]; then
    say "building odyn-host and the acceptance application"
    cargo build --quiet --locked --bin odyn-host --example acceptance
    app=${app:-$folder/debug/examples/acceptance} host=${host:-$folder/debug/odyn-host}
fi

say "building the image and the EIF"
mkdir "$work/certificates" "$work/image" "$work/logs"
acceptance_certificates "$work/certificates"
acceptance_rootfs "$work/image/rootfs" "$odyn" "$app" "$work/certificates"
cp tests/acceptance/Dockerfile "$work/image/"
docker build --quiet --tag "$image" "$work/image" > /dev/null
built=yes
eif=$work/$name.eif
timeout "$PATIENCE" nitro-cli build-enclave --docker-uri "$image" --output-file "$eif" > "$work/eif.json"

# `--pcr N=HEX` words of what nitro-cli printed, for the three that an image alone decides.
pcrs() {
    python3 -c '
import json, re, sys
measured = json.load(open(sys.argv[1]))["Measurements"]
for number in range(3):
    value = measured[f"PCR{number}"]
    assert re.fullmatch("[0-9a-f]{96}", value), f"PCR{number} is {value!r}"
    print(f"--pcr {number}={value}")
' "$1"
}
words=$(pcrs "$work/eif.json" | paste -sd' ')
read -ra A_PCRS <<< "$words"
# shellcheck disable=SC2329
described() {
    timeout "$PATIENCE" nitro-cli describe-eif --eif-path "$eif" > "$work/described.json" &&
        again=$(pcrs "$work/described.json" | paste -sd' ') && [ "$again" = "$words" ]
}
check "nitro-cli measures the EIF as it did when it built it" described

# A CID that is free; nitro-cli itself refuses those below 4.
cid=$(timeout "$PATIENCE" nitro-cli describe-enclaves | python3 -c '
import json, sys
taken = {enclave["EnclaveCID"] for enclave in json.load(sys.stdin)}
print(next(cid for cid in range(1000, 2000) if cid not in taken))
')

A_VSOCK=${ODYN_NITRO_VSOCK:-cid:$cid}
A_HOST=$host
A_CONFIG=$work/image/rootfs/etc/enclaver/enclaver.yaml
A_DIR=$work/logs
A_ROOT=${ODYN_NITRO_ROOT:-}
A_CA=$work/certificates/ca.pem
A_NSM=device
[ -z "$A_ROOT" ] || A_NSM=simulated
A_LAYOUT=child
# Enclaves are quick, unlike emulated machines.
A_SLOW=${A_SLOW:-3}
# The list reads these.
export A_VSOCK A_HOST A_CONFIG A_DIR A_ROOT A_CA A_NSM A_LAYOUT A_SLOW
A_RUN=("$host" run --eif "$eif" --cpu "$cpu" --memory "$memory" --vsock "$A_VSOCK" --config "$A_CONFIG")

# odyn's end is the enclave's: AWS's init restarts the machine then, which nitro-cli notices within seconds.
# shellcheck disable=SC2329
ended() {
    local deadline=$((SECONDS + 60)) left
    while true; do
        left=$(ours) || return 1
        [ -n "$left" ] || return 0
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 1
    done
}
if acceptance_run; then
    check "the enclave ended with its application" ended
else
    failures=$((failures + 1))
fi

if [ "$failures" -gt 0 ]; then
    say "FAILED: the lines above that begin with FAIL say what"
    exit 1
fi
# shellcheck disable=SC2154
say "passed: $((acceptance_count + 2)) checks"
