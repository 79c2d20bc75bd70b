"""What an agent sees goes into its device's report to a fleet, and a device whose agent is silent still reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended
from support.fleet_devices import joined
from support.served_agents import served, show
from tbft_artifacts.signing.envelope import verify
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import ENVELOPE, Health, Result
from tbft_fleet.host.inbox import result_of

Command = Callable[..., Ended]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A device that joined a fleet."""
    return joined(tmp_path / "fleet")


def reported(command: Command, place: Place, port: int) -> tuple[Health, str]:
    """What was told with the agent of that port, and what was said meanwhile."""
    config = place.folder / "agent.toml"
    config.write_text(f'bundle = "bundle"\nstate = "state"\n[http]\nport = {port}\n')
    ended = command("fleet", "report", place.folder, "--agent", config, "--json")
    assert ended.code == 0
    envelope = Path(json.loads(ended.out)["result"]) / ENVELOPE
    result: Result = result_of(verify(envelope.read_bytes(), [place.signer().public_key], "it")[0])
    return result.health, ended.err


def test_drift_is_a_multiple_of_what_is_usual(command: Command, place: Place, tmp_path: Path) -> None:
    """Not known while the agent learns what is normal; far above 1 for dark images."""
    with served(tmp_path) as site:
        assert reported(command, place, site.port)[0].drift is None
        show(site.agent, 80)
        usual = reported(command, place, site.port)[0].drift
        show(site.agent, 8, dark=True)
        odd = reported(command, place, site.port)[0].drift
        window = site.agent.core.watch.windows[-1]
    assert usual is not None
    assert odd is not None
    assert odd > 1
    assert odd > usual
    assert window.distance is not None
    assert window.limit is not None
    assert odd**2 == pytest.approx(window.distance / window.limit)


def test_a_silent_agent_is_said(command: Command, place: Place) -> None:
    """The rest of the report goes out."""
    health, said = reported(command, place, 9)
    assert health.drift is None
    assert said.startswith("drift is not known: no agent answers at")
