# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tiers of tools/check: one function each, and what it needs installed.

: "${top:?}" "${work:?}" "${jobs:?}" # set by tools/check

# tier_packages TIER …: the lists of tools/lib/packages that these tiers need, one a line.
tier_packages() {
    local tier

    printf '%s\n' build test
    for tier in "$@"; do
        printf '%s\n' "$tier"
    done
}

# The build that the tests run on unless they say otherwise.
build_default() {
    build default --enable-test-hooks CFLAGS="-g -O2"
}

tier_style() {
    local sources scripts

    cd "$work/source" || return 1
    mapfile -t sources < <(cd "$top" && list_sources . | tr '\0' '\n' | grep -E '\.[ch]$')
    mapfile -t scripts < <(cd "$top" && list_sources . | tr '\0' '\n' |
        grep -vE '\.(am|ac|in|[ch])$' | xargs grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' --)
    step style clang-format clang-format-14 --dry-run -Werror "${sources[@]}" || true
    step style shellcheck shellcheck -x -P SCRIPTDIR "${scripts[@]}" || true
}

tier_unit() {
    build_default || return 1
    run_tests unit default unit
}

tier_bus() {
    build_default || return 1
    run_tests bus default bus
}

# Unit and bus tier with AddressSanitizer and UndefinedBehaviorSanitizer. libcheck's process for each
# test would hide leaks from the unit tier's leak checker; what the helper leaks the rig reports.
tier_sanitizers() {
    build sanitizers --enable-test-hooks --enable-sanitizers CFLAGS="-g -O1" || return 1
    export CK_TIMEOUT_MULTIPLIER=4
    export LSAN_OPTIONS=suppressions=$work/source/tests/lsan.supp:print_suppressions=0
    CK_FORK=no run_tests sanitizers sanitizers unit
    run_tests sanitizers sanitizers bus
    unset CK_TIMEOUT_MULTIPLIER LSAN_OPTIONS
}

# Other ways to compile it: warnings differ, and code that relies on luck behaves otherwise.
tier_variants() {
    local level

    for level in -O0 -O3; do
        build "variant$level" CFLAGS="-g $level" || return 1
        run_tests variants "variant$level" unit
    done
}

# clang-tidy and cppcheck.
tier_lint() {
    analysis lint
}

tier_valgrind() {
    analysis valgrind
}

# The helper under ThreadSanitizer while the bus tier calls it.
tier_tsan() {
    analysis tsan
}

# Which lines of src the unit and bus tiers run, and the bar.
tier_coverage() {
    analysis coverage
}

# analysis SCRIPT: one of tests/analysis, which build below $work and report their tests themselves.
analysis() {
    BANGER_BUILD_ROOT=$work run_program "$1" "tests/analysis/$1" "$work/source/tests/analysis/$1"
}

# Each fuzz target for 30 s from its corpus, as many at once as there are processors. What it finds
# stays in build-check/fuzz.
tier_fuzz() {
    local target name

    build fuzz --disable-werror --enable-fuzzers CC=clang-14 CFLAGS="-g -O1" || return 1
    while read -r target; do
        name=${target##*/fuzz-}
        mkdir -p "$work/fuzz/found/$name"
        if [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; then
            wait -n || true
        fi
        (
            cd "$work/fuzz/found/$name" || exit 1
            options=(-max_total_time=30 -timeout=10 -rss_limit_mb=2048 -close_fd_mask=3)
            if [ -e "$work/source/tests/fuzz/${name%%-*}.dict" ]; then
                options+=(-dict="$work/source/tests/fuzz/${name%%-*}.dict")
            fi
            mkdir -p corpus
            step fuzz "$name" timeout 120 "$work/fuzz/$target" "${options[@]}" corpus \
                "$work/source/tests/fuzz/corpus/$name"
        ) &
    done < <(make -s --no-print-directory -C "$work/fuzz" list-tests-fuzz)
    wait || true
}

# Every file of the tree is in the tarball.
tarball_is_complete() {
    local tarball missing

    make -C "$work/default" dist || return 1
    tarball=$(echo "$work"/default/banger-helper-*.tar.xz)
    missing=$(comm -13 <(tar -tf "$tarball" | sed 's|^[^/]*/||' | sort) \
        <(list_sources "$top" | tr '\0' '\n' | grep -v '^\.gitignore$' | sort))
    if [ -n "$missing" ]; then
        echo "not in the tarball: $missing"
        return 1
    fi
}

tier_distcheck() {
    build_default || return 1
    step distcheck "the tarball is complete" tarball_is_complete || true
    step distcheck "make distcheck" make -C "$work/default" distcheck || true
}

# The installed package on a real Debian, in QEMU.
tier_vm() {
    build_default || return 1
    run_program vm tests/vm/run timeout 1800 "$top/tests/vm/run" --build "$work/default" \
        --log "$work/vm"
}
