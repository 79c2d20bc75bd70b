"""Traces as ONNX Runtime writes them are read to the microsecond, and damaged ones refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_runtime.profiling.run import graph_profile
from tbft_runtime.profiling.trace import Kernel, KernelTrace, read_trace


def event(category: str, name: str, begin: int, duration: int, **arguments: str) -> dict[str, Any]:
    return {"cat": category, "pid": 1, "tid": 1, "dur": duration, "ts": begin, "ph": "X", "name": name} | {
        "args": arguments
    }


def run(begin: int, end: int) -> dict[str, Any]:
    return event("Session", "model_run", begin, end - begin)


def kernel(name: str, operator: str, begin: int, duration: int) -> dict[str, Any]:
    return event("Node", f"{name}_kernel_time", begin, duration, op_name=operator, node_index="3")


LOADING = [event("Session", "model_loading_array", 3, 90), event("Session", "session_initialization", 100, 800)]


def saved(path: Path, *events: dict[str, Any]) -> Path:
    (path / "trace.json").write_text(json.dumps([*LOADING, *events]))
    return path / "trace.json"


def test_steps_that_warm_up_are_left_out(tmp_path: Path) -> None:
    """Their kernels, and the time that they took; events come in the order in which they ended."""
    path = saved(
        tmp_path,
        *(kernel("/conv1/Conv", "Conv", 1000, 70), run(1000, 1080)),
        *(kernel("/conv1/Conv", "Conv", 2000, 7), kernel("/Relu", "Relu", 2008, 1), run(1999, 2012)),
        *(kernel("/conv1/Conv", "Conv", 3000, 9), kernel("/Relu", "Relu", 3010, 2), run(3000, 3014)),
    )
    trace = read_trace(path, 1, 2)
    assert trace.kernels == (
        Kernel("/conv1/Conv", "Conv", 7),
        Kernel("/Relu", "Relu", 1),
        Kernel("/conv1/Conv", "Conv", 9),
        Kernel("/Relu", "Relu", 2),
    )
    assert (trace.steps, trace.run_microseconds) == (2, 13 + 14)


def test_runs_side_by_side_take_their_time_once(tmp_path: Path) -> None:
    """Parts of a batch on several threads: kernels add up, the clock on the wall does not."""
    path = saved(
        tmp_path,
        *(kernel("a", "Add", 1000, 50), kernel("a", "Add", 1010, 50), run(1000, 1060), run(1005, 1065)),
        *(kernel("a", "Add", 2000, 50), kernel("a", "Add", 2060, 50), run(2000, 2055), run(2060, 2120)),
    )
    trace = read_trace(path, 0, 2)
    assert trace.run_microseconds == 65 + 55 + 60
    profile = graph_profile("gradient", trace)
    assert (profile.wall_ms, profile.kernel_ms) == (0.09, 0.1)
    assert [(part.name, part.calls) for part in profile.operators] == [("Add", 2)]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=12))
def test_covered_time_is_that_of_a_clock(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]
) -> None:
    """However runs overlap, each microsecond in which one was under way counts once."""
    path = saved(tmp_path_factory.mktemp("trace"), *(run(begin, begin + length) for begin, length in spans))
    ticks = {tick for begin, length in spans for tick in range(begin, begin + length)}
    assert read_trace(path, 0, 1).run_microseconds == len(ticks)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"cat": "Node", "name": "a_ker', "is damaged"),
        ("", "is damaged"),
        ('{"traceEvents": []}', "is damaged"),
        ("[]", "holds 0 runs of 2 train steps"),
        (json.dumps([run(0, 1), run(2, 3), run(4, 5)]), "holds 3 runs of 2 train steps"),
    ],
)
def test_a_trace_that_is_not_whole_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """A disk that is full, or a limit of ONNX Runtime, must not turn into times that are too short."""
    path = tmp_path / "trace.json"
    path.write_text(content)
    with pytest.raises(TbftError, match=message):
        read_trace(path, 1, 1)


KERNELS = st.builds(
    Kernel,
    node=st.sampled_from(["/conv1/Conv", "/conv1/Conv_Grad/ConvGrad_0#Conv_1", "/layer1/Relu", "ReorderInput"]),
    operator=st.sampled_from(["Conv", "Relu", "ReorderInput"]),
    microseconds=st.integers(0, 10**9),
)


@given(st.lists(KERNELS, max_size=30).map(tuple), st.integers(1, 20))
def test_parts_sum_up_to_the_whole(kernels: tuple[Kernel, ...], steps: int) -> None:
    """Nothing is counted twice or dropped, by operator or by layer, and the longest comes first."""
    profile = graph_profile("gradient", KernelTrace(steps, kernels, 1))
    for parts in (profile.operators, profile.layers):
        assert sum(part.milliseconds for part in parts) == pytest.approx(profile.kernel_ms)
        assert sum(part.calls for part in parts) == pytest.approx(len(kernels) / steps)
        assert [part.milliseconds for part in parts] == sorted((p.milliseconds for p in parts), reverse=True)
        assert len({part.name for part in parts}) == len(parts)
