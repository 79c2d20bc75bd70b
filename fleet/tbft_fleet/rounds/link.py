"""A SuperLink as its host sees it: which nodes may come, and runs in which they are asked.

Private parts of flwr 1.42 (`flower.VERSION`): its Control API, and on its side a runner of ours. An app of Flower's is
never unpacked here, either: what a run does is `Run`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.flower import VERSION, flower
from tbft_fleet.rounds.grid import grid_of
from tbft_fleet.rounds.parcel import KIND, Parcel, packed, unpacked
from tbft_fleet.rounds.runtime_api import Api, acquire, beating, connect

_TASKS = "flwr-serverapp"
_BEGIN = "begin it with 'tbft-edge fleet superlink', and look at what that says"
_POLL_SECONDS = 0.5
# How much longer than a round its messages are kept: some are on their way.
_GRACE_SECONDS = 60.0
# A run needs an app: this one has no code, and is never looked into.
_APP = f"""\
[project]
name = "tbft-edge-rounds"
version = "1.0.0"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "tbft-edge"
flwr-version-target = "{VERSION}.0"

[tool.flwr.app.components]
serverapp = "none:app"
clientapp = "none:app"
"""


@dataclass(frozen=True)
class Node:
    """A SuperNode that may come: the device's `name`, and its key as `node_keys.node_key_bytes` gives it."""

    id: int
    name: str
    key: bytes
    is_online: bool


@dataclass(frozen=True)
class Reply:
    """What a node answered: a parcel, or in words why not."""

    node: int
    parcel: Parcel | None
    words: str


class Link:
    """The SuperLink at `api`."""

    def __init__(self, api: Api) -> None:
        with flower():
            import httpx
            from flwr.supercore.control import ControlHttpClient
            from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
        self._api, self._unreachable = api, httpx.HTTPError
        self._control = ControlHttpClient.from_server_address(
            server_address=api.address,
            insecure=api.certificate is None,
            root_certificates=api.certificate,
            interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
        )

    def close(self) -> None:
        self._control.close()

    def wait(self, seconds: float) -> None:
        """Until it answers. Raises TbftError where it does not in so many seconds."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.nodes()
            except TbftError:
                if time.monotonic() > end:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def nodes(self) -> tuple[Node, ...]:
        """All that may come. Raises TbftError where it does not answer."""
        with flower():
            from flwr.proto.control_pb2 import ListNodesRequest
        with self._reached():
            found = self._control.ListNodes(ListNodesRequest()).nodes_info
        return tuple(
            Node(node.node_id, node.name, node.public_key, node.status == "online")
            for node in found
            if node.status != "unregistered"
        )

    def admit(self, keys: Mapping[str, bytes]) -> tuple[str, ...]:
        """Let nodes of these names with these keys come, and no others; the names of those that it does not take.

        It takes no key that it had before, under another name or of a device that was revoked; the others come.
        Raises TbftError where it does not answer.
        """
        with flower():
            import httpx
            from flwr.proto.control_pb2 import RegisterNodeRequest, UnregisterNodeRequest
        known, refused = self.nodes(), list[str]()
        with self._reached():
            for node in known:
                if keys.get(node.name) != node.key:
                    with contextlib.suppress(httpx.HTTPStatusError):  # Somebody else just did.
                        self._control.UnregisterNode(UnregisterNodeRequest(node_id=node.id))
            there = {node.name for node in known if keys.get(node.name) == node.key}
            for name, key in keys.items():
                if name not in there:
                    try:
                        self._control.RegisterNode(RegisterNodeRequest(public_key=key, name=name))
                    except httpx.HTTPStatusError:
                        refused.append(name)
        # 'fleet superlink' and 'fleet rounds' both do this, perhaps at the same moment.
        came = {node.name for node in self.nodes()} if refused else set()
        return tuple(name for name in refused if name not in came)

    @contextlib.contextmanager
    def run(self) -> Iterator[Run]:
        """A run of Flower's, which lasts as long as the `with` block. Raises TbftError where it does not answer."""
        with flower():
            from flwr.cli.build import build_fab_from_files
            from flwr.common.serde import fab_to_proto
            from flwr.proto.control_pb2 import StartRunRequest
            from flwr.supercore.fab import Fab
        app, _ = build_fab_from_files({"pyproject.toml": _APP.encode()})
        with self._reached():
            request = StartRunRequest(fab=fab_to_proto(Fab(sha256(app).hexdigest(), app, {})))
            wanted = self._control.StartRun(request).run_id
            token = self._claim(wanted)
        with contextlib.closing(connect(self._api, _TASKS, token)) as client, beating(client):
            try:
                with self._reached():
                    run = Run(self._api, client, token, self._unreachable)
                yield run
            finally:
                with contextlib.suppress(self._unreachable):
                    _end(client)

    def _claim(self, wanted: int) -> str:
        """The token of our run; of runs before, which were killed before they began, nobody wants anything any more."""
        with contextlib.closing(connect(self._api, "SuperExec")) as client:
            end = time.monotonic() + _GRACE_SECONDS
            while time.monotonic() < end:
                claimed = acquire(client, _TASKS)
                if claimed is None:
                    time.sleep(_POLL_SECONDS)
                elif claimed.run == wanted:
                    return claimed.token
                else:
                    with contextlib.closing(connect(self._api, _TASKS, claimed.token)) as other:
                        _end(other)
        raise TbftError("the SuperLink does not hand out the run that it began", _BEGIN)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except self._unreachable as error:
            raise TbftError(f"the SuperLink at {self._api.address} does not answer: {error}", _BEGIN) from error


