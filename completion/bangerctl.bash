# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of bangerctl(1) for bash, with the names that the host has.

# The first column of "bangerctl KIND".
_bangerctl_names() {
    local name rest
    bangerctl --no-ask-password --no-legend "$@" 2>/dev/null | while read -r name rest; do
        printf '%s\n' "$name"
    done
}

_bangerctl_methods() {
    local name kind rest
    busctl --no-legend introspect org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1 \
        2>/dev/null | while read -r name kind rest; do
        [[ $kind == method ]] && printf '%s\n' "${name#.}"
    done
}

_bangerctl() {
    local commands='list status show watch run destroy stop kill logs console bridges taps snapshots
        nat forward read write check gc doctor trace metrics call'
    local options='--help --host --machine --json --no-legend --no-pager --no-ask-password --property
        --signal --timeout --repair --follow --dry-run --remove-cow --keep --remove --output --version'
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' position=0 i words=''

    # An = is an element of its own.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -H | -M | -p | -s | -t | -o | --host | --machine | --property | --signal | --timeout | --keep | --remove | --output)
                [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
                ((i++))
                ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((position++)); fi ;;
        esac
    done
    COMPREPLY=()
    case $prev in
        -p | --property) words='Id State Leader Unit Since OpId CreatorUID Tap Bridge Snapshot GuestIps ApiSocket VsockPath MemoryCurrent CpuUsageUsec' ;;
        -s | --signal) words='TERM KILL INT HUP USR1 USR2 STOP CONT' ;;
        -H | --host) words=$(compgen -A hostname -- "$cur") ;;
        -M | --machine) words=$(machinectl --no-legend --no-pager list 2>/dev/null | while read -r i _; do printf '%s\n' "$i"; done) ;;
        --keep | --remove) words=$(_bangerctl_names list; _bangerctl_names taps; _bangerctl_names snapshots) ;;
        -t | --timeout) return ;;
        -o | --output) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        *)
            if [[ $cur == -* ]]; then
                words=$options
            elif [[ -z $command ]]; then
                words=$commands
            else
                case $command:$position in
                    status:0 | show:0 | stop:0 | kill:0 | logs:0 | console:0) words=$(_bangerctl_names list) ;;
                    destroy:0)
                        words=$(_bangerctl_names list)
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; compgen -f -X '!*.machine' -- "$cur")
                        return
                        ;;
                    run:0 | read:0 | write:0 | check:0)
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                        return
                        ;;
                    nat:1) words=$(_bangerctl_names taps) ;;
                    nat:2 | forward:4) words='on off' ;;
                    forward:0) words='tcp udp' ;;
                    call:0) words=$(_bangerctl_methods) ;;
                esac
            fi
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _bangerctl bangerctl
