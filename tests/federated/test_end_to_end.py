"""Real rounds on loopback: SuperLink, proxy, TLS, keys, two devices that train; and what strangers and accidents do."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.rounds_processes import Lab, held, lab, until
from tbft_fleet.device.node_key import make_node_key
from tbft_fleet.host.node_keys import node_key_bytes
from tbft_fleet.rounds.admitted import admitted
from tbft_fleet.rounds.link import Link
from tbft_fleet.rounds.runtime_api import Api, acquire, connect


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two devices that wait for tasks."""
    with lab(tmp_path_factory.mktemp("lab"), "pi-0", "pi-1") as found:
        found.superlink()
        for name in found.devices:
            found.node(name)
        yield found


def test_two_devices_train_together(running: Lab) -> None:
    """Two rounds; each device sends the tensors of the block, and nothing else of it leaves."""
    process = running.rounds(2, "--epochs", "2", "--timeout", "120", "--json")
    process.child.wait(180)
    assert process.child.returncode == 0, process.text
    first, second = held(running)
    for each in (first, second):
        assert {part.device for part in each.parts} == {"pi-0", "pi-1"}
        assert [part.images for part in each.parts] == [20, 20]
        assert each.bytes == sum(value.nbytes for value in running.world.head().values())


def test_nobody_gets_through_the_proxy_to_anything_else(running: Lab) -> None:
    """Starting runs, taking on tasks: for this host alone. What devices need gets an answer of the SuperLink's."""
    import httpx

    with httpx.Client(base_url=f"https://127.0.0.1:{running.front}", verify=str(running.certificate)) as outside:
        for path in ("/v1/control/start-run", "/v1/runtime/acquire-task", "/", "/v1/fleet/../control/start-run"):
            assert outside.post(path, content=b"").status_code == 403, path
        assert outside.post("/v1/fleet/pull-messages", content=b"").status_code != 403


def test_another_user_of_the_host_takes_on_no_run(running: Lab) -> None:
    """Who does not know the secret is handed nothing."""
    import httpx

    own = running.api
    with pytest.raises(httpx.HTTPStatusError):
        acquire(connect(Api(own.address, b"guessed", own.certificate), "SuperExec"), "flwr-serverapp")


def test_a_key_that_was_there_before_keeps_nobody_out(running: Lab) -> None:
    """Flower never takes one again: its device is named, and the others come."""
    link, keys = Link(running.api), admitted(running.world.devices)
    (own, other) = (node_key_bytes(make_node_key(running.world.folder / name / "key"), name) for name in "xy")
    link.wait(60)
    try:
        assert link.admit({**keys, "pi-8": own}) == ()
        assert link.admit(keys) == ()
        assert link.admit({**keys, "pi-8": own, "pi-9": other}) == ("pi-8",)
    finally:
        link.admit(keys)
        link.close()


def test_a_revoked_device_is_sent_away(running: Lab) -> None:
    """Without anybody's doing: whoever looks after the fleet revokes it, and the SuperLink hears of that."""
    link, devices = Link(running.api), running.world.devices
    until(lambda: {node.name for node in link.nodes() if node.is_online} == set(running.devices), 60, "not there")
    devices.keep(msgspec.structs.replace(devices.need("pi-1"), revoked_at="2026-12-01"))
    until(lambda: {node.name for node in link.nodes()} == {"pi-0"}, 30, "still there")
    until(lambda: "ended with exit code" in running.nodes["pi-1"].text, 60, running.nodes["pi-1"].text)


def test_rounds_outlive_a_superlink_that_ends_and_a_device_that_dies(tmp_path: Path) -> None:
    """The SuperLink is killed between rounds; a device is in the middle of one. Whoever is left counts.

    A device that is told to end in the middle of one has ended in five seconds, training and all.
    """
    with lab(tmp_path, "pi-0", "pi-1") as found:
        first = found.superlink()
        nodes = {name: found.node(name) for name in found.devices}
        process = found.rounds(1, "--epochs", "1", "--timeout", "120")
        process.child.wait(180)
        assert process.child.returncode == 0, process.text
        first.end(signal.SIGKILL)
        time.sleep(1)
        found.superlink()
        process = found.rounds(1, "--epochs", "300", "--timeout", "40")
        work = found.devices["pi-1"].rounds / "work"
        until(work.exists, 90, process.text)
        nodes["pi-1"].end(signal.SIGKILL)
        process.child.wait(180)
        assert process.child.returncode == 0, process.text
        second = held(found)[-1]
        assert second.number == 2
        assert [part.device for part in second.parts] == ["pi-0"]
        process = found.rounds(1, "--epochs", "1000", "--timeout", "40")
        until((found.devices["pi-0"].rounds / "work" / "run").exists, 90, process.text)
        assert nodes["pi-0"].end() < 5
