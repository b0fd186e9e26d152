"""Options: what is refused, and what reaches the channel and the server."""

import json
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from code_executor import ClientOptions, TlsOptions, UnavailableError
from code_executor._channel import channel_arguments
from code_executor.service_config import service_config


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_attempts": 0}, "max_attempts is 0; expected 1 to 5"),
        ({"max_attempts": 6}, "max_attempts is 6; expected 1 to 5"),
        ({"max_message_bytes": 0}, "max_message_bytes is 0; expected more than 0"),
        ({"keepalive_seconds": 0}, "keepalive_seconds is 0; expected more than 0"),
        ({"queue_allowance_seconds": -1}, "queue_allowance_seconds is negative"),
        ({"compile_allowance_seconds": -1}, "compile_allowance_seconds is negative"),
        ({"metadata": [("X-Key", "a")]}, "'X-Key' must be in lower case"),
        ({"metadata": [("x-key", b"a")]}, "'x-key' has a bytes value"),
        ({"metadata": [("x-bin", "a")]}, "'x-bin' has a str value"),
    ],
)
def test_refuses(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ClientOptions(**options)


@pytest.mark.parametrize("half", [{"private_key": b"k"}, {"certificate_chain": b"c"}])
def test_a_client_certificate_has_two_halves(half: Any) -> None:
    with pytest.raises(ValueError, match="go together"):
        TlsOptions(**half)


def test_secrets_are_not_in_the_repr() -> None:
    tls = TlsOptions(private_key=b"secret", certificate_chain=b"c")
    assert "secret" not in repr(ClientOptions(tls=tls, metadata=[("x-key", "secret")]))


def test_channel_arguments() -> None:
    options = ClientOptions(
        max_message_bytes=1000, keepalive_seconds=1.5, tls=TlsOptions(server_name="name")
    )
    arguments = dict(channel_arguments(options, health_checked=True))
    assert arguments["grpc.max_send_message_length"] == 1000
    assert arguments["grpc.max_receive_message_length"] == 1000
    assert arguments["grpc.keepalive_time_ms"] == 1500
    assert arguments["grpc.ssl_target_name_override"] == "name"


def test_no_keepalive() -> None:
    arguments = dict(channel_arguments(ClientOptions(keepalive_seconds=None), health_checked=True))
    assert not [name for name in arguments if "keepalive" in name or "ping" in name]


def test_service_config_checks_health_for_programs_only() -> None:
    checked = json.loads(service_config(ClientOptions(), health_checked=True))
    assert checked["healthCheckConfig"] == {"serviceName": ""}
    unchecked = json.loads(service_config(ClientOptions(), health_checked=False))
    assert "healthCheckConfig" not in unchecked


async def test_metadata_and_user_agent_reach_the_server(serve: Any, connect: Any) -> None:
    server = serve()
    options = ClientOptions(metadata=[("x-key", "abc"), ("x-raw-bin", b"\x00\xff")])
    async with connect(server.address, options) as client:
        await client.execute(language="c")
        await client.health()
    for call in server.service.calls:
        assert call.metadata["x-key"] == "abc"
        assert call.metadata["x-raw-bin"] == b"\x00\xff"
        assert call.metadata["user-agent"].startswith("code-executor-client/1.")


async def test_messages_larger_than_grpc_allows_by_default(serve: Any, connect: Any) -> None:
    def echo(request: Any, _context: Any) -> Any:
        from code_executor.v1.executor_pb2 import ExecuteResponse

        return ExecuteResponse(stdout=request.code)

    code = "x" * (20 * 1024 * 1024)
    async with connect(serve(echo).address) as client:
        assert (await client.execute(language="c", code=code)).stdout == code


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[bytes, bytes]:
    """A key and a certificate of its own for executor.test."""
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=executor.test"
    names = ["-addext", "subjectAltName=DNS:executor.test"]
    files = ["-keyout", str(key), "-out", str(chain)]
    subprocess.run(["openssl", *request.split(), *names, *files], check=True, capture_output=True)
    return key.read_bytes(), chain.read_bytes()


@pytest.fixture
def tls_server(serve: Any, certificate: tuple[bytes, bytes]) -> Any:
    """A server that has a certificate and asks its clients for one."""
    key, chain = certificate
    return serve(
        credentials=grpc.ssl_server_credentials(
            [(key, chain)], root_certificates=chain, require_client_auth=True
        )
    )


async def test_tls_both_ways(
    tls_server: Any, connect: Any, certificate: tuple[bytes, bytes]
) -> None:
    key, chain = certificate
    tls = TlsOptions(
        root_certificates=chain,
        private_key=key,
        certificate_chain=chain,
        server_name="executor.test",
    )
    async with connect(tls_server.address, ClientOptions(tls=tls)) as client:
        assert (await client.execute(language="c")).stdout == "ran\n"


@pytest.mark.parametrize("flaw", ["no client certificate", "other name", "unknown authority"])
async def test_tls_refuses(
    tls_server: Any, connect: Any, certificate: tuple[bytes, bytes], flaw: str
) -> None:
    key, chain = certificate
    identity = {} if flaw == "no client certificate" else {"private_key": key}
    tls = TlsOptions(
        root_certificates=None if flaw == "unknown authority" else chain,
        certificate_chain=chain if identity else None,
        server_name="else.test" if flaw == "other name" else "executor.test",
        **identity,
    )
    async with connect(tls_server.address, ClientOptions(tls=tls, max_attempts=1)) as client:
        with pytest.raises(UnavailableError):
            await client.execute(language="c")
    assert tls_server.service.calls == []
