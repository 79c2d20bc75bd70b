"""`tbft-edge fleet derive`: a bundle with the weights that devices learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support.bundles import (
    ALL_DRIFTS,
    EXIT_PLANS,
    EXITS,
    FRONT,
    HEAD,
    KEPT,
    LAST,
    compiled,
    compiled_copy,
    read_manifest,
    write_manifest,
)
from support.commands import Ended, refused
from support.files import listing
from support.runs import fine_tune
from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.bundles import sign_folder
from tbft_artifacts.signing.keys import new_key, public_pem
from tbft_artifacts.signing.trust import TRUST_VARIABLE
from tbft_fleet.merging.derive import derive
from tbft_runtime import evaluate
from tbft_runtime.training.begun import begun_from

Command = Callable[..., Ended]


def weights(name: str) -> dict[str, np.ndarray]:
    return load_file(compiled(name) / "weights.safetensors")


def other(name: str, *tensors: str) -> dict[str, np.ndarray]:
    """Some of a bundle's tensors, a little larger."""
    own = weights(name)
    return {tensor: own[tensor] * np.float32(1.25) for tensor in tensors}


def derived(name: str, out: Path, *tensors: str) -> Path:
    derive(open_bundle(compiled(name)), other(name, *tensors), out)
    return out


def test_it_answers_as_the_run_does(command: Command, blocks: list[Path], squares: Path, tmp_path: Path) -> None:
    """The child is a whole bundle: evaluated, and trained on, it is what the run had become."""
    ended = command("fleet", "derive", compiled(ALL_DRIFTS), "--from", blocks[0], "--out", tmp_path / "child", "--json")
    assert ended.code == 0, ended
    told = json.loads(ended.out)
    manifest = open_bundle(tmp_path / "child").manifest
    assert told["bundle_id"] == manifest.bundle_id
    assert told["parent"] == manifest.parent == read_manifest(compiled(ALL_DRIFTS)).bundle_id
    as_run, as_bundle = (evaluate(model, squares, threads=1) for model in (blocks[0], tmp_path / "child"))
    assert as_bundle.loss == pytest.approx(as_run.loss, rel=1e-5)
    for plan in (FRONT, LAST, HEAD):
        result = fine_tune(tmp_path / "child", squares, tmp_path / plan, plan=plan, epochs=1, validation=squares)
        assert result.loss_before == pytest.approx(as_run.loss, rel=1e-5), plan


def test_the_same_makes_the_same(tmp_path: Path) -> None:
    """A folder, an archive, and made again elsewhere: one id, and the same bytes."""
    first = derived(ALL_DRIFTS, tmp_path / "first", "fc.weight")
    archive = derived(ALL_DRIFTS, tmp_path / "second.tar.gz", "fc.weight")
    with opened(archive) as again:
        assert listing(again.folder) == listing(first)
    own = listing(compiled(ALL_DRIFTS))
    changed = {name for name, content in listing(first).items() if own[name] != content}
    assert changed == {"weights.safetensors", "manifest.json"}


