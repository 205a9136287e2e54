# shellcheck shell=bash
# What a running enclave must do: one list, sourced by scripts/test-vm.sh and scripts/test-nitro.sh, so that what an
# emulated machine proves is what EC2 will run. The image it asks is tests/acceptance/: `/app serve` under odyn.
# Needs bash, coreutils, curl, openssl and python3. Set before `acceptance_run`:
#
#   A_VSOCK   what odyn-host takes: cid:N or uds:PATH
#   A_HOST    the odyn-host binary
#   A_CONFIG  the manifest that is in the image
#   A_DIR     a scratch folder, for logs
#   A_ROOT    empty: documents must lead to AWS's root. A path: to that root in PEM, which is read out of the enclave
#             (/run/root.pem, of `odyn --sim-root`) where there is no such file yet. `none`: to none, only their content counts
#   A_PCRS    array of `--pcr` and `N=HEX` words that a document must match; may be empty
#   A_CA      the CA of the TLS ingress, in PEM
#   A_NSM     device or simulated
#   A_LAYOUT  init: odyn is PID 1; child: AWS's init is
#   A_RUN     array, the command that starts the host side; default: odyn-host run. `-p` options are added
#   A_USER    UID:GID of the application, default 1000:1000
#   A_END     how the application is ended: `exit N` (default: exit 42) or `die SIGNAL`
#   A_SLOW    factor of every deadline, default 10: emulated processors are that slow
#
# `acceptance_run` prints a line a check and fails when one did; acceptance_count is how many passed.

acceptance_here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
acceptance_count=0
acceptance_failed=0

# A fresh CA and a certificate of it for localhost: ca.pem, cert.pem, key.pem in the folder $1.
acceptance_certificates() {
    local dir=$1
    mkdir -p "$dir"
    acceptance_openssl "$dir" > "$dir/openssl.log" 2>&1 || { cat "$dir/openssl.log" >&2; return 1; }
    rm -f "$dir/ca.key" "$dir/cert.csr" "$dir/openssl.log"
}

acceptance_openssl() {
    local dir=$1 key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    openssl req -x509 "${key[@]}" -days 2 -subj "/CN=acceptance CA" -keyout "$dir/ca.key" -out "$dir/ca.pem" || return
    openssl req "${key[@]}" -subj "/CN=localhost" -keyout "$dir/key.pem" -out "$dir/cert.csr" || return
    openssl x509 -req -in "$dir/cert.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -set_serial 1 -days 2 \
        -extfile <(echo "subjectAltName=DNS:localhost") -out "$dir/cert.pem"
}

# Lays out in the folder $1: odyn ($2) as /init, the application ($3), the manifest, the certificate of the folder $4.
# Programs that are not static bring their libraries.
acceptance_rootfs() {
    local dir=$1 program library tls=$1/etc/enclaver/tls/server/8443
    mkdir -p "$dir" "$tls"
    strip -o "$dir/init" "$2" 2> /dev/null || cp "$2" "$dir/init"
    strip -o "$dir/app" "$3" 2> /dev/null || cp "$3" "$dir/app"
    chmod 755 "$dir/init" "$dir/app"
    cp "$acceptance_here/tests/acceptance/enclaver.yaml" "$dir/etc/enclaver/enclaver.yaml"
    cp "$4/cert.pem" "$tls/cert.pem"
    install -m 600 "$4/key.pem" "$tls/key.pem"
    for program in "$2" "$3"; do
        # ldd fails for a static program, which has none.
        for library in $({ ldd "$program" 2> /dev/null || true; } | sed -n 's|^[^/]*\(/[^ ]*\).*|\1|p'); do
            mkdir -p "$dir$(dirname "$library")"
            cp -L "$library" "$dir$library"
        done
    done
}

# --- how a check is made ---

acceptance_ok() {
    acceptance_count=$((acceptance_count + 1))
    printf 'ok   %s\n' "$1"
}

acceptance_fail() {
    acceptance_failed=$((acceptance_failed + 1))
    printf 'FAIL %s: %s\n' "$1" "$(printf '%s' "$2" | tr -c '[:print:]' ' ' | cut -c 1-600)"
}

acceptance_skip() { printf 'skip %s: %s\n' "$1" "$2"; }

