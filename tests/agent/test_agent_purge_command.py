"""`tbft-edge agent purge`: what the errors promise of it holds where no agent runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.agents import configured, old_pictures, show, started
from support.bundles import compiled
from support.commands import Ended


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
