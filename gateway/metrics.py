"""HTTP figures of the gateway, and the text of every figure in the registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

# Labels come from the rules and from this list, never from what a client sent, so that their number
# is bounded.
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class HttpMetrics:
    """Counts requests by route template, method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the figures; a registry takes those of one gateway."""
        self._registry = registry
        self._requests = Counter(
            "code_executor_http_requests",
            "HTTP requests that were answered; 499 where the client went away before",
            ("route", "method", "code"),
            registry=registry,
        )
        self._duration = Histogram(
            "code_executor_http_request_duration_seconds",
            "Time from the end of a request's headers to its answer",
            ("route", "method"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "code_executor_http_requests_in_flight",
            "HTTP requests that are being answered",
            registry=registry,
        )

        self.connections = Gauge(
            "code_executor_http_connections",
            "HTTP connections that are open, idle ones included",
            registry=registry,
        )
        self.connections_refused = Counter(
            "code_executor_http_connections_refused",
            "HTTP connections that were one too many",
            registry=registry,
        )
        self.answers_not_taken = Counter(
            "code_executor_http_answers_not_taken",
            "HTTP answers that a client did not take in time; their connections were closed",
            registry=registry,
        )

    def observe(self, route: str, method: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(code)).inc()
        self._duration.labels(route, method).observe(seconds)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Write every figure of the registry in the format that a scraper accepts.

        Returns:
            The text and its content type.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
