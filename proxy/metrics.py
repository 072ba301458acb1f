"""What the proxy counts, for Prometheus (prefix `recuerdo_`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


class Metrics:
    """Counters of one proxy; nothing is shared with another."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "recuerdo_requests", "Chat requests by what they were given.", ["status"], registry=registry
        )
        self.answers = Counter("recuerdo_answers", "Answers by HTTP status.", ["code"], registry=registry)
        self.tokens = Counter("recuerdo_injected_tokens", "Tokens of memory given, about.", registry=registry)
        self.without = Counter(
            "recuerdo_resent_without_memory",
            "Requests sent again because of their length.",
            registry=registry,
        )
        self.gone = Counter("recuerdo_clients_gone", "Clients that hung up.", registry=registry)
        self.overhead = Histogram(
            "recuerdo_overhead_seconds", "Time added to a chat request.", buckets=SECONDS, registry=registry
        )
        self.recall = Histogram(
            "recuerdo_recall_seconds", "Time that recalling took.", buckets=SECONDS, registry=registry
        )
        self.breaker = Gauge(
            "recuerdo_breaker_open", "1 while the memory is not waited for.", registry=registry
        )
        self.running = Gauge("recuerdo_requests_running", "Requests being answered.", registry=registry)
        self.dropped = Gauge(
            "recuerdo_log_lines_dropped", "Lines that could not be written in time.", registry=registry
        )

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry)
