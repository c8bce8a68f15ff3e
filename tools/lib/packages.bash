# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what tools/lib/packages lists.

: "${top:?}" # the tree, set by tools/check and tools/demo

# choose_package NAME …: prints the first of these that this Debian has.
choose_package() {
    local name

    for name in "$@"; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "This Debian has no $*: tests that need it are skipped" >&2
}

# missing_packages LIST …: the lines of these lists of which no package is installed, without " | ".
missing_packages() {
    local lists=" $* " list names name
    local -A installed=()

    while read -r name; do
        installed[$name]=yes
    done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
    while read -r list names; do
        if [[ $list == "#"* || -z $list || $lists != *" $list "* ]]; then
            continue
        fi
        names=${names//|/ }
        for name in $names; do
            if [ -n "${installed[$name]:-}" ]; then
                continue 2
            fi
        done
        echo "$names"
    done <"$top/tools/lib/packages"
}

# install_packages LIST …: the packages of these lists that are not installed yet.
install_packages() {
    local lines line name chosen=()

    mapfile -t lines < <(missing_packages "$@")
    if [ ${#lines[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "These packages are missing, and installing them takes root: ${lines[*]}" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    for line in "${lines[@]}"; do
        # shellcheck disable=SC2086 # names without blanks
        name=$(choose_package $line)
        if [ -n "$name" ]; then
            chosen+=("$name")
        fi
    done
    if [ ${#chosen[@]} -eq 0 ]; then
        return
    fi
    echo "Installing ${chosen[*]}"
    without_starting_services install_chosen "${chosen[@]}"
}

install_chosen() {
    apt-get -qq install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
        apt-get install -y --no-install-recommends "$@"
}

# without_starting_services COMMAND …: firewalld, ufw and NetworkManager are wanted for their programs, and
# must not take over the network of the machine that runs the tests (policy-rc.d of Debian's invoke-rc.d).
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d

    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    (
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        "$@"
    )
}
