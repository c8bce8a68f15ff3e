# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tiers are made of.

: "${top:?}" "${work:?}" "${jobs:?}" "${results:?}" # set by tools/check

# Tests wait for most of their time.
jobs_per_processor=5

# For say_how_long.
declare -A usual_seconds=([style]=5 [lint]=80 [unit]=15 [bus]=220 [container]=35 [sanitizers]=280 [tsan]=75
    [variants]=65 [valgrind]=80 [coverage]=140 [fuzz]=150 [distcheck]=70 [package]=230 [web]=40 [vm]=1050 [trixie]=2300)

# root reads a tree that is another user's, which git refuses unless it is configured to accept it.
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

# say_how_long TIER …: what these will take, as the last time, or as on a machine of two processors that does
# nothing else and has nothing built yet.
say_how_long() {
    local tier seconds total=0 each=()

    for tier in "$@"; do
        seconds=$(cat "$work/seconds.$tier" 2>/dev/null || echo "${usual_seconds[$tier]}")
        total=$((total + seconds))
        each+=("$tier $seconds s,")
    done
    echo "This takes about $(((total + 59) / 60)) minutes: ${each[*]%,}"
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

# The files of the tree: what git knows or would take, or all of an unpacked tarball; one a line.
list_sources() {
    if git -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$1" -c core.quotePath=off ls-files --cached --others --exclude-standard |
            (cd "$1" && while IFS= read -r file; do
                if [ -e "$file" ]; then
                    printf '%s\n' "$file"
                fi
            done)
    else
        (cd "$1" && find . -name 'build*' -prune -o -type f -printf '%P\n')
    fi
}

# copy_sources FROM TO: the builds' own copy, since autoreconf writes next to configure.ac. Times are
# kept, so that only what changed is built again; what went from the tree goes from the copy.
copy_sources() {
    mkdir -p "$2"
    list_sources "$1" | sort >"$2.list.new"
    if [ -e "$2.list" ]; then
        comm -23 "$2.list" "$2.list.new" | (cd "$2" && xargs -r -d '\n' rm -f --)
    fi
    tar -C "$1" --verbatim-files-from -T "$2.list.new" -cf - | tar -C "$2" -xf -
    mv "$2.list.new" "$2.list"
}

# build NAME OPTION …: configures and makes $work/NAME with everything that is tested, or with $build_targets
# alone, unless that was done, or failed, a moment ago for another tier.
declare -A is_built=()
build() {
    local name=$1

    shift
    case ${is_built[$name]:-} in
    yes) return 0 ;;
    no) return 1 ;;
    esac
    is_built[$name]=no
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
        step build "$name: make" make -j"$jobs" "${build_targets:-check}" TESTS= || exit 1
    ) || return 1
    is_built[$name]=yes
}

# run_program TIER PROGRAM COMMAND …: a test program that reports its tests itself, one of several
# that run at once: its output is printed when it has ended, the closing lines only unless it failed.
run_program() {
    local tier=$1 program=$2 log=$work/log.$1/$2 status=0 begun=$SECONDS

    shift 2
    mkdir -p "${log%/*}"
    : >"$log.results"
    BANGER_TEST_RESULTS=$log.results timeout --kill-after=10 2000 "$@" >"$log" 2>&1 &
    # shellcheck disable=SC2064 # this program, not one that runs later
    trap "kill $!" TERM
    wait $! || status=$?
    trap - TERM
    (
        flock 9
        take_results "$tier/$program" "$log" "$status"
        if [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; then
            { grep -E ' passed, |: pass' "$log" || tail -n 1 "$log"; } | sed "s/^/$tier: /; s/\$/ ($((SECONDS - begun)) s)/"
        else
            tail -n 200 "$log"
        fi
    ) 9>>"$results"
}

# run_alone TIER PROGRAM COMMAND …: the same for one that has the machine for itself; its output is
# printed as it comes.
run_alone() {
    local program=$1/$2 log=$work/log.$1/$2 status=0 output tee

    shift 2
    mkdir -p "${log%/*}"
    : >"$log.results"
    exec {output}> >(tee "$log")
    tee=$!
    # In the background, for bash runs a trap only when what is in the foreground has ended.
    BANGER_TEST_RESULTS=$log.results timeout --kill-after=10 2400 "$@" >&"$output" 2>&1 &
    wait $! || status=$?
    exec {output}>&-
    wait "$tee" || true
    take_results "$program" "$log" "$status"
}

# take_results PROGRAM LOG STATUS: adds what it reported to the results. A program that ended badly
# without having reported a failure has failed.
take_results() {
    cat "$2.results" >>"$results"
    if [ "$3" -ne 0 ] && [ "$3" -ne 77 ] && ! grep -q '^fail' "$2.results"; then
        record fail "$1" - "exit status $3, see $2"
    fi
}

# list_programs BUILD LIST: the programs that `make list-tests-LIST` names.
list_programs() {
    make -s --no-print-directory -C "$work/$1" "list-tests-$2"
}

# run_test TIER JOB BUILD PROGRAM: one of those. It shares the machine, and may take longer than by itself.
run_test() {
    cd "$work/$3" || return 1
    export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-8}
    run_program "$1" "$2" "./$4"
}