def test_a_signature_is_of_the_child(
    command: Command, heads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where keys are trusted it opens with one, and without it not; that of the parent is not taken over."""
    signer = new_key(tmp_path / "key.pem")
    (tmp_path / "trust.pem").write_text(public_pem(signer.public_key))
    parent = compiled_copy(ALL_DRIFTS, tmp_path / "parent")
    sign_folder(parent, read_manifest(parent).bundle_id, signer)
    monkeypatch.setenv(TRUST_VARIABLE, str(tmp_path / "trust.pem"))
    for name in ("folder", "archive.tar.gz"):
        made = ("fleet", "derive", parent, "--from", heads[0], "--out", tmp_path / name)
        assert command(*made, "--sign", tmp_path / "key.pem").code == 0
        with opened(tmp_path / name) as bundle:
            assert bundle.signed_by == signer.public_key.keyid
    unsigned = ("fleet", "derive", parent, "--from", heads[0], "--out", tmp_path / "unsigned")
    assert command(*unsigned).code == 0
    with pytest.raises(TbftError, match="is not signed"):
        open_bundle(tmp_path / "unsigned")


def test_what_describes_other_weights_goes(tmp_path: Path) -> None:
    """Moments of the source's features, unless the last layer alone is another; and that a head was never trained."""
    head = open_bundle(derived(ALL_DRIFTS, tmp_path / "head", "fc.weight")).manifest
    assert head.source
    front = open_bundle(derived(ALL_DRIFTS, tmp_path / "front", "conv1.weight")).manifest
    assert not front.source
    assert {"moments.safetensors", "features.onnx"}.isdisjoint(front.files)
    fresh = compiled_copy(ALL_DRIFTS, tmp_path / "fresh", fresh=("fc.weight", "fc.bias"))
    derive(open_bundle(fresh), other(ALL_DRIFTS, "fc.weight"), tmp_path / "trained")
    assert not open_bundle(tmp_path / "trained").manifest.fresh
    derive(open_bundle(fresh), other(ALL_DRIFTS, "conv1.weight"), tmp_path / "untrained")
    assert open_bundle(tmp_path / "untrained").manifest.fresh == ("fc.weight", "fc.bias")


def test_kept_activations_of_another_front_go(tmp_path: Path) -> None:
    """Plans that keep inputs keep them; what a frozen part made of images that it would not make now is left out."""
    before = {plan.id: plan.kept for plan in open_bundle(compiled(KEPT)).manifest.plans}
    head = open_bundle(derived(KEPT, tmp_path / "head", "fc.weight")).manifest
    assert {plan.id: plan.kept for plan in head.plans} == before
    front = open_bundle(derived(KEPT, tmp_path / "front", "conv1.weight")).manifest
    kept = {plan.id: plan.kept for plan in front.plans}
    assert kept[FRONT] == before[FRONT] > 0
    assert kept[HEAD] == 0 < before[HEAD]
    assert f"plans/{HEAD}/kept.safetensors" not in front.files


def test_an_exit_is_replaced_as_any_other(squares: Path, tmp_path: Path) -> None:
    """Tensors that only the plans with exits read."""
    plan = EXIT_PLANS[0]
    fine_tune(EXITS, squares, tmp_path / "run", plan=plan, epochs=1, lr=0.01)
    bundle = open_bundle(compiled(EXITS))
    derive(bundle, begun_from(bundle, tmp_path / "run").bundle.changed, tmp_path / "child")
    options = {"plan": plan, "epochs": 1, "validation": squares}
    went_on = fine_tune(EXITS, squares, tmp_path / "went-on", base=tmp_path / "run", **options)
    began = fine_tune(tmp_path / "child", squares, tmp_path / "began", **options)
    assert began.loss_before == pytest.approx(went_on.loss_before, rel=1e-5)
    assert began.loss_before != pytest.approx(
        fine_tune(EXITS, squares, tmp_path / "own", **options).loss_before, rel=1e-3
    )


@pytest.mark.parametrize("name", ["feature-int8", "feature-block-int8"])
def test_what_lies_inside_an_int8_prefix_is_refused(name: str, tmp_path: Path) -> None:
    """The prefix would go on with the old values; what stands behind it may be another."""
    with pytest.raises(TbftError, match=r"int8 prefix of plan '.*' holds 'conv1\.weight' inside"):
        derived(name, tmp_path / "child", "conv1.weight")
    assert listing(tmp_path) == {}
    derived(name, tmp_path / "child", "fc.weight")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    bundle, own = open_bundle(compiled(ALL_DRIFTS)), weights(ALL_DRIFTS)
    cases: dict[str, dict[str, np.ndarray]] = {
        "'nothing', which it lacks": {"nothing": np.zeros(1, np.float32)},
        "'fc.bias' in shape": {"fc.bias": np.zeros(7, np.float32)},
        "'fc.bias' as float64": {"fc.bias": np.zeros(4)},
        "infinite or no number": {"fc.bias": np.full(4, np.nan, np.float32)},
        "nothing would be other": {"fc.bias": own["fc.bias"]},
    }
    for words, tensors in cases.items():
        with pytest.raises(TbftError, match=words):
            derive(bundle, tensors, tmp_path / "child")
    assert listing(tmp_path) == {}


def test_artifacts_of_ort_training_hold_weights(tmp_path: Path) -> None:
    """They are read by other programs, which would train the old ones."""
    folder = compiled_copy("output-frozen", tmp_path / "parent")
    plan = read_manifest(folder).plans[0]
    (folder / plan.ort_training).mkdir()
    (folder / plan.ort_training / "checkpoint").write_bytes(b"weights")
    write_manifest(folder, read_manifest(folder))
    with pytest.raises(TbftError, match="ONNX Runtime Training"):
        derive(open_bundle(folder), other("output-frozen", "fc.weight"), tmp_path / "child")


def test_the_command_refuses_in_a_line(command: Command, heads: list[Path], tmp_path: Path) -> None:
    """Another bundle, a name of another kind of archive, a place that is taken."""
    derive_to = ("fleet", "derive", compiled(ALL_DRIFTS), "--from")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    save_file(other(ALL_DRIFTS, "fc.weight"), tmp_path / "w.safetensors")
    out = tmp_path / "child"
    cases = {
        ("fleet", "derive", compiled("output-frozen"), "--from", heads[0], "--out", out): "is of bundle",
        (*derive_to, tmp_path / "w.safetensors", "--out", tmp_path / "a.zip"): "packed as .tar.gz",
        (*derive_to, tmp_path / "w.safetensors", "--out", taken): "exists already",
        (*derive_to, tmp_path / "w.safetensors", "--out", out, "--expect-id", "0" * 64): "--expect-id",
        (*derive_to, tmp_path / "nowhere", "--out", out): "cannot be read",
    }
    for arguments, words in cases.items():
        assert words in refused(command(*arguments)).message
    assert not out.exists()
    assert (
        command(*derive_to, tmp_path / "w.safetensors", "--out", out).out.strip() == open_bundle(out).manifest.bundle_id
    )
