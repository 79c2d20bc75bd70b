"""Options that say what goes into a network: each in one word, and none is passed over in silence."""

from __future__ import annotations

import pytest

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.export_values import channels_of, part_of, sides_of, sound_of, table_of
from tbft_export.options import TableOptions
from tbft_export.sources.sound import LogMelOptions, SoundOptions


def test_words_become_options() -> None:
    assert sides_of("64", "--patch") == (64, 64)
    assert sides_of("49x10", "--patch") == (49, 10)
    assert channels_of("0.5,1", "--mean", (0, 1)) == (0.5, 1.0)
    assert sound_of(16_000, "640,320,10") == SoundOptions(16_000, LogMelOptions(640, 320, 10))
    assert sound_of(None, None) is None
    assert table_of("ax, ay", 64, "t", "what", 50.0) == TableOptions(("ax", "ay"), 64, "t", "what", 50.0)
    assert table_of(None, None, "time", "label", None) is None


def test_a_rate_is_a_number() -> None:
    """Ranges of options let nan through, since it is not below them."""
    with pytest.raises(TbftError, match="--rate nan is no number"):
        table_of("ax", 64, "t", "what", float("nan"))


@pytest.mark.parametrize("text", ["", "0", "49x10x2", "x", "49X10", "-1", "4097", "1e3", "٣"])
def test_sides_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TbftError, match=r"--patch '.*' is not one or two numbers from 1 to 4096"):
        sides_of(text, "--patch")


def test_parts_are_a_number_or_the_whole() -> None:
    assert [part_of(text, "--bn-part") for text in (None, "whole", "16")] == [None, "whole", 16]


@pytest.mark.parametrize("text", ["", "half", "0", "-1", "65537", "1e3", "٣"])
def test_parts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TbftError, match=r"--bn-part '.*' is neither whole nor a number of images from 1 to 65536"):
        part_of(text, "--bn-part")


@pytest.mark.parametrize("text", ["", "a", "0.5,", "nan", "inf", "2"])
def test_channels_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TbftError, match=r"--mean '.*' is not a number from 0 to 1 for each channel"):
        channels_of(text, "--mean", (0, 1))


@pytest.mark.parametrize("text", ["640", "640,320", "640,320,10,1", "640,x,10", "640,-320,10", "1e3,320,10"])
def test_features_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TbftError, match="is not FRAME,HOP,BANDS"):
        sound_of(16_000, text)


def test_features_need_sound() -> None:
    with pytest.raises(TbftError, match="features of sound, whose rate was not said"):
        sound_of(None, "640,320,10")


@pytest.mark.parametrize(("stride", "rate"), [(64, None), (None, 50.0)])
def test_stride_and_rate_need_columns(stride: int | None, rate: float | None) -> None:
    """Without them no table is read, and neither would do anything."""
    with pytest.raises(TbftError, match="those of tables, whose columns were not said") as caught:
        table_of(None, stride, "time", "label", rate)
    assert "--columns" in caught.value.hint
