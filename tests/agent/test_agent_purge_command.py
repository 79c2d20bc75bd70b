"""`tbft-edge agent purge`: what the errors promise of it holds where no agent runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.agents import configured, old_pictures, show, started
from support.bundles import compiled
from support.commands import Ended
from tbft_agent.purging import purge_at_rest


def test_it_forgets_the_images_of_an_agent_that_does_not_run(tmp_path: Path, command: Callable[..., Ended]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'bundle = "{compiled("kept")}"\nstate = "state"\n[http]\nport = 9\n')
    assert command("agent", "purge", config).out == "0 images are forgotten\n"
    agent = started(configured(tmp_path, compiled("kept")))
    show(agent, old_pictures(2))
    agent.close()
    ended = command("agent", "purge", config, "--json")
    assert (ended.code, ended.out.replace(" ", "").replace("\n", "")) == (0, '{"images":2}')
    assert list((tmp_path / "state" / "images").glob("??/*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_leaves_nothing_that_the_agent_cannot_change() -> None:
    """`sudo tbft-edge agent purge` made a folder for work that was root's, and nothing could be trained any more."""
    # Folders that pytest makes nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = configured(folder, compiled("kept"))
        agent = started(found)
        show(agent, old_pictures(2))
        agent.close()
        for path in (found.state, *found.state.rglob("*")):
            os.chown(path, 12345, 12345)
        assert purge_at_rest(found) == 2
        assert os.geteuid() == 0
        assert {path.stat().st_uid for path in (found.state, *found.state.rglob("*"))} == {12345}
