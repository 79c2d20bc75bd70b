"""Code in place of the app, from whoever may start runs: Flower's own runner imports it, and ours never does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.rounds_processes import Lab, lab, until
from tbft_fleet.rounds import flower
from tbft_fleet.rounds import link as links
from tbft_fleet.rounds.link import Link, Run
from tbft_fleet.rounds.runtime_api import acquire, connect
from tbft_fleet.rounds.supernode import Superlink, SuperNode, free_port

_CODE = "open({path!r}, 'w').write('mine')\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A device with our runner, and one with Flower's beside the very same SuperNode."""
    with lab(tmp_path_factory.mktemp("lab"), "ours", "stock") as found:
        found.superlink()
        # Flower's own gives up for good where the SuperLink does not answer yet, or does not know its key.
        with closing(Link(found.api)) as link:
            link.wait(60)
            until(lambda: len(link.nodes()) == 2, 60, "the devices are not registered")
        found.node("ours")
        place = found.devices["stock"]
        supernode = SuperNode(place.rounds, place.node_key, free_port())
        address = supernode.api.address
        program, *words = supernode.words(Superlink(f"127.0.0.1:{found.front}", found.certificate))
        superexec = Path(program).with_name("flower-superexec")
        environment = {
            **flower.QUIET,
            "FLWR_HOME": str(place.rounds / "flower"),
            "PATH": f"{superexec.parent}:{os.environ['PATH']}",
        }
        found.start(*words, program=Path(program), environment=environment)
        found.nodes["stock"] = found.start(
            *("--insecure", "--runtime-api-address", address, "--superexec-auth-secret-file", supernode.secret),
            program=superexec,
            environment=environment,
        )
        yield found


def evil_app(written: Path) -> Any:
    """One whose code writes a file as soon as it is imported."""
    from flwr.cli.build import build_fab_from_files
    from flwr.common.serde import fab_to_proto
    from flwr.supercore.fab import Fab

    code = _CODE.format(path=str(written)).encode()
    app = links._APP.replace("none:app", "evil.app:app")
    content, _ = build_fab_from_files({"pyproject.toml": app.encode(), "evil/app.py": code, "evil/__init__.py": code})
    assert b"evil/app.py" in content
    return fab_to_proto(Fab(hashlib.sha256(content).hexdigest(), content, {}))


def answered(run: Run, node: int) -> str:
    """The error by which a node answers a message that is no task."""
    from flwr.app import ConfigRecord, Message, RecordDict

    message = Message(RecordDict({"x": ConfigRecord({"y": 1})}), node, "train", ttl=90)
    sent = list(run._grid.push_messages([message]))
    found: list[Message] = []
    until(lambda: bool(found.extend(run._grid.pull_messages(sent)) or found), 60, "no answer")
    assert found[0].has_error()
    return str(found[0].error.reason)


def test_code_from_the_superlink_runs_under_flowers_runner_and_not_under_ours(
    running: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run, one app, one message for each of two devices, which differ in their runners alone."""
    from flwr.proto.control_pb2 import StartRunRequest

    written = tmp_path / "written"
    evil = evil_app(written)
    monkeypatch.setattr("flwr.proto.control_pb2.StartRunRequest", lambda **_: StartRunRequest(fab=evil))
    with closing(Link(running.api)) as link:
        link.wait(60)
        online = {}
        until(lambda: len(online.update({n.name: n.id for n in link.nodes() if n.is_online}) or online) == 2, 60, "off")
        with link.run() as run:
            assert "none of tbft-edge's" in answered(run, online["ours"])
            assert not written.exists()
            answered(run, online["stock"])
            assert written.exists(), running.nodes["stock"].text


def test_who_asks_for_tasks_of_clients_is_handed_none_of_another_kind(running: Lab) -> None:
    """By a SuperLink that has one: whoever may have it gets it at once."""
    from flwr.cli.build import build_fab_from_files
    from flwr.common.serde import fab_to_proto
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.supercore.fab import Fab

    app, _ = build_fab_from_files({"pyproject.toml": links._APP.encode()})
    fab = fab_to_proto(Fab(hashlib.sha256(app).hexdigest(), app, {}))
    with closing(Link(running.api)) as link, closing(connect(running.api, "SuperExec")) as client:
        link.wait(60)
        link._control.StartRun(StartRunRequest(fab=fab))
        assert acquire(client, "flwr-clientapp") is None
        assert acquire(client, "flwr-serverapp") is not None
