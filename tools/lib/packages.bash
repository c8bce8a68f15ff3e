# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what tools/lib/packages lists.

: "${top:?}" # the tree, set by tools/check and tools/demo

# install_packages LIST …: the packages of these lists that are not installed yet.
install_packages() {
    local lists=" $* " list name missing=()

    while read -r list name; do
        if [[ $list == "#"* || -z $list || $lists != *" $list "* ]]; then
            continue
        fi
        if ! dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q "^install ok installed"; then
            missing+=("$name")
        fi
    done <"$top/tools/lib/packages"
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "These packages are missing, and installing them takes root: ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        apt-get install -y --no-install-recommends "${missing[@]}"
}
