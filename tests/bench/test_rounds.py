"""Rounds of three devices: how images are shared out, and the page that is made of what came out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.fleet.rounds_page import Figures, Results, page
from benchmarks.fleet.sites import SITES, write_sites


def test_sites_share_no_image_and_meet_all_classes(tmp_path: Path) -> None:
    """A site that had another's images, or classes that nobody has, would make merging look better or worse."""
    labels = np.repeat(np.arange(10), 30)
    images = np.arange(300, dtype=np.uint8).reshape(-1, 1, 1, 1) + np.zeros((1, 2, 2, 3), np.uint8)
    images[..., 0] = (np.arange(300) // 256)[:, np.newaxis, np.newaxis]
    np.savez(tmp_path / "data.npz", images=images, labels=labels, classes=np.arange(10).astype(str))
    sites = [dict(np.load(path)) for path in write_sites(tmp_path / "data.npz", tmp_path, 4, 60)]
    assert len(sites) == SITES
    assert [len(site["labels"]) for site in sites] == [60] * SITES
    assert [len(np.unique(site["labels"])) for site in sites] == [4] * SITES
    assert set(np.concatenate([site["labels"] for site in sites])) == set(range(10))
    seen = [tuple(image[0, 0]) for site in sites for image in site["images"]]
    assert len(set(seen)) == len(seen)


def figures(case: str, norms: str, alone: tuple[float, ...] = ()) -> Figures:
    return Figures(
        case=case, plan="input-batch-sgd", images=60, classes=4, epochs=8, norms=norms, lr=0.03 if alone else None,
        before=0.25, alone=alone, after=((0.5,), (0.75, 0.8, 0.9)), round_bytes=84_000, model_bytes=1_475_048,
        delta_bytes=3000, seconds=12.3,
    )  # fmt: skip


def test_the_page_says_what_was_measured() -> None:
    """Each case is a row; what is carried stands once for each plan and policy."""
    results = Results((figures("input", "merge", (0.4, 0.6)), figures("other", "merge"), figures("local", "local")))
    rows = [line.strip("| ").split(" | ") for line in page(results).splitlines() if line.startswith("| ")]
    accuracy, carried = rows[1:4], rows[5:]
    assert accuracy[0][3:7] == ["0.03", "25.0%", "40.0, 60.0", "50.0; 75.0, 80.0, 90.0"]
    assert accuracy[1][3:6] == ["the plan's", "25.0%", "–"]
    assert carried == [
        ["`input-batch-sgd`", "merge", "84.0 kB", "1.5 MB", "3.0 kB"],
        ["`input-batch-sgd`", "local", "84.0 kB", "1.5 MB", "3.0 kB"],
    ]
