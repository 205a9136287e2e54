#!/usr/bin/env bash
# Boots odyn in a virtual machine as Nitro would, with a kernel, vsock and /dev/nsm of its own, and runs the acceptance list
# (scripts/acceptance.sh) over vsock; then boots what is wrong on purpose, which must end with a reason and not hang.
#
#   scripts/test-vm.sh            the static release build; odyn as PID 1 and below an init like AWS's; bad input (5 minutes)
#   scripts/test-vm.sh --quick    the debug build, odyn as PID 1, the list alone (1 minute): for CI
#   scripts/test-vm.sh --setup    installs what --quick needs: 2 minutes, root, Debian bookworm
#
# The machine is QEMU under software emulation, so it needs no hardware, and ten times the time. Its tools are in the folder
# $ODYN_NITRO_VM_TOOLS (../shared/tools/nitro-vm), which installs to $NITRO_VM (~/.cache/nitro-vm); exit status 77 where
# they are missing. QEMU without its NSM device does for --quick: the module is simulated then, and a line says so.
# $ODYN_BINARY is a static odyn to test in place of building one; $ODYN_CARGO is `cargo` for the musl target.
# ODYN_VM_KEEP=1 keeps the logs.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "test-vm.sh: $*" >&2; }
lacking() { say "$*"; exit 77; }

mode=${1:-}
case $mode in '' | --quick | --setup) ;; *) say "usage: scripts/test-vm.sh [--quick | --setup]"; exit 2 ;; esac

tools=${ODYN_NITRO_VM_TOOLS:-$PWD/../shared/tools/nitro-vm}
export NITRO_VM=${NITRO_VM:-$HOME/.cache/nitro-vm}
[ -x "$tools/boot.sh" ] || lacking "missing: $tools/boot.sh; set ODYN_NITRO_VM_TOOLS to the folder with nitro-vm's boot.sh and setup.sh"
if [ "$mode" = --setup ]; then exec bash "$tools/setup.sh" --fast; fi

for program in busybox cpio curl gzip openssl python3; do
    command -v "$program" > /dev/null || lacking "missing: $program; install it (Debian: busybox-static for busybox)"
done
file=$(readlink -f "$(command -v busybox)")
! ldd "$file" > /dev/null 2>&1 || lacking "$file is not static; install Debian's busybox-static"
for file in kernel/vmlinuz kernel/vsock.ko bin/vhost-device-vsock; do
    [ -e "$NITRO_VM/$file" ] || lacking "missing: $NITRO_VM/$file; run scripts/test-vm.sh --setup (2 minutes), or $tools/setup.sh for the NSM too (10)"
done
if [ -x "$NITRO_VM/bin/qemu-system-x86_64" ]; then
    nsm=device
else
    nsm=simulated
    command -v qemu-system-x86_64 > /dev/null || lacking "missing: qemu-system-x86_64; run scripts/test-vm.sh --setup"
    [ "$mode" = --quick ] ||
        lacking "missing: $NITRO_VM/bin/qemu-system-x86_64, the QEMU with an NSM device; run $tools/setup.sh (10 minutes), or use --quick"
    say "QEMU has no NSM device here: the module is simulated; $tools/setup.sh builds the other QEMU"
fi

# shellcheck source=scripts/acceptance.sh
. scripts/acceptance.sh

target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --quiet --locked --bins --example acceptance
A_HOST=$target/debug/odyn-host A_CONFIG=$PWD/tests/acceptance/enclaver.yaml

work=$(mktemp -d)
passed=0 failed=0
boots=()

