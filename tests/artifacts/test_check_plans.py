"""Plans that a stranger made up end in words when the bundle is opened, not in a traceback when it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from support.bundles import made_up_bundle, made_up_others, write_manifest
from support.sparse_plans import HEAD, made_up_layer, made_up_plans
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.plan import Boundary, Exit, Parameter, Plan
from tbft_artifacts.sparse import SparseLayer, SparseUpdate

LAYERS = [made_up_layer(0, (4, 3, 3, 3), 64), made_up_layer(1, (6, 4, 3, 3), 16)]
DEEP, SHALLOW = made_up_plans(LAYERS, [0, 1])
FIRST, SECOND = LAYERS


def changed(plan: Plan, **fields: object) -> Plan:
    return msgspec.structs.replace(plan, **fields)


def trains(*parameters: Parameter) -> Plan:
    return changed(DEEP, parameters=parameters)


def chooses(*layers: SparseLayer) -> Plan:
    return changed(DEEP, sparse=SparseUpdate(layers))


def layer(**fields: object) -> SparseLayer:
    return msgspec.structs.replace(SECOND, **fields)


def full_cost(**fields: int) -> Plan:
    assert DEEP.full_cost is not None
    return changed(DEEP, full_cost=msgspec.structs.replace(DEEP.full_cost, **fields))


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bundle of plans, with weights that are those of the made-up network, whatever the plans say."""

    def write(*plans: Plan) -> Path:
        manifest = made_up_bundle(tmp_path)
        shapes = {HEAD.name: HEAD.shape, **{found.weight: found.shape for found in LAYERS}, "empty": (0, 4, 3, 3)}
        tensors = made_up_others() | {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        save_file(tensors | {"steps": np.zeros(3, np.int64)}, tmp_path / WEIGHTS)
        names = ("prefix", "suffix", "gradient", "update", "predict", "fisher", "stage0")
        for plan in plans:
            for name in names:
                path = tmp_path / plan.file(f"{name}.onnx")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"graph")
        write_manifest(tmp_path, manifest, plans=plans)
        return tmp_path

    return write


def test_good_plans_pass(bundle: Callable[..., Path]) -> None:
    """The checks below fail for their own reason; one value as boundary, and no cost of the whole, are fine."""
    odd = changed(DEEP, id="odd", full_cost=None, boundary=Boundary("boundary", ()))
    assert open_bundle(bundle(DEEP, SHALLOW, odd)).manifest.plans == (DEEP, SHALLOW, odd)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (trains(HEAD, HEAD), "a parameter twice"),
        (trains(Parameter("fc.weight", (4, 10**9))), "'fc.weight' in a shape that is not in weights"),
        (trains(Parameter("unheard.of", (4, 6))), "'unheard.of' in a shape"),
        (trains(Parameter("steps", (3,))), "'steps' in a shape"),
        (changed(DEEP, boundary=Boundary("boundary", (4, 0, 8))), "empty boundary"),
        (full_cost(backward_flops=0), "full_cost"),
        (changed(DEEP, exits=(Exit("fc", 1),)), "sparse layers and exits"),
        (chooses(), "no sparse layer"),
        (chooses(FIRST, FIRST), "a sparse layer twice"),
        (chooses(layer(weight="fc.weight", shape=(4, 6))), "no convolution"),
        (chooses(layer(shape=())), "no convolution"),
        (chooses(layer(weight="empty", shape=(0, 4, 3, 3))), "no convolution"),
        (chooses(layer(row_flops=0)), "costs nothing"),
        (chooses(layer(shape=(6, 4, 1, 1))), "'conv1.weight' in a shape"),
        (chooses(layer(weight="unheard.of")), "'unheard.of' in a shape"),
    ],
)
def test_a_plan_that_contradicts_itself_or_the_weights_is_refused(
    plan: Plan, told: str, bundle: Callable[..., Path]
) -> None:
    folder = bundle(plan)
    with pytest.raises(TbftError, match="plan 'from0'") as caught:
        open_bundle(folder)
    assert told in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_what_is_chosen_among_is_scored(bundle: Callable[..., Path]) -> None:
    """The graph of the first sparse plan scores for the others, so that it has all of their layers."""
    with pytest.raises(TbftError, match=r"plan 'from0' has a sparse layer 'conv0.weight' that the deepest"):
        open_bundle(bundle(SHALLOW, DEEP))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 100, (2).to_bytes(8, "little") + b"{]"])
def test_weights_that_are_none_are_refused(content: bytes, tmp_path: Path) -> None:
    """A file that is listed with its hash, but is something else."""
    manifest = made_up_bundle(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(content)
    write_manifest(tmp_path, manifest)
    with pytest.raises(TbftError, match="is no safetensors file"):
        open_bundle(tmp_path)