# acceptance_check NAME COMMAND...: passes when the command does; what it printed is what was seen.
acceptance_check() {
    local name=$1 seen
    shift
    if seen=$("$@" 2>&1); then acceptance_ok "$name"; else acceptance_fail "$name" "${seen:-nothing}"; fi
}

# Within N seconds, times the factor, the command must pass; its last word is what was seen. Without a host side nothing
# is worth waiting for: one last try.
acceptance_within() {
    local patience=$(($1 * ${A_SLOW:-10})) end seen last=''
    end=$((SECONDS + patience))
    shift
    until seen=$("$@" 2>&1); do
        if [ -n "$last" ]; then
            printf '%s (%s)' "$seen" "$last"
            return 1
        elif [ "$SECONDS" -ge "$end" ]; then
            last="after $patience s"
        elif [ -n "${a_host_pid:-}" ] && ! kill -0 "$a_host_pid" 2> /dev/null; then
            last="odyn-host has ended"
        else
            sleep 0.1
        fi
    done
    printf '%s' "$seen"
}

a_curl() { curl -sS --max-time $((6 * ${A_SLOW:-10})) "$@"; }
# No `Expect: 100-continue`: a wait of a second for nothing.
a_get() { a_curl --fail -H Expect: "http://127.0.0.1:$a_http$1" "${@:2}"; }
# The application's own view of odyn's APIs: status in the last line.
a_api() { a_curl -w '\n%{http_code}' "http://127.0.0.1:$a_http$1" "${@:2}"; }
a_tls() { a_curl --fail -H Expect: --cacert "$A_CA" --resolve "localhost:$a_https:127.0.0.1" "https://localhost:$a_https$1" "${@:2}"; }

# The rest of a client's work: tests/acceptance/client.py.
a_client() { python3 "$acceptance_here/tests/acceptance/client.py" "$@"; }

# --- the list ---

a_published() { sed -n "s|.*://127\.0\.0\.1:\([0-9]*\) -> the enclave's port $1\$|\1|p" "$A_DIR/host.err" | grep .; }

# A stream goes on: follows it until its file has a line that matches.
a_stream_says() {
    local file=$A_DIR/stream.$1 pid status=0
    "$A_HOST" "$1" --vsock "$A_VSOCK" > "$file" 2>&1 &
    pid=$!
    acceptance_within 2 grep -qF "$2" "$file" > /dev/null || status=1
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    [ "$status" = 0 ] || cat "$file"
    return "$status"
}
a_running() { a_stream_says status '{"status":"running"}'; }

a_ping() { [ "$(a_get /ping)" = pong ]; }

a_echo() {
    head -c 1048576 /dev/urandom > "$A_DIR/sent"
    "$1" /echo --data-binary @"$A_DIR/sent" -o "$A_DIR/received" && cmp "$A_DIR/sent" "$A_DIR/received"
}

# Four MiB there and back, three times: milliseconds from the host, through vsock and odyn, and within the enclave, without
# either. No check: a figure, in speed.
a_speed() {
    local body=$A_DIR/speed.body
    head -c 4194304 /dev/zero > "$body"
    for _ in 1 2 3; do
        printf 'vsock_s=%s\n' "$(a_get /echo --data-binary @"$body" -o "$A_DIR/speed.out" -w '%{time_total}')"
        printf 'inside_ms=%s\n' "$(a_get "/loop?bytes=4194304")"
    done > "$A_DIR/speed"
    rm -f "$body" "$A_DIR/speed.out"
}

a_tls_ping() { [ "$(a_tls /ping "--tls-max" "$1" "--tlsv$1")" = pong ]; }
# A failure of this kind, by curl's exit status, and of no other.
a_curl_ends() {
    local want=$1 status=0
    shift
    a_curl "$@" || status=$?
    grep -qw "$status" <<< "$want" || { echo "curl ended with $status, not $want"; return 1; }
}
# 60: the certificate is nobody's that is known.
a_tls_stranger() { a_curl_ends 60 --resolve "localhost:$a_https:127.0.0.1" "https://localhost:$a_https/ping"; }
# 1, 52, 56: an alert in place of HTTP, nothing, or a reset.
a_tls_plain() { a_curl_ends "1 52 56" "http://127.0.0.1:$a_https/ping"; }

