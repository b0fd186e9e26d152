#!/bin/sh
# Generates the one Python copy of the proto, into the SDK. Running it twice changes no byte.
#
# The virtual path makes the Python path equal to the proto package, so that no import needs to be
# rewritten: code_executor/v1/executor.proto -> code_executor.v1.executor_pb2.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
out=client_sdk/src
PATH="$(dirname "$python"):$PATH" "$python" -m grpc_tools.protoc \
    -I code_executor/v1=proto \
    --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" \
    code_executor/v1/executor.proto
