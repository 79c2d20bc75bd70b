"""The agent's figures as Prometheus reads them, from the endpoint or from a file."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tbft_agent.core import Core
from tbft_agent.states import State

CONTENT_TYPE = CONTENT_TYPE_LATEST


def metrics_of(core: Core) -> bytes:
    """As they are now; what is not known is left out, and never 0."""
    registry, marks = CollectorRegistry(), core.marks

    def gauge(name: str, words: str, value: float | None) -> None:
        if value is not None:
            Gauge(f"tbft_edge_agent_{name}", words, list(marks), registry=registry).labels(**marks).set(value)

    with core.lock:
        answering, latency = core.answering, core.answering.latency()
        for name, words, value in (
            ("images", "Images answered by this process.", answering.answered),
            ("refused", "Images refused since too many waited.", answering.refused),
        ):
            Counter(f"tbft_edge_agent_{name}", words, list(marks), registry=registry).labels(**marks).inc(value)
        names = ["state", *marks]
        state = Gauge("tbft_edge_agent_state", "1 for what the agent is at.", names, registry=registry)
        for each in State:
            state.labels(each.value, *marks.values()).set(each is core.memory.state)
        window = core.watch.windows[-1] if core.watch.windows else None
        gauge("version", "The model that answers; 0 is the bundle.", answering.version)
        gauge("paused", "1 while nothing is trained.", core.memory.paused)
        gauge("predict_seconds_p50", "Median time of an answer.", _seconds(latency.p50))
        gauge("predict_seconds_p95", "95th percentile of the time of an answer.", _seconds(latency.p95))
        beside = answering.latency(training=True)
        gauge("predict_seconds_training_p50", "Median time of an answer beside a training.", _seconds(beside.p50))
        gauge("predict_seconds_training_p95", "95th percentile of that.", _seconds(beside.p95))
        gauge("kept_images", "Images kept.", core.store.count)
        gauge("kept_bytes", "Bytes of images kept.", core.store.bytes)
        gauge("labels_wanted", "Labels that this drift waits for.", core.memory.asked)
        gauge("labels_there", "Labels given in this drift.", len(core.labelled()))
        gauge("training_joules_today", "Energy of training in a day.", core.memory.joules_today)
        if window is not None:
            gauge("confidence_ratio", "Mean confidence of the last window.", window.confidence)
            gauge("distance", "Squared distance of the last window from normal.", window.distance)
            gauge("distance_limit", "The distance above which a window is odd.", window.limit)
    return bytes(generate_latest(registry))


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
