#!/bin/sh
# Installs those of the named Debian packages that are missing. Without root or apt it changes nothing
# and says what to install.
set -eu

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in "$@"; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Needed and not found:$missing. They are packages of Debian: install what this system has for them." >&2
    exit 1
elif [ "$(id -u)" -ne 0 ]; then
    echo "Packages are missing. As root: apt-get install$missing" >&2
    exit 1
fi

install() {
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing >"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing$missing ..." >&2
# The lists of packages may be missing or old.
if ! install && ! { apt-get update >"$log" 2>&1 && install; }; then
    cat "$log" >&2
    echo "apt-get could not install$missing; its words are above" >&2
    exit 1
fi
