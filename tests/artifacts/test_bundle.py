"""A bundle that is not exactly what was exported is refused, with the file's name and a hint."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from support.bundles import made_up_bundle, read_manifest, write_manifest
from tbft_artifacts.bundle import file_entry, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FORMAT, MANIFEST, FileEntry, Manifest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    made_up_bundle(folder)
    return folder


def refusal(folder: Path) -> TbftError:
    """The error with which the bundle is refused; it has a hint and is one line."""
    with pytest.raises(TbftError) as caught:
        open_bundle(folder)
    error = caught.value
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert error.exit_code == 2
    return error


def change(folder: Path, **fields: Any) -> None:
    """Change top-level fields of the manifest, and leave its id as it was."""
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | fields))


def test_a_good_bundle_opens(bundle: Path) -> None:
    """The checks below fail for their own reason, not because nothing ever passes."""
    opened = open_bundle(bundle)
    assert opened.folder == bundle
    assert opened.manifest == read_manifest(bundle)
    assert "fc.weight" in load_file(opened.weights)


def test_every_file_is_guarded(bundle: Path) -> None:
    """One flipped bit in any file, manifest included, is found, and the message names the file."""
    for path in sorted(bundle.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        path.write_bytes(bytes(flipped))
        assert path.relative_to(bundle).as_posix() in refusal(bundle).message
        path.write_bytes(content)
    open_bundle(bundle)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
@settings(max_examples=150)
def test_no_changed_byte_of_the_manifest_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, position: int, mask: int
) -> None:
    """Whatever byte changes: the manifest is refused with a TbftError, or it means the same as before."""
    folder = tmp_path_factory.mktemp("manifest") / "bundle"
    folder.mkdir()
    manifest = made_up_bundle(folder)
    content = bytearray((folder / MANIFEST).read_bytes())
    content[position % len(content)] ^= mask
    (folder / MANIFEST).write_bytes(bytes(content))
    try:
        found = open_bundle(folder).manifest
    except TbftError:
        return
    assert found == manifest


@pytest.mark.parametrize("size", [0, 5, 1000])
def test_a_file_of_another_length_is_refused(bundle: Path, size: int) -> None:
    """A copy that was cut short, or written over, is not used."""
    (bundle / "predict.onnx").write_bytes(b"x" * size)
    assert "predict.onnx" in refusal(bundle).message


def test_a_missing_file_is_named(bundle: Path) -> None:
    """An incomplete copy says what is missing."""
    (bundle / "weights.safetensors").unlink()
    error = refusal(bundle)
    assert "weights.safetensors" in error.message
    assert "No such file" in error.message


def test_a_folder_in_place_of_a_file_is_refused(bundle: Path) -> None:
    """Not every OSError is a missing file."""
    (bundle / "predict.onnx").unlink()
    (bundle / "predict.onnx").mkdir()
    assert "predict.onnx" in refusal(bundle).message


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    """The hint tells how a bundle is made."""
    error = refusal(tmp_path)
    assert str(tmp_path) in error.message
    assert "tbft-edge export" in error.hint


def test_a_file_is_no_bundle(tmp_path: Path) -> None:
    """A path to a file where a folder is meant ends in words, not in a traceback."""
    (tmp_path / "file").touch()
    assert "no bundle" in refusal(tmp_path / "file").message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"format": "1"}', b'{"format": 1}', b"\xff\xfe", b'{"format": 1.5}']
)
def test_an_invalid_manifest_is_refused(bundle: Path, content: bytes) -> None:
    """JSON that is broken, or is not a manifest, is an error that names the manifest."""
    (bundle / MANIFEST).write_bytes(content)
    assert MANIFEST in refusal(bundle).message


def test_an_unknown_field_is_refused(bundle: Path) -> None:
    """A field that this version does not know might matter."""
    change(bundle, unheard_of=1)
    assert "unheard_of" in refusal(bundle).message


def test_a_newer_format_asks_for_an_upgrade(bundle: Path) -> None:
    """The reader says what to do, and does not trip over the new format's unknown fields first."""
    change(bundle, format=FORMAT + 1, unheard_of=1)
    error = refusal(bundle)
    assert f"format {FORMAT + 1}" in error.message
    assert "upgrade" in error.hint


def test_a_manifest_that_was_edited_is_refused(bundle: Path) -> None:
    """Class names cannot be exchanged behind the id's back."""
    change(bundle, classes=["dog", "cat", "bee", "ant"])
    assert MANIFEST in refusal(bundle).message


ESCAPES = ["../secret", "plans/../../secret", "/etc/hostname", "a\\..\\b", "..", ".", "", "nul\0byte"]


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_lead_out_are_refused(bundle: Path, name: str) -> None:
    """A manifest from a stranger cannot make the device read, or even hash, files elsewhere."""
    (bundle.parent / "secret").write_text("secret")
    manifest = read_manifest(bundle)
    files = manifest.files | {name: file_entry(bundle.parent / "secret")}
    write_manifest(bundle, manifest, files=files)
    assert "do not trust" in refusal(bundle).hint


