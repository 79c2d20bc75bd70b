"""A second call goes on with the same options, and is refused with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.bundles import compiled
from support.toys import save_squares
from tbft_artifacts.errors import TbftError
from tbft_edge.compare.entries import Entry, open_entries
from tbft_edge.compare.options import (
    ComparisonSettings,
    Options,
    check_settings,
    forget_settings,
    settings_of,
    write_settings,
)


@pytest.fixture
def entries() -> list[Entry]:
    return open_entries([compiled("output-frozen"), compiled("full-batch")])


def options_of(data: Path, out: Path, **changes: Any) -> Options:
    options = Options(
        data=data,
        test=None,
        out=out,
        repeats=2,
        seed=3,
        epochs=4,
        threads=1,
        val_fraction=0.2,
        meter="none",
    )
    return replace(options, **changes)


@pytest.fixture
def options(tmp_path: Path, squares: Path) -> Options:
    return options_of(squares, tmp_path)


@pytest.fixture
def kept(options: Options, entries: list[Entry]) -> ComparisonSettings:
    settings = settings_of(options, entries)
    write_settings(settings, options.out)
    return settings


def test_repeats_are_seeds_behind_each_other(options: Options) -> None:
    assert list(options.seeds) == [3, 4]


def test_the_same_options_go_on_also_with_more_repeats(
    options: Options, entries: list[Entry], kept: ComparisonSettings
) -> None:
    check_settings(kept, options.out)
    check_settings(settings_of(replace(options, repeats=7), entries), options.out)


def test_a_folder_without_settings_takes_any(options: Options, kept: ComparisonSettings) -> None:
    forget_settings(options.out)
    check_settings(kept, options.out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 5}, "--epochs 5 differs from the comparison in .*, which has 4"),
        ({"seed": 0}, "--seed 0 differs .* has 3"),
        ({"threads": 2}, "--threads 2 differs .* has 1"),
        ({"val_fraction": 0.3}, "--val-fraction 0.3 differs .* has 0.2"),
        ({"meter": "auto"}, "--meter auto differs .* has none"),
    ],
)
def test_another_option_is_named(
    change: dict[str, Any], words: str, options: Options, entries: list[Entry], kept: ComparisonSettings
) -> None:
    with pytest.raises(TbftError, match=words):
        check_settings(settings_of(replace(options, **change), entries), options.out)


def test_other_images_are_refused_also_under_the_same_name(
    tmp_path: Path, entries: list[Entry], more_squares: Path
) -> None:
    data = save_squares(tmp_path / "data.npz")
    options = options_of(data, tmp_path)
    write_settings(settings_of(options, entries), tmp_path)
    with pytest.raises(TbftError, match="--test is not what it was"):
        check_settings(settings_of(replace(options, test=more_squares), entries), tmp_path)
    save_squares(data, seed=5)
    with pytest.raises(TbftError, match="--data is not what it was"):
        check_settings(settings_of(options, entries), tmp_path)


def test_other_bundles_are_refused(options: Options, entries: list[Entry], kept: ComparisonSettings) -> None:
    for other in (entries[:1], entries[::-1]):
        with pytest.raises(TbftError, match="is of other bundles"):
            check_settings(settings_of(options, other), options.out)


def test_another_board_is_refused(options: Options, kept: ComparisonSettings) -> None:
    """Times of two boards are no comparison."""
    from msgspec.structs import replace as changed

    with pytest.raises(TbftError, match="begun on another board"):
        check_settings(changed(kept, board="0" * 16), options.out)


def test_settings_that_cannot_be_read_are_said(options: Options, kept: ComparisonSettings) -> None:
    (options.out / "settings.json").write_text("{}")
    with pytest.raises(TbftError, match=r"settings\.json' cannot be read"):
        check_settings(kept, options.out)
