#!/bin/sh
# Locks the dependencies, each file by its hash: all of them in requirements.lock, and in
# deploy/requirements.lock the part that the service needs by itself, for its container image.
# Pins stay as they are unless pyproject.toml forbids them; `lock.sh --upgrade` moves them.
set -eu
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-header --no-annotate --no-emit-package code-executor-client "$@"
}

compile --extra dev --output-file requirements.lock "$@"
compile --constraint requirements.lock --output-file deploy/requirements.lock
