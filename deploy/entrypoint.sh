#!/bin/sh
# Starts the service in its container, with no more rights than the engine's socket asks for.
#
# The group that may use the socket has another number on every host, so it is looked up here: as root
# for this one purpose, after which nothing of root is left. `docker run --user UID --group-add GID`
# does the same by hand, and then nothing is changed here.
# shellcheck disable=SC2086  # $unprivileged is a list of words
set -eu
user=65532 # executor; as a rule no host has a user of this number

[ "$(id -u)" -eq 0 ] || exec code-executor "$@"

address=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${address#unix://}
groups=--clear-groups
[ ! -S "$socket" ] || groups=--groups=$(stat -L -c %g "$socket")
unprivileged="setpriv --reuid=$user --regid=$user $groups --inh-caps=-all --bounding-set=-all --no-new-privs"

if [ "$socket" = "$address" ]; then
    : # an engine elsewhere, over TCP, asks for no group
elif [ ! -S "$socket" ]; then
    echo "code-executor: no engine's socket at $socket; mount it: -v /var/run/docker.sock:$socket" >&2
elif ! $unprivileged test -w "$socket"; then
    echo "code-executor: only root may use $socket, so the service stays root in its container." \
        "To change that, on the host: chgrp docker $socket && chmod g+rw $socket" >&2
    exec code-executor "$@"
fi
exec $unprivileged code-executor "$@"
