"""An agent whose bundle is a link that updates change: it begins anew with the other one, and loses nothing else."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest

from support.agents import configured as settings_of
from support.agents import started
from support.bundles import KEPT, KEPT_ADAPT, compiled, read_manifest
from support.services import PATIENCE, configured, running
from support.toys import OLD_COLOURS, coloured_squares, png
from tbft_agent.memory import read_memory
from tbft_agent.round import Round


def lead(link: Path, name: str) -> None:
    """As an update does it: by one rename."""
    temporary = link.with_name("new")
    temporary.symlink_to(compiled(name))
    temporary.replace(link)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    found = tmp_path / "current-bundle"
    lead(found, KEPT)
    return found


def test_a_round_tells_that_the_link_leads_to_another_bundle(tmp_path: Path, link: Path) -> None:
    agent, told = started(settings_of(tmp_path, link)), list[int]()
    rounds = Round(agent, lambda: told.append(1))
    rounds.once()
    assert not told
    lead(link, KEPT_ADAPT)
    rounds.once()
    assert told
    link.unlink()
    told.clear()
    rounds.once()
    assert not told
    agent.close()


def test_a_folder_is_never_outdated(tmp_path: Path) -> None:
    agent = started(settings_of(tmp_path, compiled(KEPT)))
    assert not agent.is_outdated
    agent.close()


def test_it_begins_anew_with_the_other_bundle_in_the_same_process(tmp_path: Path, link: Path) -> None:
    """Whoever watches the process sees none end, and a signal ends the second life as the first."""
    file = configured(tmp_path, bundle=link)
    state = tmp_path / "state"
    with running(file) as agent:
        before = answered_by(file)
        agent.told.clear()
        lead(link, KEPT_ADAPT)
        agent.wait_for("READY=1")
        assert "STOPPING=1" not in agent.told
        assert before == answered_by(file) == "version 0"
        assert agent.process.poll() is None
        agent.end()
        assert agent.process.returncode == 0
    memory = read_memory(state / "memory.json")
    assert memory is not None
    assert memory.bundle == read_manifest(compiled(KEPT_ADAPT)).bundle_id
    journal = [json.loads(line)["what"] for line in (state / "journal.jsonl").read_text().splitlines()]
    assert "replaced" in journal


def answered_by(file: Path) -> str:
    """Which version answers a picture, as soon as one does."""
    port = int(file.read_text().partition("port = ")[2].split()[0])
    picture = png(coloured_squares(1, colours=OLD_COLOURS)[0][0])
    ends = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/predict", picture, {"X-TBFT-Edge": "1"})
            return f"version {json.loads(connection.getresponse().read())['version']}"
        except OSError:
            assert time.monotonic() < ends
            time.sleep(0.1)
        finally:
            connection.close()
