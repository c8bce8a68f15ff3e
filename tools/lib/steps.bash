# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tiers are made of.

: "${top:?}" "${work:?}" "${jobs:?}" "${results:?}" # set by tools/check

# root reads a tree that is somebody else's, which git refuses unless it is told.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

is_one_of() {
    local wanted=$1 word

    shift
    for word in "$@"; do
        if [ "$word" = "$wanted" ]; then
            return 0
        fi
    done
    return 1
}

headline() {
    printf '\n==== %s\n' "$1"
}

# record OUTCOME PROGRAM TEST MESSAGE: a line of the results, as tests/lib/harness.h has them.
record() {
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$results"
    if [ "$1" != pass ]; then
        printf '%s\t%s\t%s\t%s\n' "$@"
    fi
}

# step TIER NAME COMMAND …: runs COMMAND as one test; what it says is shown only if it fails.
step() {
    local tier=$1 name=$2 log status=0

    shift 2
    log=$work/log.$tier.${name//[^A-Za-z0-9]/-}
    "$@" >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        echo "$tier: $name"
        record pass "$tier" "$name" ""
        return 0
    fi
    tail -n 60 "$log"
    record fail "$tier" "$name" "exit status $status, see $log"
    return 1
}

# The files of the tree: what git knows or would take, or all of an unpacked tarball.
list_sources() {
    if git -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$1" ls-files -z --cached --others --exclude-standard
    else
        (cd "$1" && find . -name 'build*' -prune -o -type f -print0)
    fi
}

# copy_sources FROM TO: the builds' own copy, since autoreconf writes next to configure.ac.
copy_sources() {
    mkdir -p "$2"
    list_sources "$1" |
        (cd "$1" && while IFS= read -r -d '' file; do
            if [ -e "$file" ]; then
                printf '%s\0' "$file"
            fi
        done | tar --null -T - -cf - | tar -xf - -C "$2" --keep-newer-files 2>/dev/null)
}

# build NAME OPTION …: configures and makes $work/NAME with everything that is tested.
build() {
    local name=$1

    shift
    if [ ! -e "$work/source/configure" ] ||
        [ "$work/source/configure.ac" -nt "$work/source/configure" ]; then
        step build autogen "$work/source/autogen.sh" || return 1
    fi
    mkdir -p "$work/$name"
    (
        cd "$work/$name" || exit 1
        if [ ! -e config.status ] || [ "$(cat options 2>/dev/null)" != "$*" ]; then
            step build "$name: configure" ../source/configure --enable-werror "$@" || exit 1
            echo "$*" >options
        fi
        step build "$name: make" make -j"$jobs" || exit 1
        step build "$name: make tests" make -j"$jobs" check TESTS= || exit 1
    )
}

# run_program TIER PROGRAM COMMAND …: a test program that reports its tests itself. A program that
# ends badly without having reported a failure has failed.
run_program() {
    local tier=$1 program=$2 before after status=0

    shift 2
    before=$(grep -c '^fail' "$results" || true)
    timeout --kill-after=10 2000 "$@" 2>"$work/stderr" || status=$?
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        cat "$work/stderr"
        after=$(grep -c '^fail' "$results" || true)
        if [ "$after" -eq "$before" ]; then
            record fail "$tier/$program" - "exit status $status"
        fi
    fi
}

# run_tests TIER BUILD LIST [COMMAND …]: the programs that `make list-tests-LIST` names, each by
# COMMAND.
run_tests() {
    local tier=$1 build=$2 list=$3 program

    shift 3
    while read -r program; do
        (cd "$work/$build" && run_program "$tier" "$program" "$@" "./$program")
    done < <(make -s --no-print-directory -C "$work/$build" "list-tests-$list")
}

# The results without those skipped cases of the bus tier that passed in the VM, where it runs as "vm-bus/…", and
# the other way round: what needs device-mapper is skipped where the kernel has none.
settled_results() {
    awk -F'\t' '
        { other = $2 ~ /^vm-/ ? substr($2, 4) : "vm-" $2 }
        NR == FNR { if ($1 == "pass") passed[$2 FS $3] = 1; next }
        $1 != "skip" || !((other FS $3) in passed)' "$results" "$results"
}

# Adds up the results; the last line of tools/check. Succeeds if nothing failed and something ran.
closing_line() {
    local settled passed failed skipped

    settled=$(settled_results)
    passed=$(grep -c '^pass' <<<"$settled" || true)
    failed=$(grep -c '^fail' <<<"$settled" || true)
    skipped=$(grep -c '^skip' <<<"$settled" || true)
    grep -E '^(fail|skip)' <<<"$settled" | sort | uniq -c || true
    settled=$(($(wc -l <"$results") - passed - failed - skipped))
    [ "$settled" -eq 0 ] || echo "$settled skipped in the rig or in the VM passed in the other one"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
