# shellcheck shell=bash disable=SC2154,SC2034
# Sourced by scripts/test-vm.sh: odyn below an init like AWS's, and machines with something wrong on purpose.

# --- the child of another init ---

# What AWS's init does (aws/aws-nitro-enclaves-sdk-bootstrap, init/init.c), but for its heartbeat and its vsock: devices, then
# /cmd and /env one item a line, then into /rootfs, where it mounts, starts the command in a session of its own, reaps
# until that has ended, and restarts the machine.
lay_out_child() {
    local dir=$work/child-root
    mkdir -p "$dir/bin" "$dir/dev" "$dir/rootfs"
    cp -r "$work/root/." "$dir/rootfs/"
    mkdir -p "$dir"/rootfs/{proc,sys,dev,run,tmp}
    cp "$(readlink -f "$(command -v busybox)")" "$dir/bin/busybox"
    printf '%s\n' /app stamp /init --host-cid 2 --user 0:0 -- /app serve > "$dir/cmd"
    printf '%s\n' "FROM_ENV=a value" > "$dir/env"
    cat > "$dir/init" << 'INIT'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs -o nosuid,noexec dev /dev
set -- -i PATH=/sbin:/usr/sbin:/bin:/usr/bin
while IFS= read -r line; do set -- "$@" "$line"; done < /env
set -- "$@" $B chroot /rootfs
while IFS= read -r line; do set -- "$@" "$line"; done < /cmd
$B rm /env /cmd
cd /rootfs
o=nodev,nosuid,noexec
$B mount -t devtmpfs -o nosuid,noexec dev dev
$B mount -t proc -o $o proc proc
$B ln -s /proc/self/fd dev/fd
for n in 0 1 2; do $B ln -s /proc/self/fd/$n dev/std$n; done
$B mv dev/std0 dev/stdin; $B mv dev/std1 dev/stdout; $B mv dev/std2 dev/stderr
$B mount -t tmpfs -o $o,mode=0755 tmpfs run
$B mount -t tmpfs -o $o tmpfs tmp
$B mkdir -p dev/shm dev/pts
$B mount -t tmpfs -o $o shm dev/shm
$B mount -t devpts -o nosuid,noexec devpts dev/pts
$B mount -t sysfs -o $o sysfs sys
$B mount -t tmpfs -o $o,mode=0755 cgroup_root sys/fs/cgroup
$B setsid $B env "$@" &
wait $!
$B reboot -f
INIT
    chmod +x "$dir/init"
}

run_child() {
    echo "# odyn below an init like AWS's, the application as root"
    lay_out_child
    name_machine child
    boot 240 "$work/child-root" /init
    A_USER=0:0 A_END="die 9"
    accept_machine child
    acceptance_check "start: the image's environment reaches the application" grep -qx "env=FROM_ENV" "$work/child/facts.idle"
    tally
    unset A_USER A_END
}

# --- bad input ---

# `odyn-host run` must end with status $2 and say $3, and the machine must end too. $1 names the case.
check_fatal() {
    local status=0 dir=$work/$boot_name
    mkdir -p "$dir"
    timeout $((12 * A_SLOW)) "$A_HOST" run --vsock "uds:$sock" --config "$A_CONFIG" -p 0:8080 -p 0:8443 \
        > "$dir/log" 2> "$dir/host.err" || status=$?
    if [ "$status" = "$2" ] && grep -qE "$3" "$dir/host.err"; then
        acceptance_ok "$1: odyn-host says why and ends with $2"
    else
        acceptance_fail "$1: odyn-host says why and ends with $2" "status $status, $(tail -n 2 "$dir/host.err")"
    fi
    check_power_off "$1: the machine powers off"
    tally
}

# A copy of the root file system to spoil.
spoil() { cp -r "$work/root" "$work/$1-root"; }

run_bad_input() {
    echo "# bad input"
    name_machine no-nsm
    # Debian's QEMU has no NSM device.
    mkdir -p "$work/no-nsm/bin"
    ln -s "$NITRO_VM/kernel" "$work/no-nsm/kernel"
    ln -s "$NITRO_VM/bin/vhost-device-vsock" "$work/no-nsm/bin/"
    if command -v qemu-system-x86_64 > /dev/null; then
        NITRO_VM=$work/no-nsm boot 120 "$work/root" /app stamp /init --host-cid 2 -- /app serve
        check_fatal "no NSM" 1 "the enclave failed: .*/dev/nsm"
    else
        acceptance_skip "no NSM" "no qemu-system-x86_64 without the device on PATH"
    fi

    name_machine manifest
    spoil manifest
    echo "egres: {}" >> "$work/manifest-root/etc/enclaver/enclaver.yaml"
    boot 120 "$work/manifest-root" /app stamp /init --host-cid 2 -- /app serve
    check_fatal "a manifest with an unknown field" 1 "the enclave failed: .*enclaver.yaml:[0-9]+.*egres"

    name_machine entrypoint
    boot 120 "$work/root" /app stamp /init --host-cid 2 -- /no/such/program
    check_fatal "an entrypoint that is not there" 1 'the enclave failed: entrypoint .*/no/such/program.* not found'

    name_machine nothing
    boot 120 "$work/root" /app stamp /init --host-cid 2
    check_fatal "no entrypoint at all" 1 "the enclave failed: no application"

    name_machine certificate
    spoil certificate
    echo "not PEM" > "$work/certificate-root/etc/enclaver/tls/server/8443/cert.pem"
    boot 120 "$work/certificate-root" /app stamp /init --host-cid 2 -- /app serve
    check_fatal "a certificate that is none" 1 "the enclave failed: .*cert.pem"

    name_machine full
    boot 180 "$work/root" /app stamp /app fill / /init --host-cid 2 -- /app note /note
    check_fatal "a full file system" 28 "published|enclave's port"

    # Nobody listens, connects or reads: it gives up after limits::FINAL_STATUS_WAIT.
    name_machine alone
    boot 150 "$work/root" /app stamp /init --host-cid 2 -- /no/such/program
    check_power_off "a host that never comes: the machine powers off by itself"
    tally
}

run_child
run_bad_input