a_logged() { grep -qF "$1" "$A_DIR/log" || { tail -n 5 "$A_DIR/log"; return 1; }; }
a_log_marker() { a_get "/log?text=$1" > /dev/null && acceptance_within 2 a_logged "app: $1"; }
# One server of the host's, on a port of the system's choice.
a_origin() {
    mkdir -p "$A_DIR/origin"
    echo "from the host $$" > "$A_DIR/origin/hello"
    head -c 1048576 /dev/urandom > "$A_DIR/origin/large"
    python3 -u -m http.server --bind 127.0.0.1 --directory "$A_DIR/origin" 0 > "$A_DIR/origin.log" 2>&1 &
    a_origin_pid=$!
    acceptance_within 3 grep -q 'port [0-9]' "$A_DIR/origin.log" || return 1
    a_origin_port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$A_DIR/origin.log")
}
a_fetch() { [ "$(a_get "$1=${2}host:$a_origin_port/hello")" = "$(cat "$A_DIR/origin/hello")" ]; }
a_fetch_large() { a_get "/fetch?url=http://host:$a_origin_port/large" -o "$A_DIR/fetched" && cmp "$A_DIR/fetched" "$A_DIR/origin/large"; }
# 403 with the rule, and the host side was not even asked.
a_refused() {
    local seen
    seen=$(a_api "$1=$2")
    { [ "${seen##*$'\n'}" = 403 ] && grep -qF "$3" <<< "$seen"; } || { printf '%s' "$seen"; return 1; }
}
a_unreachable() {
    local seen
    # Nothing listens on a port that was free a moment ago.
    seen=$(a_api "/fetch?url=http://host:$(a_client free-port)/")
    [ "${seen##*$'\n'}" = 502 ] || { printf '%s' "$seen"; return 1; }
}

a_address() { a_get /api/v1/eth/address > "$A_DIR/address" && a_client address "$A_DIR/address"; }
a_sign() {
    a_get /api/v1/eth/sign -d '{"message":"acceptance"}' > "$A_DIR/signed" &&
        a_client signature "$A_DIR/signed" "$A_DIR/address" acceptance
}
a_random() {
    local first='' second=''
    first=$(a_get /api/v1/random) && second=$(a_get /api/v1/random)
    if [ "$first" != "$second" ] && grep -Eq '"random_bytes": *"(0x)?[0-9a-f]{64}"' <<< "$first"; then return 0; fi
    echo "$first $second"
    return 1
}
# A client of its own, by openssl: its key, the shared secret, what the enclave sends, what it sends to the enclave.
a_encrypt() { a_client encryption "$A_DIR/secret" "http://127.0.0.1:$a_http/api"; }

# QEMU's module has locked no PCR, and only locked ones are in a document.
a_pcrs() { [ "$A_ROOT" = none ] || echo 0 1 2; }
a_document() {
    local nonce=$2 root=()
    a_client base64 "$nonce" > "$A_DIR/nonce" &&
        a_get "/$1/v1/attestation" -d "{\"nonce\":\"$(cat "$A_DIR/nonce")\"}" -o "$A_DIR/document-$1" &&
        a_client document "$A_DIR/document-$1" "$nonce" "$A_DIR/address" "$(a_pcrs)" || return 1
    [ "$A_ROOT" != none ] || return 0
    [ -z "$A_ROOT" ] || root=(--root "$A_ROOT")
    [ -z "$A_ROOT" ] || [ -e "$A_ROOT" ] || a_get "/file?path=/run/root.pem" -o "$A_ROOT" || return 1
    "$A_HOST" verify --doc "$A_DIR/document-$1" --nonce "$nonce" "${root[@]}" "${A_PCRS[@]}" > "$A_DIR/document-$1.json"
}
# Another nonce, or another image: refused by the check it fails.
a_document_refused() {
    local seen root=()
    [ -z "$A_ROOT" ] || root=(--root "$A_ROOT")
    ! seen=$("$A_HOST" verify --doc "$A_DIR/document-api" "${root[@]}" "${@:2}" 2>&1) || return 1
    grep -qF "$1 failed" <<< "$seen" || { printf '%s' "$seen"; return 1; }
}
a_aux_drops() {
    a_get /aux/v1/attestation -d '{"nonce":"AAECAw==","user_data":"ZXZpbA=="}' -o "$A_DIR/document-evil" &&
        a_client document "$A_DIR/document-evil" 00010203 "$A_DIR/address" "$(a_pcrs)"
}
a_aux_only() {
    local seen
    seen=$(a_api /aux/v1/eth/sign -d '{"message":"x"}')
    [ "${seen##*$'\n'}" = 404 ] || { printf '%s' "$seen"; return 1; }
}

