# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the scripts of tests/analysis. Each is run by tools/check, or by hand from anywhere;
# each takes no arguments, configures the build it needs in a folder of its own below
# $BANGER_BUILD_ROOT (the source folder's build-* otherwise) and reports one line a test to the file
# that $BANGER_TEST_RESULTS names, as tests/lib/harness.h says. Exits 1 if something failed.
# shellcheck shell=bash
set -u
# shellcheck disable=SC2034 # used by the scripts that source this one
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build_root=${BANGER_BUILD_ROOT:-$source_dir}
program=analysis/$(basename "$0")
failed=0

# report pass|fail|skip TEST MESSAGE
# shellcheck disable=SC2034 # $failed is what the scripts exit with
report() {
    local message=${3:-}
    message=$(printf %s "$message" | tr '\t\n\r' '   ' | cut -c1-400)
    [ "$1" != fail ] || failed=1
    if [ "$1" = pass ]; then
        echo "$program: $2: pass${message:+: $message}"
    else
        echo "$program: $2: $1: $message" >&2
    fi
    [ -z "${BANGER_TEST_RESULTS:-}" ] ||
        printf '%s\t%s\t%s\t%s\n' "$1" "$program" "$2" "$message" >>"$BANGER_TEST_RESULTS"
}

# need TEST PROGRAM…: skips TEST and ends the script if a program is not installed
need() {
    local test=$1 one
    shift
    for one in "$@"; do
        command -v "$one" >/dev/null && continue
        report skip "$test" "$one is not installed"
        exit 0
    done
}

# build NAME CONFIGURE-ARGUMENT…: sets $build to build-NAME, configured and made with the test
# programs; ends the script if that fails
build() {
    local name=$1 log
    shift
    build=$build_root/build-$name
    log=$build/analysis.log
    mkdir -p "$build"
    if ! (
        { [ -x "$source_dir/configure" ] || (cd "$source_dir" && ./autogen.sh); } &&
            cd "$build" &&
            { [ -f config.status ] || "$source_dir/configure" --enable-test-hooks "$@"; } &&
            for target in "${make_targets[@]}"; do
                make -s -j"$(nproc)" "$target" TESTS= || exit 1
            done
    ) >"$log" 2>&1; then
        tail -20 "$log" >&2
        report fail build "build-$name cannot be built: see $log"
        exit 1
    fi
    cd "$source_dir" || exit 1
}
# What is made: the programs, and with `check` and no TESTS the test programs.
make_targets=(all check)
