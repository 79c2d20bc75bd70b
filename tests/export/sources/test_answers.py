"""What a network returns is taken where it is clear; what it cannot do itself is said as its own, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from support import peoples_modules
from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle


def options_of(name: str, drift: str = "output", **changes: object) -> ExportOptions:
    return ExportOptions(f"support.peoples_modules:{name}", drift, image_size=8, **changes)  # type: ignore[arg-type]


WAYS = ("plain", "as_dict", "as_output", "as_tuple", "as_list", "as_dataclass", "as_named_tuple")


@pytest.mark.parametrize("name", [*WAYS, "changes_its_input", "in_parallel", "compiled"])
@pytest.mark.parametrize("drift", ["output", "feature"])
def test_the_logits_are_found(tmp_path: Path, name: str, drift: str) -> None:
    """The names of parameters stay those of the module."""
    exported = export_bundle(options_of(name, drift), tmp_path / "bundle")
    assert len(exported.manifest.classes) == peoples_modules.CLASSES
    assert "fc.weight" in load_file(tmp_path / "bundle" / "weights.safetensors")


def test_buffers_are_no_parameters(tmp_path: Path) -> None:
    """The mean of pixels stays what it is, and nothing has to be differentiated by their spread."""
    plan = export_bundle(options_of("normalising", "full"), tmp_path / "bundle").manifest.plans[0]
    assert {"conv1.weight", "fc.bias"} <= {parameter.name for parameter in plan.parameters}
    assert not {"mean", "std"} & {parameter.name for parameter in plan.parameters}


def test_a_module_that_normalises_is_fed_plain_pixels(tmp_path: Path) -> None:
    """Else they would be normalised twice, and no check would see it."""
    exported = export_bundle(options_of("normalising"), tmp_path / "bundle")
    assert (exported.manifest.normalization.mean, exported.manifest.normalization.std) == ((0.0,) * 3, (1.0,) * 3)
    assert any("normalises its input itself" in note for note in exported.notes)


def test_a_torchscript_module_is_compared_node_by_node(tmp_path: Path) -> None:
    """It does not say which of its layers are batch norms, but its graph does."""
    assert export_bundle(options_of("scripted", "feature"), tmp_path / "bundle").checks[0].passed


@pytest.mark.parametrize(
    ("name", "drift", "said", "hint"),
    [
        ("as_two", "output", "none is called 'logits': main (2, 4), aux (2, 4)", "'logits'"),
        ("as_words", "output", "an object of type str, which holds no tensor", "return the logits"),
        ("as_column", "output", "maps (N, 3, 8, 8) to (N, 4, 1, 1), not", "flatten(1)"),
        ("as_number", "output", "maps (N, 3, 8, 8) to (N), not", "of two classes two"),
        ("one_logit", "output", "has one logit", "of two classes two"),
        ("softmaxed", "output", "ends in Softmax", "leave that last layer out"),
        ("in_halves", "output", "gives logits in torch.float16", "float32"),
        ("of_two_images", "output", "makes a number of how many images there are", "x.shape[0]"),
        ("of_a_batch", "output", "an image other logits beside others than alone", "batch_first=True"),
        ("without_statistics", "output", "gives an image other logits beside others than alone", "track statistics"),
        ("by_chance", "output", "other logits each time", "dropout that stays on"),
        ("no_numbers", "output", "gives logits that are no numbers", "division by zero"),
        ("fails", "output", "fails in PyTorch itself with images of 8 x 8: KeyError: 'position_ids'", "`image_size`"),
        ("two_inputs", "output", "missing 1 required positional argument: 'mask'", "nothing else"),
        ("grey", "output", "to have 1 channels, but got 3 channels", "`channels`"),
        ("quits", "output", "cannot be made: SystemExit", "factory"),
        ("not_a_number", "output", "tensor 'fc.weight' of model 'support.peoples_modules:not_a_number'", "damaged"),
        ("infinite", "output", "tensor 'fc.weight' of model", "damaged"),
        ("negative_variance", "output", "running variance 'layer1.0.1.running_var'", "damaged"),
        ("without_epsilon", "full", "eps must be positive", "`batch_norm` frozen"),
        ("detached", "full", "the loss has no gradient for 'conv1.weight'", "detach"),
        ("dead", "feature", "the gradient of everything that would be trained is zero", "dead"),
        ("both_ways", "full", "batch norm 'layer1.0.1' is applied 2 times", "`batch_norm` frozen"),
        ("detached_in_part", "full", "something else than the graph", "detach"),
        (
            "straight_through",
            "full",
            "something else than the graph",
            "autograd.Function",
        ),
        (
            "by_the_images",
            "output",
            "something else than the graph",
            "branches on values",
        ),
        ("doubles_inside", "full", "computes in double from node", "conversion"),
        ("halves_inside", "full", "computes in float16 from node", "conversion"),
    ],
)
def test_whose_fault_it_is(tmp_path: Path, name: str, drift: str, said: str, hint: str) -> None:
    error = refusal(options_of(name, drift), tmp_path)
    assert said in error.message
    assert hint in error.hint
    assert "defect of the compiler" not in error.hint


@pytest.mark.parametrize("name", ["detached", "both_ways", "without_epsilon", "dead", "doubles_inside"])
def test_a_head_behind_it_is_trained(tmp_path: Path, name: str) -> None:
    """What cannot be trained through stays frozen."""
    assert export_bundle(options_of(name), tmp_path / "bundle").checks[0].passed


def test_layers_around_a_dead_one_are_trained(tmp_path: Path) -> None:
    """Behind it every activation lies on the kink of a ReLU, where rounding decides."""
    assert export_bundle(options_of("dead", "full"), tmp_path / "bundle").checks[0].passed


@pytest.mark.parametrize("drift", ["input", "feature", "full"])
def test_any_momentum_of_batch_norms(tmp_path: Path, drift: str) -> None:
    """None, 0, 1 and another one; averages of None and of 0 move by a tenth, which is said."""
    exported = export_bundle(options_of("momenta", drift), tmp_path / "bundle")
    assert [norm.momentum for norm in exported.manifest.batch_norms] == pytest.approx([0.1, 0.1, 1.0, 0.3])
    assert ["momentum=None" in note for note in exported.notes] == [True]