a_facts() { a_get /facts > "$A_DIR/facts"; }
# A fact whose whole line matches.
a_fact() { grep -Eqx "$1" "$A_DIR/facts" || { grep -E "^${1%%=*}=" "$A_DIR/facts"; return 1; }; }
a_fact_value() { sed -n "s/^$1=//p" "$A_DIR/facts" | head -n 1; }
a_entropy() { [ "$(a_fact_value entropy)" -ge 256 ] || { a_fact_value entropy; return 1; }; }
a_mounts() {
    local want
    for want in "/proc proc" "/sys sysfs" "/dev devtmpfs" "/dev/pts devpts" "/dev/shm tmpfs" "/run tmpfs" "/tmp tmpfs" \
        "$([ "$A_LAYOUT" = init ] && echo "/sys/fs/cgroup cgroup2" || echo "/sys/fs/cgroup tmpfs")"; do
        a_fact "mount=$want .*" || { echo "no $want"; return 1; }
    done
}
# PID PARENT STATE NAME of everything but the kernel's threads: init (AWS's and odyn, or odyn) and the application.
a_processes() {
    a_facts || return 1
    local parent pid seen want
    parent=$(a_fact_value parent) pid=$(a_fact_value pid)
    seen=$(sed -n 's/^process=\([0-9]* [0-9]*\) .*/\1/p' "$A_DIR/facts" | sort)
    want=$({ echo "1 0"; [ "$A_LAYOUT" = init ] || echo "$parent 1"; echo "$pid $parent"; } | sort)
    [ "$seen" = "$want" ] || { sed -n 's/^process=//p' "$A_DIR/facts"; return 1; }
    [ "$A_LAYOUT" != init ] || [ "$parent" = 1 ]
}
a_orphan() { a_get /orphan > /dev/null && a_facts && a_fact "process=[0-9]+ $(a_fact_value parent) S app" && acceptance_within 2 a_processes; }
# Numbers 0 to 2 and the two listeners and this connection; no file, no pipe beside the log's.
a_descriptors() {
    ! sed -n 's/^fd=\([0-9]*\) /\1 /p' "$A_DIR/facts" | awk '$1 > 2' | grep -v ' socket:\| /proc/[0-9]*/fd$' &&
        a_fact 'fd=0 /dev/null' && a_fact 'fd=1 pipe:.*' && a_fact 'fd=2 pipe:.*'
}
a_identity() {
    local uid=${A_USER%:*} gid=${A_USER#*:}
    a_fact "Uid=$uid $uid $uid $uid" && a_fact "Gid=$gid $gid $gid $gid" && a_fact "Groups=" || return 1
    a_fact "CapInh=0+" && a_fact "CapAmb=0+" || return 1
    # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT; or nothing.
    if [ "$uid" = 0 ]; then set -- 0+405fb; else set -- 0+; fi
    a_fact "CapEff=$1" && a_fact "CapPrm=$1" && a_fact "CapBnd=$1"
}
a_session() { a_fact "session=$(a_fact_value pid)" && a_fact "group=$(a_fact_value pid)"; }
a_environment() {
    local name
    for name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY no_proxy NO_PROXY ODYN_API_URL; do
        a_fact "env=$name" || { echo "no $name"; return 1; }
    done
    ! grep -E '^env=(LD_|RUST_|AWS_)' "$A_DIR/facts"
}
a_links() { a_fact 'link=/dev/fd /proc/self/fd' && a_fact 'link=/dev/stdin /proc/self/fd/0' && a_fact 'link=/dev/stderr /proc/self/fd/2'; }
a_writable() { ! grep -E '^writable=.* no$' "$A_DIR/facts" | grep -v "/run" && a_fact 'writable=/tmp yes'; }
a_key_hidden() {
    local seen
    seen=$(a_api "/file?path=/etc/enclaver/tls/server/8443/key.pem")
    grep -q "Permission denied" <<< "$seen" || { echo "it reads the key"; return 1; }
}

# odyn has it open; nobody else finds it.
a_nsm_gone() {
    local seen
    seen=$(a_api "/file?path=/dev/nsm")
    grep -q "No such file" <<< "$seen" || { printf '%s' "$seen"; return 1; }
}
# What is mounted below /sys comes in both layouts; the second version of cgroups stays writable.
a_settings() {
    a_fact "mount=/proc/sys proc ro,.*" && a_fact "mount=/sys sysfs ro,.*" &&
        ! grep -E '^mount=/sys/[^ ]* ' "$A_DIR/facts" | grep -v ' cgroup2 ' | grep -v ' ro[, ]\| ro$'
}
a_odyn_closed() {
    local seen
    seen=$(a_api "/file?path=/proc/$(a_fact_value parent)/environ")
    grep -q "Permission denied" <<< "$seen" || { echo "it reads odyn's environment"; return 1; }
}

a_signal() { a_get "/signal?number=$1" > /dev/null && acceptance_within 2 a_signaled "$2"; }
a_signaled() { a_facts && a_fact "signal=$1"; }

# The host side ends by itself, with the application's status. Not in a subshell: only its parent may wait for it.
a_check_end() {
    local name=$1 ask=$2 want=$3 status=0 end=$((SECONDS + 4 * A_SLOW))
    a_get "/$ask" > /dev/null 2>&1 || true
    while kill -0 "$a_host_pid" 2> /dev/null; do
        if [ "$SECONDS" -ge "$end" ]; then
            acceptance_fail "$name" "odyn-host still runs"
            return
        fi
        sleep 0.1
    done
    wait "$a_host_pid" || status=$?
    a_host_pid=
    if [ "$status" = "$want" ]; then
        acceptance_ok "$name"
    else
        acceptance_fail "$name" "odyn-host ended with $status: $(tail -n 2 "$A_DIR/host.err")"
    fi
}

# In this order, because later ones use what earlier ones learnt.
a_run_checks() {
    acceptance_check "the host side publishes the ingress ports" acceptance_within 6 a_published 8443
    a_http=$(a_published 8080) a_https=$(a_published 8443)
    acceptance_check "status: running" acceptance_within 12 a_running
    acceptance_check "ingress: a request and its answer" acceptance_within 3 a_ping
    if [ "$acceptance_failed" -gt 0 ]; then
        acceptance_skip "the rest of the list" "the enclave does not answer; its host side said: $(tail -n 2 "$A_DIR/host.err")"
        return
    fi
    # Before anything else has left its traces.
    a_get /facts > "$A_DIR/facts.idle" || true
    acceptance_check "ingress: 1 MiB there and back" a_echo a_get
    a_speed || true
    acceptance_check "TLS ingress: TLS 1.2" a_tls_ping 1.2
    acceptance_check "TLS ingress: TLS 1.3" a_tls_ping 1.3
    acceptance_check "TLS ingress: 1 MiB there and back" a_echo a_tls
    acceptance_check "TLS ingress: a client that does not know the CA refuses" a_tls_stranger
    acceptance_check "TLS ingress: plain HTTP is not served" a_tls_plain

    acceptance_check "log: standard output reaches the host" acceptance_within 2 a_logged "app: serving"
    acceptance_check "log: standard error reaches the host" acceptance_within 2 a_logged "app: this is standard error"
    acceptance_check "log: odyn's own lines too" a_logged "started the application as process"
    acceptance_check "log: a line arrives as it is written" a_log_marker "marker-$$-$RANDOM"
    acceptance_check "log: a second reader gets it from the start" a_stream_says logs "app: serving"

    if a_origin; then
        acceptance_check "egress: an allowed target through the proxy" a_fetch "/fetch?url" http://
        acceptance_check "egress: an allowed target through a tunnel" a_fetch "/tunnel?to" ""
        acceptance_check "egress: 1 MiB from the host" a_fetch_large
        acceptance_check "egress: nobody there is a 502" a_unreachable
    else
        acceptance_fail "egress: a server for it on the host" "python3 -m http.server did not start"
    fi
    acceptance_check "egress: an address nobody allowed is refused" a_refused "/fetch?url" http://10.9.8.7/ \
        "no allow pattern matches"
    acceptance_check "egress: nor through a tunnel" a_refused "/tunnel?to" other.example:443/ "no allow pattern matches"
    acceptance_check "egress: deny stands above allow" a_refused "/fetch?url" http://refused.allowed.example/ \
        "refused.allowed.example"

    acceptance_check "API: the Ethereum address" a_address
    acceptance_check "API: a signature that recovers to it" a_sign
    acceptance_check "API: random bytes of the $A_NSM module" a_random
    acceptance_check "API: messages to and from a client" a_encrypt
    acceptance_check "API: an attestation document with our nonce" a_document api "$(a_client random)"
    if [ "$A_ROOT" = none ]; then
        acceptance_skip "API: its signature and certificates" "this module's documents lead to no root"
    else
        acceptance_check "a document with another nonce is refused" a_document_refused nonce --nonce 00
        acceptance_check "a document of another image is refused" a_document_refused pcr --pcr "0=$(printf '%096d' 7)"
    fi
    acceptance_check "auxiliary API: an attestation document" a_document aux "$(a_client random)"
    acceptance_check "auxiliary API: what the application did not vouch for is dropped" a_aux_drops
    acceptance_check "auxiliary API: signs nothing" a_aux_only

    acceptance_check "inside: facts" a_facts
    acceptance_check "inside: no process too many, no zombie" a_processes
    acceptance_check "inside: orphans are odyn's, and are reaped" a_orphan
    acceptance_check "inside: everything is mounted" a_mounts
    acceptance_check "inside: links in /dev" a_links
    acceptance_check "inside: temporary folders can be written to" a_writable
    # IFF_UP and IFF_LOOPBACK.
    acceptance_check "inside: loopback is up" a_fact "lo=0x9"
    acceptance_check "inside: loopback is the only interface" a_fact "interfaces=lo"
    acceptance_check "inside: the kernel's pool is full" a_entropy
    acceptance_check "inside: it was filled from the module, with credit" a_logged "seeded the kernel's random generator"
    acceptance_check "inside: the application's user and rights" a_identity
    acceptance_check "inside: no new privileges" a_fact "NoNewPrivs=1"
    acceptance_check "inside: /dev/nsm is gone" a_nsm_gone
    acceptance_check "inside: the kernel's settings are read-only" a_settings
    acceptance_check "inside: odyn's memory is closed" a_odyn_closed
    # But for PIPE, which Rust itself ignores.
    acceptance_check "inside: no signal ignored" a_fact "SigIgn=0*1000"
    acceptance_check "inside: a session of its own" a_session
    acceptance_check "inside: no descriptor of odyn's" a_descriptors
    acceptance_check "inside: the environment" a_environment
    if [ "${A_USER%:*}" = 0 ]; then
        acceptance_check "signals: TERM reaches the application" a_signal 15 SIGTERM
        acceptance_check "signals: HUP reaches the application" a_signal 1 SIGHUP
        acceptance_check "signals: USR1 reaches the application" a_signal 10 SIGUSR1
        acceptance_skip "inside: the TLS key is hidden from the application" "the application is root here"
    else
        acceptance_check "inside: the TLS key is hidden from the application" a_key_hidden
        acceptance_skip "signals: passed on to the application" "nobody but root inside can send odyn one"
    fi
    acceptance_check "still running" a_running
    case $A_END in
        exit*) a_check_end "end: odyn-host passes the exit code on" "exit?code=${A_END#* }" "${A_END#* }" ;;
        *) a_check_end "end: odyn-host passes the signal on" "die?signal=${A_END#* }" $((128 + ${A_END#* })) ;;
    esac
}

acceptance_stop() {
    [ -z "${a_origin_pid:-}" ] || kill "$a_origin_pid" 2> /dev/null || true
    [ -z "${a_host_pid:-}" ] || kill "$a_host_pid" 2> /dev/null || true
    a_origin_pid='' a_host_pid=''
}

acceptance_run() {
    : "${A_SLOW:=10}" "${A_USER:=1000:1000}" "${A_END:=exit 42}" "${A_ROOT:=}"
    [ -n "${A_RUN+set}" ] || A_RUN=("$A_HOST" run --vsock "$A_VSOCK" --config "$A_CONFIG")
    [ -n "${A_PCRS+set}" ] || A_PCRS=()
    acceptance_count=0 acceptance_failed=0
    mkdir -p "$A_DIR"
    "${A_RUN[@]}" -p 0:8080 -p 0:8443 > "$A_DIR/log" 2> "$A_DIR/host.err" &
    a_host_pid=$!
    a_run_checks
    acceptance_stop
    [ "$acceptance_failed" = 0 ]
}
