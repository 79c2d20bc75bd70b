"""A device's own runner of Flower's client tasks: hands the bytes that came to what is installed here.

Never Flower's: `flower-superexec` unpacks and imports what a server sends. The app that comes with a task (a FAB) is
not looked at here, and not written anywhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.flower import flower
from tbft_fleet.rounds.parcel import KIND, Parcel, packed, unpacked
from tbft_fleet.rounds.runtime_api import Api, acquire, beating, connect

_TASKS = "flwr-clientapp"
_LONGEST_REASON = 500


class Runner:
    """Takes on tasks of the SuperNode at `api`, one after the other, and lets `answer` answer them.

    Raises TbftError where Flower is not there, or is not the version that this was written for.
    """

    def __init__(self, api: Api, answer: Callable[[Parcel], Parcel], say: Callable[[str], None]) -> None:
        with flower():
            import httpx
            from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output
        self._pull, self._push, self._end = pull_task_input, push_message, push_task_output
        self._unreachable = httpx.HTTPError
        self._api, self._answer, self._say, self._is_heard = api, answer, say, True
        self._client = connect(api, "SuperExec")

    def close(self) -> None:
        self._client.close()

    def step(self) -> bool:
        """Answer one task; False if there was none for us, or the SuperNode does not answer now."""
        try:
            try:
                claimed = acquire(self._client, _TASKS)
            except TbftError as error:
                self._say(f"refused: {error.message}")
                return False
            self._is_heard = True
            if claimed is None:
                return False
            with contextlib.closing(connect(self._api, _TASKS, claimed.token)) as client, beating(client):
                self._work(client)
        except self._unreachable as error:
            if self._is_heard:
                self._say(f"the SuperNode does not answer: {error}")
            self._is_heard = False
            return False
        return True

    def _work(self, client: Any) -> None:
        with flower():
            from flwr.app import Error, Message
            from flwr.common.constant import ErrorCode, SubStatus
        try:
            # The last two are the run and its app.
            message, context, _, _ = self._pull(client)
        except self._unreachable:
            raise
        except Exception as error:  # Whatever Flower's parsers raise of bytes that somebody chose.
            self._say(f"refused: what came is no message of Flower's: {error}")
            return
        try:
            reply = Message(packed(self._answered(message)), reply_to=message)
        except TbftError as error:
            self._say(f"refused: {error.message}")
            reason = error.message[:_LONGEST_REASON]
            reply = Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=reason), reply_to=message)
        self._push(client, reply, context)
        self._end(client=client, context=context, sub_status=SubStatus.COMPLETED, details="")

    def _answered(self, message: Any) -> Parcel:
        if message.has_error() or message.metadata.message_type != KIND:
            raise TbftError("the message is no task", "see what is connected to the SuperLink")
        try:
            return self._answer(unpacked(message.content))
        except OSError as error:
            raise TbftError(f"the device failed: {error.strerror or error}", "look at that device") from error
