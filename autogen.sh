#!/bin/sh
# Makes ./configure from configure.ac. Run it once after a checkout; see HACKING.md.
set -eu
cd "$(dirname "$0")"
exec autoreconf --force --install --warnings=all