@given(st.text(max_size=30))
def test_any_file_name_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Odd names end in a TbftError, not in a traceback."""
    folder = tmp_path_factory.mktemp("names") / "bundle"
    folder.mkdir()
    made_up_bundle(folder)
    manifest = read_manifest(folder)
    if name not in manifest.files:
        write_manifest(folder, manifest, files=manifest.files | {name: FileEntry(0, "")})
        refusal(folder)


def test_a_link_out_of_the_bundle_is_refused(bundle: Path) -> None:
    """A symbolic link is as good a way out as `..`, even if the content matches."""
    secret = bundle.parent / "secret"
    shutil.move(bundle / "predict.onnx", secret)
    (bundle / "predict.onnx").symlink_to(secret)
    error = refusal(bundle)
    assert "predict.onnx" in error.message
    assert "do not trust" in error.hint


def test_a_linked_folder_out_of_the_bundle_is_refused(bundle: Path) -> None:
    """The same for a folder on the way to a file."""
    shutil.move(bundle / "plans", bundle.parent / "plans")
    (bundle / "plans").symlink_to(bundle.parent / "plans")
    assert "do not trust" in refusal(bundle).hint


def test_a_link_to_the_whole_bundle_is_fine(bundle: Path) -> None:
    """Users keep bundles behind links."""
    link = bundle.parent / "link"
    link.symlink_to(bundle)
    assert open_bundle(link).manifest == read_manifest(bundle)


@pytest.mark.parametrize(
    "missing",
    [
        "weights.safetensors",
        "predict.onnx",
        "plans/feature-frozen-sgd/gradient.onnx",
        "plans/feature-frozen-sgd/targets.onnx",
        "plans/feature-frozen-sgd/predict.onnx",
    ],
)
def test_a_graph_that_is_not_listed_is_refused(bundle: Path, missing: str) -> None:
    """Only what is listed is verified, so everything that is read has to be listed."""
    manifest = read_manifest(bundle)
    files = {name: entry for name, entry in manifest.files.items() if name != missing}
    write_manifest(bundle, manifest, files=files)
    assert missing in refusal(bundle).message


def test_a_file_beside_the_listed_ones_does_no_harm(bundle: Path) -> None:
    """A `.DS_Store` or a README that someone put there is not read and not refused."""
    (bundle / "README.md").write_text("ours")
    open_bundle(bundle)


def test_errors_name_the_bundle_as_the_user_knows_it(bundle: Path) -> None:
    """An unpacked archive lies in a temporary folder that means nothing to the user."""
    (bundle / "predict.onnx").unlink()
    with pytest.raises(TbftError) as caught:
        open_bundle(bundle, shown=Path("bundle.tar.gz"))
    assert "'bundle.tar.gz'" in caught.value.message
    assert str(bundle) not in caught.value.message


def test_the_only_plan_needs_no_name(bundle: Path) -> None:
    """With one plan `--plan` can be left out; an unknown name lists the known ones."""
    opened = open_bundle(bundle)
    assert opened.plan() is opened.plan("feature-frozen-sgd") is opened.manifest.plans[0]
    with pytest.raises(TbftError, match="no plan 'rear'") as caught:
        opened.plan("rear")
    assert "feature-frozen-sgd" in caught.value.hint


def test_several_plans_ask_for_a_name(bundle: Path) -> None:
    """With several plans none is guessed."""
    manifest = read_manifest(bundle)
    (plan,) = manifest.plans
    shutil.copytree(bundle / "plans" / plan.id, bundle / "plans" / "other")
    write_manifest(bundle, manifest, plans=(plan, msgspec.structs.replace(plan, id="other")))
    opened = open_bundle(bundle)
    with pytest.raises(TbftError, match="feature-frozen-sgd, other") as caught:
        opened.plan()
    assert "`plan`" in caught.value.hint
    assert opened.plan("other").id == "other"


def test_a_drift_names_its_plan(bundle: Path) -> None:
    """Of several for one drift, the one nearest the output; what is not there, or said twice, is refused."""
    manifest = read_manifest(bundle)
    (plan,) = manifest.plans
    shutil.copytree(bundle / "plans" / plan.id, bundle / "plans" / "feature-layer2")
    write_manifest(bundle, manifest, plans=(msgspec.structs.replace(plan, id="feature-layer2"), plan))
    opened = open_bundle(bundle)
    assert opened.plan(drift="feature").id == plan.id
    with pytest.raises(TbftError, match="no plan for drift 'input'") as caught:
        opened.plan(drift="input")
    assert caught.value.hint == f"it has: feature-layer2, {plan.id}"
    with pytest.raises(TbftError, match=f"both `plan` {plan.id} and `drift` feature"):
        opened.plan(plan.id, "feature")


def test_large_files_are_hashed_in_pieces(tmp_path: Path) -> None:
    """Size and sha256 are right across the boundary of a piece."""
    content = b"a" * (1 << 20) + b"b" * 3
    path = tmp_path / "large"
    path.write_bytes(content)
    assert file_entry(path) == FileEntry(len(content), hashlib.sha256(content).hexdigest())


def test_manifest_of_the_support_module_is_a_manifest(bundle: Path) -> None:
    """The made-up bundle has something in every field, as the tests above rely on."""
    manifest = read_manifest(bundle)
    empty = [name for name in Manifest.__struct_fields__ if not getattr(manifest, name)]
    assert empty == ["input_shape"]  # The side alone says it.


def test_a_bundle_for_a_newer_runtime_is_refused(bundle: Path) -> None:
    """An old device says what to upgrade, before it misreads what it does not know."""
    write_manifest(bundle, read_manifest(bundle), minimum_runtime="99.0.0")
    assert "needs tbft-edge 99.0.0 or newer" in refusal(bundle).message
