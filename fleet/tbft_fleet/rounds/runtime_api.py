"""Flower's Runtime API, where a SuperNode or a SuperLink hands out tasks: what both runners of ours call of it.

Private parts of flwr 1.42 (`flower.VERSION`). None of its retrying: that ends the process where a token is old.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.flower import flower

# As Flower names them; who does not know the secret is handed no task.
ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
# A task counts as lost after two minutes without a word.
_BEAT_SECONDS = 20.0


@dataclass(frozen=True)
class Api:
    """`address` is HOST:PORT; `certificate` that of the CA (PEM), None where there is no TLS: on loopback."""

    address: str
    secret: bytes
    certificate: bytes | None = None


@dataclass(frozen=True)
class Claimed:
    """A task that is ours now: who has the `token` can answer it."""

    run: int
    token: str


def connect(api: Api, component: str, token: str | None = None) -> Any:
    """A client as Flower's own `component` is one; with a `token` it speaks for that task."""
    with flower():
        from flwr.supercore.interceptors import (
            RuntimeTokenHttpInterceptor,
            RuntimeVersionHttpInterceptor,
            SuperExecAuthHttpInterceptor,
        )
        from flwr.supercore.runtime import RuntimeHttpClient
    secret = SuperExecAuthHttpInterceptor(master_secret=api.secret, protected_methods={ACQUIRE})
    return RuntimeHttpClient.from_server_address(
        server_address=api.address,
        insecure=api.certificate is None,
        root_certificates=api.certificate,
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name=component),
            secret if token is None else RuntimeTokenHttpInterceptor(token),
        ],
    )


def acquire(client: Any, kind: str) -> Claimed | None:
    """The oldest task of one kind, "flwr-clientapp" or "flwr-serverapp", which nobody else gets then; None without any.

    Flower's own runner takes on every kind: agents, connectors to file systems, whatever a later version adds.
    Raises TbftError where one of another kind is handed out all the same.
    """
    with flower():
        from flwr.proto.runtime_pb2 import AcquireTaskRequest
    found = client.AcquireTask(AcquireTaskRequest(supported_task_types={kind}))
    if not found.token:
        return None
    if found.task.type != kind:
        raise TbftError(
            f"a task of type '{found.task.type}' was handed out, and only '{kind}' was asked for",
            "see what is connected to the SuperLink",
        )
    return Claimed(found.task.run_id, found.token)


@contextlib.contextmanager
def beating(client: Any) -> Iterator[None]:
    """Inside, whoever handed out the task hears that it is being worked on."""
    with flower():
        from flwr.proto.runtime_pb2 import SendTaskHeartbeatRequest
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT_SECONDS):
            with contextlib.suppress(Exception):  # One that is lost is made up for by the next.
                client.SendTaskHeartbeat(SendTaskHeartbeatRequest())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
