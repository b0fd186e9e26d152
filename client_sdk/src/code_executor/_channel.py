"""Opens the channels of a client; the one place that knows gRPC's channel arguments."""

from importlib.metadata import version
from typing import Any

import grpc
import grpc.aio

from code_executor.options import ClientOptions, TlsOptions
from code_executor.service_config import service_config

_USER_AGENT = f"code-executor-client/{version('code-executor-client')}"
_KEEPALIVE_TIMEOUT_MS = 10_000


def open_channel(target: str, options: ClientOptions, *, health_checked: bool) -> grpc.Channel:
    """Open a channel for threads. It connects with the first call."""
    arguments = channel_arguments(options, health_checked=health_checked)
    if options.tls is None:
        return grpc.insecure_channel(target, options=arguments)
    return grpc.secure_channel(target, _credentials(options.tls), options=arguments)


def open_aio_channel(
    target: str, options: ClientOptions, *, health_checked: bool
) -> grpc.aio.Channel:
    """Open a channel for the event loop that is running. It connects with the first call."""
    arguments = channel_arguments(options, health_checked=health_checked)
    if options.tls is None:
        return grpc.aio.insecure_channel(target, options=arguments)
    return grpc.aio.secure_channel(target, _credentials(options.tls), options=arguments)


def channel_arguments(options: ClientOptions, *, health_checked: bool) -> list[tuple[str, Any]]:
    """Return gRPC's channel arguments (grpc/impl/channel_arg_names.h) for these options."""
    arguments: list[tuple[str, Any]] = [
        ("grpc.service_config", service_config(options, health_checked=health_checked)),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.primary_user_agent", _USER_AGENT),
    ]
    if options.keepalive_seconds is not None:
        arguments += [
            ("grpc.keepalive_time_ms", max(1, round(options.keepalive_seconds * 1000))),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            # a long run is silent, and gRPC would stop after two pings without data
            ("grpc.http2.max_pings_without_data", 0),
        ]
    if options.tls is not None and options.tls.server_name is not None:
        arguments.append(("grpc.ssl_target_name_override", options.tls.server_name))
    return arguments


def _credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=tls.root_certificates,
        private_key=tls.private_key,
        certificate_chain=tls.certificate_chain,
    )
