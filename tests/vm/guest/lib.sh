# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the parts of the VM tier share. A part is a script that sources this, defines functions named
# test_…, and ends in run_tests, which runs them in the order in which they are written.

SERVICE=org.banger.Helper1
OBJECT=/org/banger/Helper1
program=vm/$(basename "$0" | cut -d- -f2-)
TEST_LOG=/run/banger-vm.log

# Functions here return their failure themselves: where one is called in a condition (A && B, if A), the
# shell that runs it does not end with the first command that fails.

# Each test runs in a shell of its own that ends with the first command that fails; the message of a
# failed test is that command, with what was printed last; of what one that passed printed the lines "figure: …" are
# shown. A part that reported its failures has not failed itself.
run_tests() {
    local name names code begin
    mapfile -t names < <(grep -o '^test_[a-z0-9_]*' "$0")
    for name in "${names[@]}"; do
        : >"$TEST_LOG"
        begin=$SECONDS
        (
            set -eEo pipefail
            trap 'echo "line ${BASH_LINENO[0]}/$LINENO: $BASH_COMMAND" >>"$TEST_LOG.where"' ERR
            rm -f "$TEST_LOG.where"
            "$name"
        ) >"$TEST_LOG" 2>&1
        code=$?
        case $code in
        0)
            report pass "$name" ''
            sed -n 's/^figure: /# /p' "$TEST_LOG"
            ;;
        77) report skip "$name" "$(tail -n 1 "$TEST_LOG")" ;;
        *)
            report fail "$name" "$(head -n 1 "$TEST_LOG.where" 2>/dev/null): $(tail -n 1 "$TEST_LOG")"
            tail -n 40 "$TEST_LOG" | sed 's/^/# | /'
            ;;
        esac
        [ $((SECONDS - begin)) -lt 3 ] || echo "# $name: $((SECONDS - begin)) s"
    done
}

report() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$program" "${2#test_}" "$(printf %s "$3" | tr '\t\n\r' '   ' | cut -c1-300)"
}

skip() {
    echo "$*"
    exit 77
}

fail() {
    echo "$*"
    return 1
}

# refute COMMAND…: it must fail. (set -e does not see a "! COMMAND" that succeeds.)
refute() {
    if "$@"; then
        fail "succeeded: $*"
    fi
}

# as USER COMMAND…: with that user's groups, and nothing of root's.
as() {
    local user=$1
    shift
    if [ "$user" = root ]; then
        "$@"
    else
        setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --reset-env -- "$@"
    fi
}

# call USER METHOD TYPES ARGUMENTS…: calls the helper with a new op_id, which is left in OP, what the
# call printed in OUT, and its exit status is returned. TYPES and ARGUMENTS are without the op_id.
call() {
    local user=$1 method=$2 types=$3 code=0
    shift 3
    OP=op-$(printf %08x "$SRANDOM")-$method
    # shellcheck disable=SC2086
    OUT=$(as "$user" busctl --timeout=60 ${BUSCTL_OPTIONS:-} call "$SERVICE" "$OBJECT" "$SERVICE" \
        "$method" "${types}s" "$@" "$OP" 2>&1) || code=$?
    [ -z "$OUT" ] || echo "$method: $OUT"
    return $code
}

# fails ERROR USER METHOD …: the call must fail with this error, whose name is given without its prefix.
fails() {
    local error=$1 name
    shift
    if call "$@"; then
        fail "$2 succeeded, instead of failing with $error"
        return 1
    fi
    # busctl has a text of its own for this one.
    if [[ $OUT != *"($OP)" ]] && [ "$error" != AccessDenied ]; then
        fail "the message does not end in the op_id: $OUT"
        return 1
    fi
    name=$(field ERROR_NAME "$OP")
    [[ $name = *."$error" ]] || fail "$2 failed with ${name:-nothing in the journal}, not with $error: $OUT"
}

# field NAME OP: that field of the helper's record of the operation.
field() {
    local value tries
    for ((tries = 0; tries < 10; tries++)); do
        journalctl --sync
        value=$(journalctl -q -b -o cat --output-fields="$1" OP_ID="$2" _SYSTEMD_UNIT=banger-helper.service)
        [ -z "$value" ] || break
        sleep 0.2
    done
    echo "$value"
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            fail "waited in vain for: $*"
            return 1
        fi
        sleep 0.1
    done
}

