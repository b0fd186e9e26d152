#!/bin/sh
# Fetches the dependencies of the service's image into .build/wheels, for the Python of that image and
# the machine of the engine, which need not be this one. The Dockerfile installs from there, for builds
# in which pip cannot reach its index. Every file is checked by its hash, here and there.
set -eu
cd "$(dirname "$0")/.."
python=313 # of debian:trixie-slim
wheels=.build/wheels

case $(docker version --format '{{.Server.Arch}}') in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*)
    echo "wheels: the image is made for amd64 and arm64; the engine of 'docker version' is neither" >&2
    exit 1
    ;;
esac

# A wheel is tagged with the oldest C library that it runs with; these are at most the image's.
set --
for tag in 2014 _2_17 _2_24 _2_26 _2_27 _2_28 _2_31 _2_34 _2_35 _2_39 _2_41; do
    set -- "$@" "--platform=manylinux${tag}_$machine"
done

rm -rf "$wheels"
mkdir -p "$wheels"
.venv/bin/python -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes \
    --requirement deploy/requirements.lock --dest "$wheels" --only-binary=:all: \
    --implementation=cp --python-version=$python --abi=cp$python --abi=abi3 --abi=none "$@"
