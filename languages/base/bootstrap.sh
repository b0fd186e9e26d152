#!/bin/sh
# Writes the root file system of a minimal Debian as a tar to standard output.
#
#   bootstrap.sh CODENAME [COMPONENT]...              e.g.  bootstrap.sh trixie main
#   bootstrap.sh --sources CODENAME [COMPONENT]...    only print the package sources that it would use
#
# It stands in for the official slim image where no registry answers. It needs mmdebstrap and root,
# and installs nothing on the host: who calls it sees to that.
#
# Packages come from where the host's own come from: on Debian each source of the host's release is
# asked for CODENAME instead, anywhere else deb.debian.org is asked. Sources of other projects and of
# other releases are left out. A proxy that apt knows is used and does not stay in the image.
set -eu

only_sources=''
[ "${1:-}" != --sources ] || { only_sources=1; shift; }
[ $# -ge 1 ] || { echo "usage: $0 [--sources] CODENAME [COMPONENT]..." >&2; exit 2; }
codename=$1
shift
components=${*:-main}

# "URI RELEASE" of each source of the host's own Debian release, as apt itself understands its
# configuration (one-line and deb822 alike).
host_sources() {
    [ -r /etc/os-release ] && command -v apt-get >/dev/null || return 0
    (
        ID='' VERSION_CODENAME=''
        . /etc/os-release
        [ "$ID" = debian ] && [ -n "$VERSION_CODENAME" ] || exit 0
        apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u |
            while read -r uri release; do
                case $release in
                "$VERSION_CODENAME" | "$VERSION_CODENAME"-updates | "$VERSION_CODENAME"-security)
                    echo "$uri $codename${release#"$VERSION_CODENAME"}"
                    ;;
                esac
            done
    )
}

standard_sources() {
    echo "http://deb.debian.org/debian $codename"
    echo "http://deb.debian.org/debian $codename-updates"
    echo "http://deb.debian.org/debian-security $codename-security"
}

# The proxy of apt.conf under the name that every program understands; an own setting of the
# environment wins, as it does for apt.
apt_proxy() {
    command -v apt-config >/dev/null || return 0
    eval "$(apt-config shell proxy "Acquire::$1::Proxy")"
    echo "${proxy:-}"
}

http_proxy=${http_proxy:-$(apt_proxy http)}
https_proxy=${https_proxy:-$(apt_proxy https)}
export http_proxy https_proxy

# A mirror that is frozen in time has expired index files; only the host knows that it uses one.
freshness_options() {
    command -v apt-config >/dev/null || return 0
    apt-config dump | grep -E '^Acquire::Check-(Valid-Until|Date) ' || true
}

sources=$(host_sources)
[ -n "$sources" ] || sources=$(standard_sources)
sources=$(echo "$sources" | sed "s|^|deb |; s|\$| $components|")
[ -z "$only_sources" ] || { echo "$sources"; exit 0; }

command -v mmdebstrap >/dev/null || {
    echo "mmdebstrap is missing: install the package mmdebstrap, or pull the base image" >&2
    exit 3
}

set -- --variant=minbase --quiet
for path in doc man locale; do
    set -- "$@" "--dpkgopt=path-exclude=/usr/share/$path/*"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keyring ] && set -- "$@" "--keyring=$keyring"
case $sources in *https://*) set -- "$@" --include=ca-certificates ;; esac
options=$(freshness_options)
[ -z "$options" ] || set -- "$@" "--aptopt=$options"

echo "$sources" | mmdebstrap "$@" --format=tar "$codename" - -