class Run:
    """One run, in which nodes are asked; `client` speaks for it."""

    def __init__(self, api: Api, client: Any, token: str, unreachable: type[Exception]) -> None:
        with flower():
            from flwr.common.serde import run_from_proto
            from flwr.proto.runtime_pb2 import PullTaskInputRequest
            from flwr.supercore.task_identity import TaskIdentity
        given = client.PullTaskInput(PullTaskInputRequest())
        # Of this process: messages name the run that they are of by it.
        TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
        TaskIdentity.node_id = given.context.node_id
        self._grid = grid_of(api, token)
        self._grid.set_run(run_from_proto(given.run))
        self._unreachable = unreachable

    def ask(self, parcels: Mapping[int, Parcel], seconds: float, say: Callable[[str], None]) -> Iterator[Reply]:
        """Send each node its parcel, and give what they answer as it comes, for so many seconds at most.

        Who is silent is not among the answers. Raises TbftError where nothing could be sent.
        """
        with flower():
            from flwr.app import Message
        ttl = seconds + _GRACE_SECONDS
        messages = [Message(packed(parcel), node, KIND, ttl=ttl) for node, parcel in parcels.items()]
        try:
            sent = list(self._grid.push_messages(messages))
        except self._unreachable as error:
            raise TbftError(f"the round could not be sent: {error}", _BEGIN) from error
        waiting = {name: node for name, node in zip(sent, parcels, strict=False) if name}
        end = time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            try:
                found = list(self._grid.pull_messages(waiting))
            except self._unreachable as error:
                say(f"the SuperLink does not answer, and is asked again: {error}")
                time.sleep(10 * _POLL_SECONDS)
                continue
            for message in found:
                # An error reply may be the SuperLink's own, and says by this alone whom it is about.
                node = waiting.pop(message.metadata.reply_to_message_id, None)
                if node is not None:
                    yield _reply(node, message)
            if not found:
                time.sleep(_POLL_SECONDS)


def _reply(node: int, message: Any) -> Reply:
    if message.has_error():
        return Reply(node, None, message.error.reason or f"error {message.error.code}")
    try:
        return Reply(node, unpacked(message.content), "")
    except TbftError as error:
        return Reply(node, None, error.message)


def _end(client: Any) -> None:
    with flower():
        from flwr.common.constant import SubStatus
        from flwr.proto.runtime_pb2 import PushTaskOutputRequest
    client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.COMPLETED, details=""))
