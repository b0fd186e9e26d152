#!/bin/sh
# Runs every check that needs no engine, all of them even if one fails.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
failed=

check() {
    echo "lint: $*"
    "$@" || failed=1
}

check ruff check .
check ruff format --check .
check mypy
check mypy deploy
check env PYTHON=.venv/bin/python proto/check.sh
check make -C agent --no-print-directory lint
# shellcheck disable=SC2046  # none of these names has a blank
check shellcheck --severity=warning $(find .ci deploy proto languages -type f \( -name '*.sh' -o -name run \))

[ -z "$failed" ] || {
    echo "lint: failed, see above" >&2
    exit 1
}
echo "lint: clean"
