"""Flower's grid, by which a host asks nodes: what one of them made up does not take along what the others answered.

Private parts of flwr 1.42 (`flower.VERSION`): it reads all answers that came at once, each made of objects which the
node chose, and the first one that is no message ends the process, as any other error does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbft_fleet.rounds.flower import flower
from tbft_fleet.rounds.runtime_api import Api


def grid_of(api: Api, token: str) -> Any:
    """One that speaks for the task with that token."""
    with flower():
        from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
        from flwr.superlink.grid import HttpGrid, http_grid

        _ = http_grid.inflate_object_from_contents
    http_grid.inflate_object_from_contents = message_or_error(inflate_object_from_contents)
    found = HttpGrid(api.address, api.certificate is None, api.certificate, token=token)
    # Its own ends the process where a token is old, as after a restart of the SuperLink.
    found._retry_invoker = None
    return found


def message_or_error(inflate: Callable[[str, dict[str, bytes]], Any]) -> Callable[[str, dict[str, bytes]], Any]:
    """The same, but of what is no message an error which answers nobody: its node is silent to whoever waits."""
    with flower():
        from flwr.app import Error, Message, Metadata
        from flwr.app.message import make_message
        from flwr.common.constant import ErrorCode
        from flwr.supercore.constant import SYSTEM_MESSAGE_TYPE

    def inflated(name: str, contents: dict[str, bytes]) -> Any:
        try:
            found = inflate(name, contents)
        except Exception as error:  # Whatever Flower's parsers, and those below, raise of bytes that somebody chose.
            found = error
        if isinstance(found, Message):
            return found
        metadata = Metadata(
            run_id=0,
            message_id="",
            src_node_id=0,
            dst_node_id=0,
            message_type=SYSTEM_MESSAGE_TYPE,
            group_id="",
            ttl=0,
            reply_to_message_id="",
            created_at=0,
        )
        return make_message(metadata=metadata, error=Error(ErrorCode.MESSAGE_UNAVAILABLE, f"no message: {found}"))

    return inflated