# run_job TIER JOB: and how long it took, for the next time. What does not come to its end has failed.
run_job() {
    local seconds=$work/log.$1/$2.seconds begun=$SECONDS

    mkdir -p "${seconds%/*}"
    "run_$1" "$2" || record fail "$1" "$2" "it did not run to its end"
    echo $((SECONDS - begun)) >"$seconds"
}

# The jobs of these tiers, "TIER JOB" a line, those that took longest the last time first, so that none
# that takes long is begun last. Those that never ran come before them.
list_jobs() {
    local tier names job seconds

    for tier in "$@"; do
        names=$("list_$tier") || names=
        if [ -z "$names" ]; then
            record fail "$tier" - "what it consists of cannot be listed" >&2
            continue
        fi
        while read -r job; do
            seconds=$(cat "$work/log.$tier/$job.seconds" 2>/dev/null || echo 9999)
            printf '%s %s %s\n' "$seconds" "$tier" "$job"
        done <<<"$names"
    done | sort -s -k1,1nr | cut -d' ' -f2-
}

# run_side_by_side TIER …: the jobs of all of them together.
run_side_by_side() {
    local tier job running=0

    while read -r tier job; do
        if [ $((running += 1)) -gt $((jobs_per_processor * jobs)) ]; then
            wait -n || true
        fi
        run_job "$tier" "$job" &
    done < <(list_jobs "$@")
    wait
}

# run_tiers_together TIER …: built one after the other, then run side by side.
run_tiers_together() {
    local tier begun=$SECONDS ready=()

    headline "$*"
    for tier in "$@"; do
        if ! declare -F "prepare_$tier" >/dev/null || "prepare_$tier"; then
            ready+=("$tier")
        else
            record fail "$tier" - "it cannot be built"
        fi
    done
    [ ${#ready[@]} -eq 0 ] || run_side_by_side "${ready[@]}"
    echo "$*: $((SECONDS - begun)) s"
    share_seconds $((SECONDS - begun)) "${ready[@]}"
}

# share_seconds SECONDS TIER …: what each tier had of the SECONDS that they took together, by what its jobs
# took; for say_how_long.
share_seconds() {
    local total=$1 tier sum=0
    local -A took=()

    shift
    for tier in "$@"; do
        took[$tier]=$({ find "$work/log.$tier" -name '*.seconds' -exec cat {} + 2>/dev/null || true; } |
            awk '{ n += $1 } END { print n + 0 }')
        sum=$((sum + took[$tier]))
    done
    for tier in "$@"; do
        echo $((sum == 0 ? 0 : total * took[$tier] / sum)) >"$work/seconds.$tier"
    done
}

run_tier_alone() {
    local tier=$1 begun=$SECONDS

    headline "$tier"
    # A tier that ends half-way must not pass: what it did not reach would be missing unnoticed.
    "tier_$tier" || record fail "$tier" - "the tier did not run to its end"
    echo "$tier: $((SECONDS - begun)) s"
    echo $((SECONDS - begun)) >"$work/seconds.$tier"
}

# The results without those skipped cases of the bus tier that passed in the VM, where it runs as
# "vm-bus/…", and the other way round: what needs device-mapper is skipped where the kernel has none.
merged_results() {
    awk -F'\t' '
        { other = $2 ~ /^vm-/ ? substr($2, 4) : "vm-" $2 }
        NR == FNR { if ($1 == "pass") passed[$2 FS $3] = 1; next }
        $1 != "skip" || !((other FS $3) in passed)' "$results" "$results"
}

# run_group TIER …: those that run side by side, or one that has the machine for itself.
run_group() {
    if declare -F "tier_$1" >/dev/null; then
        run_tier_alone "$1"
    else
        run_tiers_together "$@"
    fi
}

# Adds up the results; the last line of tools/check. Succeeds if nothing failed and something ran.
closing_line() {
    local merged elsewhere passed failed skipped

    merged=$(merged_results)
    passed=$(grep -c '^pass' <<<"$merged" || true)
    failed=$(grep -c '^fail' <<<"$merged" || true)
    skipped=$(grep -c '^skip' <<<"$merged" || true)
    grep -E '^(fail|skip)' <<<"$merged" | sort | uniq -c || true
    elsewhere=$(($(wc -l <"$results") - passed - failed - skipped))
    [ "$elsewhere" -eq 0 ] || echo "$elsewhere skipped in the rig or in the VM passed in the other one"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
