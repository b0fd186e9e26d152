#!/bin/sh
# Takes the proto as it stands into proto/frozen.binpb, the contract that later changes are held
# against. Refuses a proto that breaks what is frozen: clients in the field speak the frozen one.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

frozen=proto/frozen.binpb
if [ -e "$frozen" ]; then
    buf breaking --against "$frozen"
fi
# Without comments and positions: only what is on the wire and in generated names is frozen.
buf build --exclude-source-info -o "$frozen"
echo "frozen: $frozen"
