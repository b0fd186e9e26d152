# The service itself, as an image. It runs programs on the engine whose socket it is given:
#
#   docker build -t code-executor .
#   docker run -p 8080:8080 -p 50051:50051 -v /var/run/docker.sock:/var/run/docker.sock code-executor
#
# Flags go after the image's name. Ports and mode are better set by environment, where the health
# check sees them too: -e CODE_EXECUTOR_GRPC_PORT=6000.
#
# Where pip cannot reach its index from inside a build (a proxy with an authority of its own), have the
# host fetch the dependencies first: `make wheels`, then build; `make docker` does both.
FROM debian:trixie-slim AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM python AS build
LABEL code-executor.stage=build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-hatchling python3-pip
WORKDIR /build
# The pattern lets the folder be absent.
COPY deploy/requirements.lock .build/wheel[s] wheels/
RUN python3 -m venv --without-pip /opt/code-executor \
 && if ls wheels/*.whl >/dev/null 2>&1; then from="--no-index --find-links=wheels"; else from=""; fi \
 && pip --python /opt/code-executor/bin/python install --no-cache-dir --require-hashes $from \
        -r wheels/requirements.lock \
 || { echo "The dependencies could not be installed. Where pip reaches its index on the host only, run" \
        "'make wheels' there (anew after each change of deploy/requirements.lock), then build again." >&2; exit 1; }
COPY . source/
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist ./source/client_sdk ./source \
 && pip --python /opt/code-executor/bin/python install --no-deps --no-index dist/*.whl \
 && /opt/code-executor/bin/code-executor --version

FROM python
RUN useradd --uid 65532 --home-dir /var/lib/code-executor --create-home --shell /usr/sbin/nologin executor
COPY --from=build /opt/code-executor /opt/code-executor
COPY deploy/entrypoint.sh deploy/healthcheck.py /opt/code-executor/libexec/
# On all interfaces of the container: what is published of them is for its owner to say.
ENV PATH="/opt/code-executor/bin:$PATH" \
    HOME=/var/lib/code-executor \
    PYTHONUNBUFFERED=1 \
    CODE_EXECUTOR_HOST=0.0.0.0
EXPOSE 8080 50051
# Programs run as soon as the first language's image is there, which may have to be made.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15m --retries=3 \
    CMD ["python", "/opt/code-executor/libexec/healthcheck.py"]
ENTRYPOINT ["/opt/code-executor/libexec/entrypoint.sh"]
