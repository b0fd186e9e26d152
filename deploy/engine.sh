#!/bin/sh
# Sees to it that a container engine answers where the service will look for it.
#
#   engine.sh [FLAGS]        the flags are those of code-executor, which may name another engine
#
# Where nothing answers at the default address and this is a Debian or Ubuntu with root, it installs
# docker.io if need be and starts it; anywhere else it says what to do and fails.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
default=unix:///var/run/docker.sock
seconds_to_start=90

# What flags, environment and file come to is for the service to say; it names what it refuses.
settings=$(.venv/bin/code-executor settings "$@")
setting() {
    echo "$settings" | awk -v name="$1" '$1 == name && NF == 3 { print $2 }'
}
DOCKER_HOST=$(setting docker_host)
DOCKER_CERT_PATH=$(setting docker_cert_path)
# A gateway alone needs no engine, and neither does --help.
[ "$(setting mode)" != http ] && [ -n "$DOCKER_HOST" ] || exit 0
export DOCKER_HOST DOCKER_CERT_PATH

answers() {
    answer=$(.venv/bin/python deploy/engine_answers.py)
}

fail() {
    echo "No container engine answers at $DOCKER_HOST: $answer" >&2
    echo "$1" >&2
    exit 1
}

running() {
    [ -r /var/run/docker.pid ] && kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null
}

install_engine() {
    command -v dockerd >/dev/null || deploy/apt-install.sh docker.io
}

# Says where to look if it does not come up, and how to stop it.
start_engine() {
    if [ -d /run/systemd/system ]; then
        systemctl start docker
        log='journalctl -u docker' stop='systemctl stop docker'
    else
        log=/var/log/dockerd.log
        setsid nohup dockerd >>"$log" 2>&1 </dev/null &
        stop="kill \$(cat /var/run/docker.pid)"
    fi
}

wait_for_engine() {
    since=$(date +%s)
    until answers; do
        if [ $(($(date +%s) - since)) -gt $seconds_to_start ]; then
            [ ! -f "$log" ] || tail -n 20 "$log" >&2
            fail "It was started and did not answer within $seconds_to_start s; its log: $log"
        fi
        sleep 1
    done
}

if answers; then
    echo "Engine $answer at $DOCKER_HOST" >&2
    exit 0
fi
socket=${DOCKER_HOST#unix://}
if [ -S "$socket" ] && [ ! -w "$socket" ]; then
    fail "This user may not use it: add the user to the group of $socket ('usermod -aG docker $(id -un)' as root, then log in again), or run as root."
elif [ "$DOCKER_HOST" != "$default" ]; then
    fail "Start the engine there, or correct DOCKER_HOST."
elif ! command -v dockerd >/dev/null && ! command -v apt-get >/dev/null; then
    fail "Install Docker Engine 20.10 or later and start it."
elif [ "$(id -u)" -ne 0 ]; then
    fail "As root: 'apt-get install docker.io' where it is missing, then 'systemctl start docker' (or 'dockerd')."
fi

install_engine
log=/var/log/dockerd.log stop="kill \$(cat /var/run/docker.pid)"
# Its package may have started it, and one that is just coming up must not meet a second one.
answers || running || start_engine
wait_for_engine
echo "Started engine $answer at $DOCKER_HOST; it stays when this ends. To stop it: $stop" >&2
