#!/bin/sh
# Installs the system tools of the flow from Debian's packages, or says what to install by hand.
# Usage: install_tools.sh PYTHON    Does nothing, quickly, when everything is there.
set -u
python=${1:-python3}

command -v "$python" >/dev/null 2>&1 || {
    echo "missing: python3 (3.11 or newer); on Debian: apt-get install python3" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "missing: $python is older than 3.11; give another with make PYTHON=python3.11" >&2
    exit 1
}

# Each missing tool is a line "what|Debian package".
missing=""
need() { missing="$missing$1|$2
"; }
command -v sta >/dev/null 2>&1 || need "sta (OpenSTA)" opensta
# The cells of platform osu018, which the tests take through the flow.
{ [ -n "${PEFORGE_QFLOW:-}" ] || [ -e /usr/share/qflow/tech/osu018/osu018_stdcells.lib ]; } ||
    need "cells of platform osu018" qflow-tech-osu018
command -v iverilog >/dev/null 2>&1 || need "iverilog (Icarus Verilog)" iverilog
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || need "venv module of $python" "python$version-venv"
# The simulator loads Python as a shared library.
"$python" - <<'EOF' || need "shared libpython of $python" "libpython$version"
import ctypes.util, pathlib, sys, sysconfig
name = sysconfig.get_config_var("INSTSONAME") or ""
folders = [sysconfig.get_config_var("LIBDIR"), "/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or "")]
if name.endswith(".a"):
    name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
sys.exit(not any(pathlib.Path(f or "/", name).exists() for f in folders))
EOF

[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    packages=$(printf '%s' "$missing" | cut -d'|' -f2 | tr '\n' ' ')
    echo "installing $packages"
    if [ -z "$sudo" ] || command -v sudo >/dev/null 2>&1; then
        # shellcheck disable=SC2086 # a list of packages
        { $sudo apt-get update -qq &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages; } >/dev/null && exit 0
    fi
fi
printf '%s' "$missing" | while IFS='|' read -r what package; do
    echo "missing: $what; install Debian's package $package, or its like on this system" >&2
done
exit 1
