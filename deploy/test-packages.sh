#!/bin/sh
# Installs what tests and lint need of the distribution, beyond what the service needs.
set -eu
cd "$(dirname "$0")/.."

# The agent is built against both C libraries, by both compilers, with sanitizers and a fuzzer.
# What is built for arm64 is run by an emulator.
# The tests unshare namespaces, ask libseccomp for numbers, speak REST with curl, and compose.
deploy/apt-install.sh \
    ca-certificates clang curl docker-compose gcc libc6-dev libclang-rt-dev libseccomp2 linux-libc-dev musl-tools \
    procps qemu-user shellcheck util-linux

# The client of the engine is part of docker.io in Debian 12, and a package of its own later.
if ! command -v docker >/dev/null; then
    deploy/apt-install.sh "$(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli || echo docker.io)"
fi
