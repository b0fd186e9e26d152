#!/bin/bash
# Runs the tests with coverage of every process, and prints both; the arguments are pytest's.
# A test that is skipped has proved nothing, so it fails the run.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.tools/bin:$PWD/.venv/bin:$PATH"
mkdir -p .build
log=.build/pytest.log

coverage erase
status=0
coverage run -m pytest "$@" 2>&1 | tee "$log" || status=$?
coverage combine --quiet || status=1
coverage report || status=1

closing=$(tail -n 1 "$log")
echo "$closing"
if [[ $closing =~ [0-9]+\ (skipped|xfailed) ]]; then
    echo "Tests were skipped: their lines above say why. Provide what they need." >&2
    status=1
fi
exit "$status"
