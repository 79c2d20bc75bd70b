"""What `tbft-edge agent status` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tbft_edge.figures import percent

if TYPE_CHECKING:
    from tbft_agent.web.status import Status


def status_lines(status: Status, address: str, token: str | None) -> Iterator[str]:
    """In a dozen lines, what matters most first."""
    paused = ", training is paused" if status.paused else ""
    yield f"{status.state} for {status.since_seconds / 3600:.1f} hours{paused}"
    if status.waits_for is not None:
        yield f"waits: {status.waits_for}"
    for trouble in status.troubles:
        yield f"trouble: {trouble}"
    if status.labels_wanted:
        yield f"labels: {status.labels_there} of {status.labels_wanted}"
    version = status.version
    verified = "" if not version.number else ", verified by labels" if version.verified else ", not verified"
    yield f"model: version {version.number}, {version.how}{verified}"
    if status.verifying:
        yield "no label says that it is better: label what the page asks about"
    yield f"answered: {status.answered:,} images, {status.refused:,} refused"
    if status.latency.p50 is not None:
        yield f"an answer takes: {status.latency.p50} ms, 95 % at most {status.latency.p95} ms"
    beside = status.latency_training
    if beside.p50 is not None:
        yield f"beside a training: {beside.p50} ms, 95 % at most {beside.p95} ms"
    if status.windows:
        window = status.windows[-1]
        known = window.distance is not None and window.limit is not None
        far = (
            f"{window.distance:.0f} from normal, and {window.limit:.0f} are usual"
            if known
            else "learning what is normal"
        )
        yield f"last {window.images} images: {far}; {percent(window.confidence)} sure on average"
    if not status.learning_normal and status.quiet < status.quiet_wanted:
        yield f"it learns how far is usual here: {status.quiet} of {status.quiet_wanted} windows"
    yield f"kept: {status.images:,} images, {status.image_bytes / 1e6:.1f} MB"
    yield f"page: {address}/" if token is None else f"page: {address}/?token={token}"
