"""Every plan of every bundle is an entry, and names tell them apart."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec
import pytest

from support.bundles import ALL_DRIFTS, ALL_PLANS, compiled, compiled_copy, read_manifest, write_manifest
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.compare.entries import Also, entries, open_entries, other_ways


def rename_plan(folder: Path, name: str) -> None:
    manifest = read_manifest(folder)
    plan = msgspec.structs.replace(manifest.plans[0], id=name)
    (folder / "plans" / manifest.plans[0].id).rename(folder / "plans" / "moved")
    (folder / "plans" / "moved").rename(folder / "plans" / name)
    write_manifest(folder, manifest, plans=(plan,))


def test_each_plan_is_a_way_that_train_can_be_told() -> None:
    ways = entries(open_bundle(compiled(ALL_DRIFTS)))
    assert tuple(way.name for way in ways) == ALL_PLANS
    assert [way.options for way in ways] == [("--plan", plan) for plan in ALL_PLANS]


def test_ways_that_are_no_plan_stand_behind_the_plans_if_asked() -> None:
    """The input's block without labels, and a head in closed form; none of them unasked."""
    bundle = open_bundle(compiled(ALL_DRIFTS))
    *plans, unlabelled, learned = entries(bundle, ("unlabelled", "learn"))
    assert tuple(plans) == entries(bundle)
    assert unlabelled.options[-2:] == ("--labels", "none")
    assert unlabelled.plans[0].drift == "input"
    assert (learned.command, learned.options, learned.plans[0].drift) == ("learn", (), "output")


@pytest.mark.parametrize(
    ("text", "ways"), [(None, ()), ("learn, unlabelled", ("unlabelled", "learn")), ("learn,learn", ("learn",))]
)
def test_other_ways_are_read_in_one_order(text: str | None, ways: tuple[Also, ...]) -> None:
    assert other_ways(text) == ways


def test_a_way_that_there_is_not_is_refused() -> None:
    with pytest.raises(TbftError, match="`also` 'guess': 'guess' is no way to train"):
        other_ways("guess")


def test_a_way_that_no_bundle_allows_is_refused() -> None:
    """A plan that trains everything has no head by itself, nor a block of the input."""
    ways: tuple[Also, ...] = ("unlabelled", "learn")
    for kind in ways:
        with pytest.raises(TbftError, match=f"`also` {kind}"):
            open_entries([compiled("full-batch")], also=(kind,))


def test_plans_name_entries_where_they_differ() -> None:
    found = open_entries([compiled("output-frozen"), compiled("full-batch")])
    assert [entry.name for entry in found] == ["output-frozen-sgd", "full-batch-adam"]
    assert [entry.folder for entry in found] == ["1-output-frozen-sgd", "2-full-batch-adam"]
    assert {entry.model for entry in found} == {"support.tiny_models:tiny"}
    assert found[0].plan("output-frozen-sgd").blocks == ("fc",)


def test_bundles_name_entries_of_the_same_plan(tmp_path: Path) -> None:
    """Without the ending of an archive."""
    copy = compiled_copy("feature-frozen", tmp_path / "copy", model="another")
    archive = tmp_path / "ours.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(copy, ".")
    found = open_entries([compiled("feature-frozen"), archive])
    assert [entry.name for entry in found] == ["feature-frozen", "ours"]
    assert [entry.bundle for entry in found] == [compiled("feature-frozen"), archive]


def test_bundle_and_plan_name_entries_where_neither_does_alone(tmp_path: Path) -> None:
    twin = compiled_copy(ALL_DRIFTS, tmp_path / "other/all", model="another")
    names = [entry.name for entry in open_entries([compiled(ALL_DRIFTS), twin])]
    assert names == [f"{bundle} {plan}" for bundle in (ALL_DRIFTS, "all") for plan in ALL_PLANS]


def test_a_plan_of_a_stranger_names_no_folder_elsewhere(tmp_path: Path) -> None:
    """A name of odd characters is a plain one as a folder; one with slashes does not load."""
    copy = compiled_copy("feature-frozen", tmp_path / "copy")
    rename_plan(copy, "a:b c")
    (entry,) = open_entries([copy])
    assert (entry.name, entry.folder) == ("a:b c", "1-a-b-c")


def test_the_same_bundle_twice_is_refused(tmp_path: Path) -> None:
    copy = compiled_copy("output-frozen", tmp_path / "copy")
    with pytest.raises(TbftError, match="are the same bundle"):
        open_entries([compiled("output-frozen"), copy])


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="is no bundle"):
        open_entries([compiled("output-frozen"), tmp_path])


def test_plans_among_which_the_device_chooses_are_one_way() -> None:
    bundle = open_bundle(compiled("tinytrain"))
    (way,) = entries(bundle)
    assert way.name == "tinytrain"
    assert way.plans == bundle.manifest.plans
    assert way.options == ()
