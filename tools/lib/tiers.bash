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
        case $tier in
        trixie) printf '%s\n' vm ;;
        *) printf '%s\n' "$tier" ;;
        esac
    done
}

# The build that the tests run on unless they say otherwise, for where a package would put it.
build_default() {
    build default --prefix=/usr --sysconfdir=/etc --localstatedir=/var --enable-test-hooks CFLAGS="-g -O2"
}

# The tiers that share the machine: prepare_TIER, if there is one, builds what it runs, list_TIER names its
# jobs, one a line, and run_TIER runs one of them, in a process of its own.

list_style() {
    printf '%s\n' clang-format shellcheck
}

run_style() {
    cd "$work/source" || return 1
    case $1 in
    clang-format) check_format ;;
    shellcheck) check_scripts ;;
    esac
}

# Every version formats a little differently.
check_format() {
    if ! command -v clang-format-14 >/dev/null; then
        record skip style clang-format "clang-format-14 is not installed"
        return 0
    fi
    # shellcheck disable=SC2046 # names without spaces
    step style clang-format clang-format-14 --dry-run -Werror $(list_sources "$top" | grep -E '\.[ch]$') || true
}

# Scripts that are as they were when this shellcheck found nothing are not looked at again.
check_scripts() {
    local scripts found_nothing=$work/shellcheck.found-nothing now

    mapfile -t scripts < <(cd "$top" && list_sources . |
        grep -vE '\.(am|ac|in|[ch])$' | xargs grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell' --)
    now=$(shellcheck --version && sha256sum -- "${scripts[@]}") || now=
    if [ -n "$now" ] && [ "$now" = "$(cat "$found_nothing" 2>/dev/null)" ]; then
        step style shellcheck true
    elif step style shellcheck shellcheck -x -P SCRIPTDIR "${scripts[@]}"; then
        printf '%s\n' "$now" >"$found_nothing"
    fi
}

# run_analysis TIER JOB: one of tests/analysis, which build below $work and report their tests themselves.
run_analysis() {
    BANGER_BUILD_ROOT=$work run_program "$1" "$2" "$work/source/$2"
}

# clang-tidy and cppcheck.
list_lint() {
    echo tests/analysis/lint
}

run_lint() {
    run_analysis lint "$1"
}

prepare_unit() {
    build_default
}

list_unit() {
    list_programs default unit
}

run_unit() {
    run_test unit "$1" default "$1"
}

prepare_bus() {
    build_default
}

list_bus() {
    list_programs default bus
}

run_bus() {
    run_test bus "$1" default "$1"
}

# Under a systemd of its own. The quick check has a shorter campaign.
prepare_container() {
    build_default
}

list_container() {
    echo tests/container/run
}

run_container() {
    local settings=()

    if ${quick:-false}; then
        settings=(--set BANGER_CAMPAIGN_CALLS=150)
    fi
    run_program container "$1" timeout 1500 "$work/source/$1" --build "$work/default" \
        --log "$work/container-log" "${settings[@]}"
}

# Unit and bus tier with AddressSanitizer and UndefinedBehaviorSanitizer. libcheck's process for each
# test would hide leaks from the unit tier's leak checker; what the helper leaks the rig reports.
prepare_sanitizers() {
    build sanitizers --enable-test-hooks --enable-sanitizers CFLAGS="-g -O1"
}

list_sanitizers() {
    list_programs sanitizers unit && list_programs sanitizers bus
}

run_sanitizers() {
    export CK_TIMEOUT_MULTIPLIER=8
    export LSAN_OPTIONS=suppressions=$work/source/tests/lsan.supp:print_suppressions=0
    case $1 in
    tests/unit/*) export CK_FORK=no ;;
    esac
    run_test sanitizers "$1" sanitizers "$1"
}

# The helper under ThreadSanitizer while the bus tier calls it.
list_tsan() {
    echo tests/analysis/tsan
}

run_tsan() {
    run_analysis tsan "$1"
}

# Other ways to compile it: warnings differ, and code that relies on luck behaves otherwise.
prepare_variants() {
    local level

    for level in -O0 -O3; do
        build "variant$level" CFLAGS="-g $level" || return 1
    done
}

list_variants() {
    local level

    for level in -O0 -O3; do
        list_programs "variant$level" unit | sed "s|^|variant$level/|" || return 1
    done
}

run_variants() {
    run_test variants "$1" "${1%%/*}" "${1#*/}"
}

list_valgrind() {
    echo tests/analysis/valgrind
}

run_valgrind() {
    run_analysis valgrind "$1"
}

# Which lines of src the unit and bus tiers run, and the bar.
list_coverage() {
    echo tests/analysis/coverage
}

run_coverage() {
    run_analysis coverage "$1"
}

# Every file of the tree is in the tarball.
tarball_is_complete() {
    local tarball missing

    make -C "$work/default" dist || return 1
    tarball=$(echo "$work"/default/banger-helper-*.tar.xz)
    missing=$(comm -13 <(tar -tf "$tarball" | sed 's|^[^/]*/||' | sort) \
        <(list_sources "$top" | grep -v '^\.gitignore$' | sort))
    if [ -n "$missing" ]; then
        echo "not in the tarball: $missing"
        return 1
    fi
}

prepare_distcheck() {
    build_default
}

list_distcheck() {
    echo tarball
}

run_distcheck() {
    export CK_TIMEOUT_MULTIPLIER=8
    step distcheck "the tarball is complete" tarball_is_complete || true
    step distcheck "make distcheck" make -C "$work/default" distcheck || true
}

# The tarball, the Debian package and the RPM, made, installed and removed; needs no build of ours.
list_package() {
    echo tests/package
}

run_package() {
    run_program package "$1/run" timeout 1800 "$work/source/$1/run" --log "$work/package-log" --keep "$work/packages"
    run_program package "$1/install" timeout 900 "$top/$1/install" --log "$work/package-log" "$work/packages"
}

# The page of Cockpit in a real browser.
prepare_web() {
    build_default
}

list_web() {
    echo tests/web/run
}

run_web() {
    run_program web "$1" timeout 900 "$work/source/$1" --build "$work/default" --log "$work/web-log"
}

# The others have the machine for themselves, one after the other.

# Each fuzz target for 30 s from its corpus, as many at once as there are processors. What it finds
# stays in build-check/fuzz.
tier_fuzz() {
    local target name

    build_targets=tests-fuzz build fuzz --disable-werror --enable-fuzzers CC="$(command -v clang-14 || echo clang)" CFLAGS="-g -O1" || return 1
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

# The installed package on a real Debian, in QEMU: the one that the tier package has made, if it ran.
tier_vm() {
    local packages=()

    build_default || return 1
    if is_one_of package "${chosen[@]:-}"; then
        packages=(--packages "$work/packages")
    fi
    run_alone vm tests/vm/run timeout 2300 "$top/tests/vm/run" --build "$work/default" "${packages[@]}" --log "$work/vm"
}

# What README says to a reader, on a Debian 13 with nothing on it; and the installed package on that, in QEMU.
tier_trixie() {
    build_default || return 1
    run_alone trixie tests/package/fresh timeout 2400 "$top/tests/package/fresh" --log "$work/trixie-log" trixie
    run_alone trixie tests/vm/run timeout 2300 "$top/tests/vm/run" --suite trixie --build "$work/default" \
        --log "$work/trixie"
}
