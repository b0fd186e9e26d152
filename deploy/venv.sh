#!/bin/sh
# Makes .venv: every locked dependency by its hash, and both packages of this repository, editable.
#
# PYTHON names the interpreter to make it with. Without it, or where that one is too old, the newest
# suitable one of the PATH is taken.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
supported='import sys; sys.exit(sys.version_info < (3, 11))'

suitable_python() {
    for name in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c "$supported" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "Python 3.11 or later is needed; found: $("${PYTHON:-python3}" --version 2>&1 || true)." \
        "Install it, or name it: make PYTHON=/path/to/python3.11" >&2
    return 1
}

make_venv() {
    python=$(suitable_python)
    echo "Making $venv with $python, $("$python" --version)" >&2
    # Debian's Python comes without the module that puts pip into a virtual environment.
    "$python" -c 'import ensurepip' 2>/dev/null || deploy/apt-install.sh python3-venv
    "$python" -m venv --clear "$venv"
}

# What an interrupted attempt left, or a checkout that has moved, cannot be built on.
usable() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && "$venv/bin/python" -c "$supported"
}
usable || make_venv

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"
}
echo "Installing the dependencies ..." >&2
pip install --require-hashes -r requirements.lock
pip install --no-deps --no-build-isolation -e client_sdk -e .
pip check
touch "$venv/.installed"
