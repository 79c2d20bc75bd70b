"""The page of a bank of domains: means over domains and draws, and what is promised of them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.labels.domains_page import KEPT, PAGE, Answered, Results, Routed, page, tables


def results() -> Results:
    """Two draws of two domains, of which one is found ten points less often."""
    return Results(
        routed=tuple(
            Routed(draw, 10, 16, domain, 0.9 + less + 0.02 * draw, 0.01, 0.5 + less)
            for draw in range(2)
            for domain, less in (("fog", 0.0), ("gaussian_noise", -0.1))
        ),
        answered=(
            Answered("clean", "the run", 0.6, {}, 0.0),
            Answered("clean", "the bank", 0.8, {"source": 0.75, "noise": 0.25}, 0.02),
        ),
    )


def test_means_and_spread() -> None:
    lines = list(tables(results()))
    assert (
        "| 16 | 10 | 86.0 ± 1.4 % | 81 % (gaussian noise) | 1.0 ± 0.0 % | 45.0 ± 0.0 % | 40 % (gaussian noise) |"
    ) in lines
    assert "| clean | the run | 60.0% | – | – |" in lines
    assert "| clean | the bank | 80.0% | source 75.0%, noise 25.0% | 2.0% |" in lines


@pytest.mark.skipif(not KEPT.exists(), reason="no results are kept")
def test_the_page_is_that_of_the_results_and_sixteen_photos_tell_domains() -> None:
    """What the project promises of a window of 16, of all classes and of three; and of two models together."""
    found = msgspec.json.decode(KEPT.read_bytes(), type=Results)
    assert PAGE.read_text(encoding="utf-8") == page(found)
    for classes in (10, 3):
        right = [each.right for each in found.routed if (each.classes, each.window) == (classes, 16)]
        assert len(right) >= 16
        assert np.mean(right) >= 0.99
    bank = {each.photos: each.accuracy for each in found.answered if each.by == "the bank"}
    assert bank["clean"] >= 0.79
    assert bank["noise"] >= 0.70
