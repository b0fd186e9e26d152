#!/bin/sh
# Generates the one Python copy of the proto, into the SDK, and the contract as data (comments and HTTP
# rules), for the gateway. Running it twice changes no byte.
#
#   proto/generate.sh          writes into this checkout
#   proto/generate.sh FOLDER   writes the same tree below FOLDER (check.sh compares it)
#
# The virtual path makes the Python path equal to the proto package, so that no import needs to be
# rewritten: code_executor/v1/executor.proto -> code_executor.v1.executor_pb2.
set -eu
root=$(mkdir -p "${1:-$(dirname "$0")/..}" && cd "${1:-$(dirname "$0")/..}" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
PATH="$(dirname "$python"):$PATH"

sdk=$root/client_sdk/src
contract=$root/gateway/executor.binpb
mkdir -p "$sdk" "$root/gateway"
"$python" -m grpc_tools.protoc \
    -I code_executor/v1=proto \
    --python_out="$sdk" --grpc_python_out="$sdk" --mypy_out="quiet:$sdk" --mypy_grpc_out="quiet:$sdk" \
    --include_source_info --descriptor_set_out="$contract" \
    code_executor/v1/executor.proto
"$python" proto/annotate.py "$contract" proto/executor_http.yaml "$contract"
