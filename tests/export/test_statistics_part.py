"""How many images are normalised together: by rule, as asked, or all of a batch."""

from __future__ import annotations

import pytest

from support.exports import Exporter
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_export import ExportOptions
from tbft_export.compile.statistics import FEWEST_IMAGES, FEWEST_VALUES, statistics_part
from tbft_export.options import check_options


def norm(values: int) -> BatchNorm:
    return BatchNorm("bn.running_mean", "bn.running_var", 0.1, values)


@pytest.mark.parametrize("smallest", [1, 2, 3, 16, 49, 64, 1000])
def test_the_norm_that_sees_the_smallest_image_decides(smallest: int) -> None:
    """Enough values per channel there, enough images, a power of two, and no more than it takes."""
    part = statistics_part([norm(smallest), norm(4096)], None, 1)
    assert part is not None
    assert part.bit_count() == 1
    assert part >= FEWEST_IMAGES
    assert part * smallest >= FEWEST_VALUES
    assert part == FEWEST_IMAGES or part // 2 * smallest < FEWEST_VALUES


@pytest.mark.parametrize(("cached", "part"), [(1, 8), (8, 8), (16, 16), (32, 16)])
def test_where_a_cache_holds_more_a_part_is_larger(cached: int, part: int) -> None:
    """Each operator runs once a part; but cores want parts, too."""
    assert statistics_part([norm(64)], None, cached) == part


def test_as_asked() -> None:
    assert statistics_part([norm(16)], 5, 16) == 5
    assert statistics_part([norm(16)], "whole", 16) is None
    assert statistics_part([], None, 16) is None
    assert statistics_part([norm(2)], 1, 16) == 1


def test_one_value_has_no_variance() -> None:
    with pytest.raises(TbftError, match="parts of 1 image give batch norm 'bn' one value per channel"):
        statistics_part([norm(64), norm(1)], 1, 16)


def test_fixed_statistics_have_no_parts() -> None:
    with pytest.raises(TbftError, match="`batch_norm_part` is for norms that use the statistics of the batch"):
        check_options(ExportOptions("resnet26", "output", batch_norm="frozen", batch_norm_part=8))


def test_a_bundle_says_its_parts(exported: Exporter) -> None:
    """Plans whose norms use the batch's statistics do; its smallest picture here is 8 by 8."""
    assert exported("resnet26", "input", "batch").plan().statistics_part == FEWEST_IMAGES
    assert exported("resnet26", "feature", "frozen").plan().statistics_part is None
