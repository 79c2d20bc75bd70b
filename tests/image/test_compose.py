"""compose.yaml runs the agent in a container engine: podman, with podman-compose."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from support.bundles import COMPILED
from support.stand_in import REPOSITORY, StandIn, why_not_composed
from support.toys import png

# As docs/agent.md has it.
SETTINGS = """
bundle = "/bundle"
state = "/run-folder/agent"

[camera]
folder = "/camera"

[http]
host = "0.0.0.0"
"""
PAGE = "http://127.0.0.1:8642"
PICTURE = png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
SECONDS = 120


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """What lies beside compose.yaml, for the container's user to read."""
    reason = why_not_composed()
    if reason is not None:
        pytest.skip(f"compose.yaml was not run: {reason}")
    folder = tmp_path / "board"
    (folder / "camera").mkdir(parents=True)
    shutil.copy(REPOSITORY / "compose.yaml", folder)
    shutil.copytree(COMPILED / "kept", folder / "bundle")
    (folder / "agent.toml").write_text(SETTINGS)
    for path in (*tmp_path.parents[:2], tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def asked(path: str, token: str, body: bytes | None = None) -> bytes:
    """Raises OSError as long as nobody listens."""
    headers = {"X-TBFT-Edge": "1", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(PAGE + path, body, headers), timeout=SECONDS) as reply:
        content: bytes = reply.read()
    return content


def answer(token: str) -> tuple[str, int]:
    """Class and model version, once the agent answers."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            found = json.loads(asked("/predict", token, PICTURE))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
        else:
            return found["label"], found["version"]


def token_of(image: StandIn, container: str) -> str:
    """Once it is written."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return image.executed(container, "cat", "/run-folder/agent/token").strip()
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def test_it_answers_on_loopback_and_goes_on_after_a_stop(image: StandIn, board: Path) -> None:
    """Only who knows the token is answered, and what the state holds outlives the container."""
    container = f"{board.name}_agent_1"
    try:
        image.composed(board, "up", "-d", "agent")
        token = token_of(image, container)
        found = answer(token)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            asked("/predict", "guessed", PICTURE)
        image.composed(board, "stop", "-t", "30", "agent")
        image.composed(board, "start", "agent")
        assert answer(token) == found
        assert token_of(image, container) == token
        assert "model: version 0" in image.executed(container, "tbft-edge", "agent", "status", "/config/agent.toml")
    finally:
        image.composed(board, "down", "-v")
