"""Rounds call what is private in Flower 1.42: another version is refused, and its own runner never takes over."""

from __future__ import annotations

import inspect
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds import flower
from tbft_fleet.rounds.grid import grid_of, message_or_error
from tbft_fleet.rounds.link import Link, Run
from tbft_fleet.rounds.parcel import Parcel, packed, unpacked
from tbft_fleet.rounds.runner import Runner
from tbft_fleet.rounds.runtime_api import ACQUIRE, Api, Claimed, connect

API = Api("127.0.0.1:1", b"secret")


def test_flower_is_the_version_that_rounds_were_written_for() -> None:
    """Fails first on a bump: look at each private name below, and run the end-to-end test, before the pin moves."""
    assert version("flwr").rpartition(".")[0] == flower.VERSION


def test_what_is_called_takes_what_it_is_given() -> None:
    """Names, and the arguments that are passed by name."""
    from flwr.cli.build import build_fab_from_files
    from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest, UnregisterNodeRequest
    from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest
    from flwr.supercore.constant import TaskType
    from flwr.superlink.grid import HttpGrid
    from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

    assert list(inspect.signature(pull_task_input).parameters) == ["client"]
    assert list(inspect.signature(push_message).parameters) == ["client", "message", "context"]
    assert list(inspect.signature(push_task_output).parameters) == ["client", "context", "sub_status", "details"]
    assert "files" in inspect.signature(build_fab_from_files).parameters
    assert (TaskType.CLIENT_APP, TaskType.SERVER_APP) == ("flwr-clientapp", "flwr-serverapp")
    assert AcquireTaskRequest(supported_task_types={"flwr-clientapp"}).supported_task_types == ["flwr-clientapp"]
    PushTaskOutputRequest(sub_status="completed", details="")
    RegisterNodeRequest(public_key=b"", name="pi-7")
    UnregisterNodeRequest(node_id=1)
    ListNodesRequest()
    StartRunRequest(fab=None)
    assert hasattr(HttpGrid("127.0.0.1:1", insecure=True, token="x"), "_retry_invoker")
    with connect(API, "SuperExec")._client as client:
        assert client.timeout.read


def test_only_who_knows_the_secret_asks_for_tasks() -> None:
    """By the name of the call, which Flower's interceptor looks for."""
    from flwr.supercore.runtime import RuntimeHttpClient

    assert ACQUIRE in inspect.getsource(RuntimeHttpClient.AcquireTask)


def test_a_parcel_comes_through_as_it_was_sent() -> None:
    """As bytes, with and without tensors; what is no parcel is refused."""
    from flwr.app import ConfigRecord, RecordDict

    for parcel in (Parcel(b"{}", b"\0\xff" * 1000), Parcel(b"{}")):
        assert unpacked(packed(parcel)) == parcel
    for other in (None, RecordDict(), RecordDict({"tbft-edge": ConfigRecord({"envelope": "text", "tensors": b""})})):
        with pytest.raises(TbftError, match="none of tbft-edge's"):
            unpacked(other)


@pytest.mark.parametrize("content", [b"", b"garbage", b"Message  3\0\xff\xff\xff", b"ConfigRecord  0\0", b"Other  0\0"])
def test_what_a_node_made_up_is_an_error_to_the_host(content: bytes) -> None:
    """And not the end of the round: bytes that Flower cannot read, or objects that are no message."""
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
    from flwr.superlink.grid import http_grid

    found = message_or_error(inflate_object_from_contents)("a" * 64, {"a" * 64: content})
    assert found.has_error()
    assert found.metadata.reply_to_message_id == ""
    grid_of(API, "x").close()
    assert http_grid.inflate_object_from_contents("a" * 64, {"a" * 64: content}).has_error()


def test_what_a_superlink_made_up_does_not_end_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def damaged(_: object) -> None:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr("flwr.supernode.runtime.run_clientapp.pull_task_input", damaged)
    monkeypatch.setattr("tbft_fleet.rounds.runner.acquire", lambda *_: Claimed(1, "token"))
    runner = Runner(API, lambda parcel: parcel, said.append)
    assert runner.step()
    runner.close()
    assert said == ["refused: what came is no message of Flower's: not enough values to unpack"]


@pytest.mark.parametrize("found", ["1.41.0", "1.43.0", "2.42.0"])
def test_another_version_is_refused(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower, "version", lambda _: found)
    with pytest.raises(TbftError, match=rf"flwr {found} is installed here"):
        Runner(API, lambda parcel: parcel, print)


@pytest.mark.parametrize(
    "module", ["flwr.supernode.runtime.run_clientapp", "flwr.supercore.runtime", "flwr.supercore.interceptors"]
)
def test_without_a_part_of_it_no_runner_starts(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock one would do the same work, and run a server's code."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TbftError, match="flwr is not as rounds need it"):
        Runner(API, lambda parcel: parcel, print)


def test_neither_side_names_what_unpacks_an_app() -> None:
    """No module of rounds has a way to the code that comes with a task."""
    for source in Path(inspect.getfile(flower)).parent.glob("*.py"):
        text = source.read_text()
        for word in ("install_from_fab", "load_client_app", "get_load_client_app_fn", "ClientApp", "run_superexec"):
            assert word not in text, source


def test_telemetry_is_off_before_anything_is_imported() -> None:
    """In this process, and in those that are begun."""
    import os

    Link(API).close()
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert Run.__doc__


def test_a_task_of_another_kind_is_not_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a SuperNode hands out: an agent, a connector, a model, a server's part."""
    from flwr.proto.runtime_pb2 import AcquireTaskResponse
    from flwr.proto.task_pb2 import Task
    from flwr.supercore.constant import TaskType

    handed, said = list[str](), list[str]()
    runner = Runner(API, lambda parcel: parcel, said.append)
    monkeypatch.setattr(runner, "_work", lambda _: handed.append("worked on"))
    for kind in (*(kind for kind in TaskType if kind != TaskType.CLIENT_APP), "another"):
        response = AcquireTaskResponse(task=Task(type=kind, run_id=1), token="token")
        monkeypatch.setattr(runner._client, "AcquireTask", lambda _, found=response: found)
        assert not runner.step()
        assert f"a task of type '{kind}' was handed out" in said[-1]
    assert (handed, len(said)) == ([], len(TaskType))
    response = AcquireTaskResponse(task=Task(type=TaskType.CLIENT_APP, run_id=1), token="token")
    monkeypatch.setattr(runner._client, "AcquireTask", lambda _: response)
    assert runner.step()
    assert handed == ["worked on"]