# A machine that is still up is ended by its own script's children: that script waits for them and then cleans up.
stop_boot() {
    local child
    # shellcheck disable=SC2013 # They are words of one line.
    for child in $(cat "/proc/$1/task/$1/children" 2> /dev/null); do kill "$child" 2> /dev/null || true; done
}
cleanup() {
    local boot
    acceptance_stop
    [ -z "${heart_pid:-}" ] || kill "$heart_pid" 2> /dev/null || true
    for boot in "${boots[@]}"; do stop_boot "$boot"; done
    wait
    if [ -n "${ODYN_VM_KEEP:-}" ]; then say "logs in $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT

# Names the machine that `boot` will start, and its vsock.
name_machine() { boot_name=$1 sock=$work/$1.vsock; }

# boot SECONDS ROOT INIT [INIT ARGUMENT...]: starts the machine in the background, and returns when its kernel is through.
# Where the processor is busy with other things, an emulated kernel can lose its timer and hang: it gets three attempts.
boot() {
    local seconds=$1 files=$2 init=$3 attempt
    shift 3
    for attempt in 1 2 3; do
        SOCK=$sock INIT=$init INIT_ARGS="$*" bash "$tools/boot.sh" "$files" "$seconds" > "$work/$boot_name.console" 2>&1 &
        boot_pid=$!
        boots+=("$boot_pid")
        # The first line is the application's, as `stamp`.
        if acceptance_within 9 grep -q "app: handing over" "$work/$boot_name.console" > "$work/seen"; then return; fi
        say "the machine's kernel did not come up (attempt $attempt): $(tail -n 1 "$work/$boot_name.console")"
        stop_boot "$boot_pid"
        wait "$boot_pid" || true
    done
    say "no machine boots here; is the processor busy?"
    exit 1
}

# The machine ends by itself, not because its time was up (124).
powered_off() {
    local status=0
    wait "$boot_pid" || status=$?
    [ "$status" = 0 ] || { echo "status $status; its console ends: $(tail -n 3 "$work/$boot_name.console")"; return 1; }
    ! grep -q 'Kernel panic' "$work/$boot_name.console" || { grep 'Kernel panic' "$work/$boot_name.console"; return 1; }
}

# Not in a subshell: only the parent may wait for it.
check_power_off() {
    if powered_off > "$work/seen"; then acceptance_ok "$1"; else acceptance_fail "$1" "$(cat "$work/seen")"; fi
}

# Adds up what acceptance.sh counts for one boot.
tally() {
    passed=$((passed + acceptance_count)) failed=$((failed + acceptance_failed))
    [ "$acceptance_failed" = 0 ] || tail -n 15 "$work/$boot_name.console" | sed 's/^/    console: /'
    acceptance_count=0 acceptance_failed=0
}

# What AWS's init listens to on the parent: takes one byte on vsock port 9000 and gives it back.
listen_for_heartbeat() {
    python3 - "$sock"_9000 "$work/$boot_name.heartbeat" << 'PYTHON' &
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    listener.settimeout(300)
    stream, _ = listener.accept()
    stream.settimeout(10)
    beat = stream.recv(1)
    stream.sendall(beat)
    with open(sys.argv[2], "w") as file:
        file.write(beat.hex())
PYTHON
    heart_pid=$!
}
stop_heart() { kill "$heart_pid" 2> /dev/null || true; wait "$heart_pid" || true; }
heart_beat() { [ "$(cat "$work/$boot_name.heartbeat")" = b7 ] && grep -q "the parent answered the heartbeat" "$A_DIR/log"; }

# The list, against the machine that was just booted. $1 is the layout.
accept_machine() {
    A_LAYOUT=$1 A_VSOCK=uds:$sock A_DIR=$work/$boot_name A_NSM=$nsm A_PCRS=()
    unset A_RUN
    # No root has signed what QEMU's module answers.
    if [ "$nsm" = device ]; then A_ROOT=none; else A_ROOT=$A_DIR/root.pem; fi
    acceptance_run || true
    check_power_off "end: the machine powers off"
}

simulation=()
[ "$nsm" = device ] || simulation=(--nsm sim --sim-root /run/root.pem)

app=$target/debug/examples/acceptance
if [ "$mode" = --quick ]; then
    odyn=${ODYN_BINARY:-$target/debug/odyn}
else
    # shellcheck source=scripts/test-vm-build.sh
    . scripts/test-vm-build.sh
fi

acceptance_certificates "$work/certs"
A_CA=$work/certs/ca.pem
acceptance_rootfs "$work/root" "$odyn" "$app" "$work/certs"

echo "# odyn as PID 1"
name_machine init
listen_for_heartbeat
boot 240 "$work/root" /app stamp /init --host-cid 2 --user 1000:1000 "${simulation[@]}" -- /app serve
accept_machine init
stop_heart
acceptance_check "start: the heartbeat was sent and answered" heart_beat
tally

if [ "$mode" != --quick ]; then
    # shellcheck source=scripts/test-vm-more.sh
    . scripts/test-vm-more.sh
fi

# The median of the three figures $1 of scripts/acceptance.sh's speed, each times $2.
speed() { sed -n "s/^$1=//p" "$work/init/speed" 2> /dev/null | sort -n | awk -v by="$2" 'NR == 2 { printf "%.0f", $1 * by }'; }
figure() { sed -n "s/^$1=//p" "$work/init/facts.idle" 2> /dev/null || true; }
cat << FIGURES
# figures of ${odyn#"$PWD/"}, under emulation
size, stripped                 $(stat -c %s "$work/root/init") bytes
start to application           $(figure boot_ms) ms
resident, idle                 $(figure VmRSS); at most $(figure VmHWM)
threads, idle                  $(figure Threads)
4 MiB there and back           $(speed vsock_s 1000) ms through vsock and odyn, $(speed inside_ms 1) ms within the machine
FIGURES
echo "# $passed passed, $failed failed"
[ "$failed" = 0 ]
