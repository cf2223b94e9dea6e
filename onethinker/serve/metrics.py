"""What a server counts, for Prometheus: one registry an app, so that two apps in a process do not mix."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Latency, time to the first token, tokens and errors by task; queue, batch sizes, bytes and results kept."""

    def __init__(self) -> None:
        self.registry = made = CollectorRegistry()
        prefix = "onethinker_"
        self.requests = Counter(prefix + "requests", "Replies sent", ["path", "status"], registry=made)
        self.latency = Histogram(
            prefix + "answer_seconds", "From the request to the whole answer", ["task"], buckets=_SECONDS, registry=made
        )
        self.first_token = Histogram(
            prefix + "first_token_seconds", "From the request to the first token of a streamed answer", ["task"],
            buckets=_SECONDS, registry=made,
        )  # fmt: skip
        self.decoding = Histogram(
            prefix + "media_seconds", "Decoding of one picture or clip", buckets=_SECONDS, registry=made
        )
        self.batches = Histogram(
            prefix + "batch_size", "Answers decoded together, a step or a batch", buckets=_SIZES, registry=made
        )
        self.tokens = Counter(prefix + "tokens", "Tokens of prompts and answers", ["kind", "task"], registry=made)
        self.answers = Counter(prefix + "answers", "Answers by how they read", ["task", "status"], registry=made)
        self.errors = Counter(prefix + "errors", "Requests that failed", ["status"], registry=made)
        self.left = Counter(prefix + "clients_left", "Clients that left before their answer", registry=made)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A gauge that is looked up when it is asked for."""
        Gauge("onethinker_" + name, about, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        return generate_latest(self.registry)
