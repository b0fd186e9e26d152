"""How a client connects: transport security, metadata, sizes, retries, deadlines."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# The ceiling of gRPC's own retry code, which takes larger numbers silently as this one.
MAX_ATTEMPTS_CEILING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Transport security. ``TlsOptions()`` alone trusts gRPC's built-in public authorities.

    Raises:
        ValueError: one of ``private_key`` and ``certificate_chain`` without the other.
    """

    root_certificates: bytes | None = None
    """Authorities to trust, PEM. ``None``: the built-in public ones."""

    private_key: bytes | None = field(default=None, repr=False)
    """Private key of the client, PEM, where the server asks for client certificates (mTLS)."""

    certificate_chain: bytes | None = None
    """Certificate of the client and its intermediates, PEM. Goes with ``private_key``."""

    server_name: str | None = None
    """The name to expect in the server's certificate, where it is not the one in the target."""

    def __post_init__(self) -> None:
        if (self.private_key is None) != (self.certificate_chain is None):
            raise ValueError(
                "TlsOptions: private_key and certificate_chain go together; give both or neither"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Settings of a client. Immutable, so one value can serve many clients.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    tls: TlsOptions | None = None
    """Transport security. ``None``: plain text, right on loopback and inside a trusted network."""

    metadata: Sequence[tuple[str, str | bytes]] = field(default=(), repr=False)
    """Sent with every call, for proxies and credentials. Keys in lower case; bytes only under a
    key that ends in ``-bin``."""

    max_attempts: int = 3
    """How often a call is tried in all while the server answers UNAVAILABLE, 1 to 5. 1: never
    again. See :mod:`code_executor.service_config` for why that is safe."""

    compile_allowance_seconds: float = 30.0
    """What the deadline of ``execute`` grants a compiler, beside the limits of the request."""

    queue_allowance_seconds: float = 30.0
    """What the deadline of ``execute`` grants for waiting in the server's queue, for getting
    sandboxes ready and for retries."""

    max_message_bytes: int = 64 * 1024 * 1024
    """The largest message sent or received. It lies above the limits of the server on purpose:
    so the server's own error, which names the limit, is the one that is seen."""

    keepalive_seconds: float | None = 60.0
    """Time between pings while a call waits, so that a dead connection is found before the
    deadline. ``None``: no pings. A stock gRPC server hangs up at the fifth ping of a silent call
    (measured, grpcio 1.85): with 60 after five minutes, more than the longest default run takes.
    The code-executor server itself allows far more."""

    def __post_init__(self) -> None:
        # a mutable list would make the value mutable; gRPC wants a tuple anyway
        object.__setattr__(self, "metadata", tuple(self.metadata))
        for key, value in self.metadata:
            _check_metadatum(key, value)
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS_CEILING:
            raise ValueError(
                f"ClientOptions: max_attempts is {self.max_attempts}; "
                f"expected 1 to {MAX_ATTEMPTS_CEILING}"
            )
        self._check_positive("max_message_bytes", self.max_message_bytes)
        self._check_positive("keepalive_seconds", self.keepalive_seconds)
        for name in ("compile_allowance_seconds", "queue_allowance_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"ClientOptions: {name} is negative; expected seconds, 0 or more")

    @staticmethod
    def _check_positive(name: str, value: float | None) -> None:
        if value is not None and not value > 0:
            raise ValueError(f"ClientOptions: {name} is {value}; expected more than 0")


def _check_metadatum(key: str, value: str | bytes) -> None:
    if key != key.lower():
        raise ValueError(f"ClientOptions: metadata key {key!r} must be in lower case")
    if isinstance(value, bytes) != key.endswith("-bin"):
        raise ValueError(
            f"ClientOptions: metadata {key!r} has a {type(value).__name__} value; "
            "bytes belong under a key that ends in '-bin', text under any other"
        )
