"""Paths of the endpoint, and what each does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tbft_agent.agent import Agent
from tbft_agent.answering import BusyError, UnreadableError
from tbft_agent.metrics import CONTENT_TYPE, metrics_of
from tbft_agent.web.guard import Guard
from tbft_agent.web.replies import Accepted, Began, Labelled, Paused, Purged, RolledBack
from tbft_agent.web.status import status_of
from tbft_artifacts.check_names import check_folder_names, name_fault
from tbft_artifacts.errors import TbftError

STATIC = Path(__file__).parent / "static"
# A photo of a phone has a few.
MOST_PICTURE_BYTES = 20 << 20
_MOST_WORDS = 64 << 10
# Of all that is sent at a time: more would cost the memory that the model needs.
_MOST_HELD_BYTES = 64 << 20
_LONGEST_CLASS = 100
# What file systems allow.
_LONGEST_FOLDER = 255

_T = TypeVar("_T")


class _Label(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says of an image: a class, "" for none of them, None to take it back."""

    digest: str
    label: str | None


class _ProblemError(Exception):
    """What is wrong with a request."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def make_app(agent: Agent, token: str | None) -> Starlette:
    """The agent over HTTP. `token` is None where only the board itself can ask."""
    api = _Api(agent)
    return Starlette(
        routes=[
            Route("/", api.page),
            Route("/predict", api.predict, methods=["POST"]),
            Route("/metrics", api.metrics),
            Route("/api/status", api.status),
            Route("/api/image/{digest}", api.image),
            Route("/api/label", api.label, methods=["POST"]),
            Route("/api/pause", api.pause, methods=["POST"]),
            Route("/api/adapt", api.adapt, methods=["POST"]),
            Route("/api/accept", api.accept, methods=["POST"]),
            Route("/api/rollback", api.roll_back, methods=["POST"]),
            Route("/api/purge", api.purge, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={_ProblemError: _refused, TbftError: _failed, ClientDisconnect: _gone},
    )


class _Api:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        # Bytes of requests that are on their way.
        self._held = 0

    async def page(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def predict(self, request: Request) -> Response:
        """A picture's bytes -> what it shows."""
        content = await self._body(request, MOST_PICTURE_BYTES)
        try:
            return _json(await run_in_threadpool(self._agent.core.answering.answer, content))
        except BusyError:
            return PlainTextResponse("busy: come again", 429, headers={"retry-after": "1"})
        except UnreadableError as error:
            raise _ProblemError(400, f"this is no JPEG or PNG picture: {error}") from error

    async def _body(self, request: Request, most: int) -> bytes:
        """The bytes of a request, unless there are too many of them, or of all that are on their way."""
        content = bytearray()
        try:
            async for piece in request.stream():
                content += piece
                self._held += len(piece)
                if len(content) > most:
                    raise _ProblemError(413, f"this is more than {most >> 10} KiB")
                if self._held > _MOST_HELD_BYTES:
                    raise _ProblemError(429, "busy: come again")
            return bytes(content)
        finally:
            self._held -= len(content)

    async def status(self, _: Request) -> Response:
        return _json(await run_in_threadpool(status_of, self._agent.core))

    async def metrics(self, _: Request) -> Response:
        return Response(await run_in_threadpool(metrics_of, self._agent.core), media_type=CONTENT_TYPE)

    async def image(self, request: Request) -> Response:
        store = self._agent.core.store
        kept = await run_in_threadpool(store.find, request.path_params["digest"])
        if kept is None or not store.path(kept).is_file():
            raise _ProblemError(404, "this image is not kept any more")
        return FileResponse(store.path(kept), media_type="image/png" if kept.suffix == ".png" else "image/jpeg")

    async def label(self, request: Request) -> Response:
        said = _read(await self._body(request, _MOST_WORDS), _Label)
        label = None if said.label is None else _class_name(said.label)
        kept = await run_in_threadpool(self._agent.label, said.digest, label)
        if kept is None:
            raise _ProblemError(404, "this image is not kept any more")
        return _json(Labelled(kept.digest, kept.label))

    async def pause(self, request: Request) -> Response:
        said = _read(await self._body(request, _MOST_WORDS), Paused)
        await run_in_threadpool(self._agent.pause, said.paused)
        return _json(said)

    async def adapt(self, _: Request) -> Response:
        if not await run_in_threadpool(self._agent.adapt_now):
            raise _ProblemError(409, f"it is {self._agent.core.memory.state.value} already")
        return _json(Began(self._agent.core.memory.state.value))

    async def accept(self, _: Request) -> Response:
        version = await run_in_threadpool(self._agent.accept)
        if version is None:
            raise _ProblemError(409, "there is no new model to accept")
        return _json(Accepted(version, self._agent.core.memory.state.value))

    async def roll_back(self, _: Request) -> Response:
        return _json(RolledBack(await run_in_threadpool(self._agent.roll_back)))

    async def purge(self, _: Request) -> Response:
        return _json(Purged(await run_in_threadpool(self._agent.purge)))


def _read(content: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _ProblemError(400, f"this cannot be read: {error}") from error


def _class_name(label: str) -> str:
    """A name that a folder can have, as the names of classes do."""
    name = label.strip()
    if not name:
        return name
    fault = name_fault("a class", name, _LONGEST_CLASS)
    if fault is not None:
        raise _ProblemError(400, fault)
    if len(name.encode()) > _LONGEST_FOLDER:
        raise _ProblemError(400, f"the name of a class has at most {_LONGEST_FOLDER} bytes, as that of a folder")
    check_folder_names([name])
    return name


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _ProblemError)
    return PlainTextResponse(error.words, error.status)


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, TbftError)
    return PlainTextResponse(f"{error.message}; {error.hint}", 400)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)
