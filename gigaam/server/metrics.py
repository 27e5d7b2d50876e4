"""What a server counts and measures, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_LATENCIES_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The measurements of one server; each has a registry of its own.

    Attributes:
        registry: What Prometheus reads.
        requests: Answers, by route and status.
        latency_s: From the first byte of a request to the end of its answer, by route.
        errors: Refusals and failures, by code.
        sound_s: Seconds of sound that were recognised, by kind: file, job, live.
        live_sessions: That hear sound now, by protocol.
        connections: That are open now, by protocol.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "gigaam_requests", "Answers.", ["route", "status"], registry=registry
        )
        self.latency_s = Histogram(
            "gigaam_request_seconds",
            "Time of a request.",
            ["route"],
            buckets=_LATENCIES_S,
            registry=registry,
        )
        self.errors = Counter(
            "gigaam_errors", "Refusals and failures.", ["code"], registry=registry
        )
        self.sound_s = Counter(
            "gigaam_audio_seconds", "Sound that was recognised.", ["kind"], registry=registry
        )
        self.live_sessions = Gauge(
            "gigaam_live_sessions",
            "Live sessions that hear sound.",
            ["protocol"],
            registry=registry,
        )
        self.connections = Gauge(
            "gigaam_connections", "Open connections.", ["protocol"], registry=registry
        )

    def gauge(self, name: str, told: str, value: Callable[[], float]) -> None:
        """A measurement that is taken when it is read.

        Args:
            name: What it is called, after ``gigaam_``.
            told: What it is, in a sentence.
            value: Takes it.
        """
        Gauge(f"gigaam_{name}", told, registry=self.registry).set_function(value)