helper_pid() {
    systemctl show --property=MainPID --value banger-helper.service
}

# The alias of the link $1, without when it was made.
alias_of() {
    sed 's/ at=[0-9]*//' "/sys/class/net/$1/ifalias"
}

# A file system image of $2 MiB at $1 that belongs to the owner.
make_image() {
    rm -f "$1" &&
        truncate -s "$2M" "$1" &&
        mke2fs -q -F -t ext4 "$1" &&
        chown banger:banger "$1"
}

# A copy-on-write file of $2 MiB at $1 that belongs to the owner.
make_cow() {
    rm -f "$1" &&
        truncate -s "$2M" "$1" &&
        chown banger:banger "$1"
}

# Installs the double with the orders $2 for the machine $1 (tests/fake/fake.h), or without any. In its jail a
# VMM sees no file of ours, so they are at the end of the program.
install_double() {
    local line
    rm -f /usr/local/bin/firecracker.new
    cp "$PAYLOAD/programs/firecracker" /usr/local/bin/firecracker.new
    if [ $# -gt 0 ]; then
        printf '\nBANGER-ORDERS\n' >>/usr/local/bin/firecracker.new
        while IFS= read -r line; do
            printf '%s %s\n' "$1" "$line" >>/usr/local/bin/firecracker.new
        done <<<"$2"
    fi
    chmod 755 /usr/local/bin/firecracker.new
    mv /usr/local/bin/firecracker.new /usr/local/bin/firecracker
}

# A machine as LaunchFirecracker takes it, in ARGUMENTS: $1 its vm_id, $2 its root drive, $3 its kernel,
# $4 its TAP, $5 a bridge that is made for it (172.16.96.1/24), if given.
machine_arguments() {
    ARGUMENTS=('a{sv}' 12
        binary_path s /usr/local/bin/firecracker
        vm_id s "$1"
        socket_path s "/run/banger/$1.sock"
        log_path s "/var/lib/banger/$1.log"
        metrics_path s "/var/lib/banger/$1.metrics"
        kernel_image_path s "$3"
        kernel_args s 'console=ttyS0 reboot=k panic=1'
        drives 'a(ssbb)' 1 rootfs "$2" false true
        tap_device s "$4"
        vcpu_count u 1
        memory_mib u 128)
    if [ -n "${5:-}" ]; then
        ARGUMENTS+=(network '(sss)' "$5" 172.16.96.1 24)
    else
        ARGUMENTS+=(initrd_path s '')
    fi
}

# Runs the program $1 of the bus tier, or its case $2 only, against this system: for it this is a rig like
# any other. Its results are reported as those of the VM tier.
run_bus_program() {
    local results=/run/banger-vm.results journal code=0 begin=$SECONDS
    if [ ! -e "$PAYLOAD/programs/$1" ]; then
        report skip "$1" 'needs tests/vm/run --build'
        return
    fi
    : >"$results"
    mkdir -p /run/banger-vm-rig
    journalctl -q -f -n 0 -o json >/run/banger-vm-rig/journal.jsonl &
    journal=$!
    BANGER_TEST_RESULTS=$results BANGER_RIG_DIR=/run/banger-vm-rig \
        DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket CK_TIMEOUT_MULTIPLIER=5 \
        ${2:+env CK_RUN_CASE="$2"} "$PAYLOAD/programs/$1" >"$TEST_LOG" 2>&1 || code=$?
    kill "$journal"
    sed 's/\tbus\//\tvm-bus\//' "$results"
    if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
        grep -q '^fail' "$results" || report fail "$1" "ended with $code: $(tail -n 1 "$TEST_LOG")"
        grep -vE '^(pass|fail|skip)\t' "$TEST_LOG" | tail -n 40 | sed 's/^/# | /'
    fi
    echo "# $1: $((SECONDS - begin)) s"
    [ -s "$results" ] || report fail "$1" "said nothing and ended with $code: $(tail -n 1 "$TEST_LOG")"
}
