"""The page of exporters' files has a row for each graph, and counts every file that is read as it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec.structs import replace

from benchmarks.exporters.data import save
from benchmarks.exporters.files import BY_NAME, FILES
from benchmarks.exporters.page import written
from benchmarks.exporters.results import Trained, Tried, read, write

HEAD = Trained("output-frozen-sgd", "output", 2.5, 2.25, 0.0)
LATE = Trained("feature-block-sgd", "feature", 2.5, 2.0, 3e-7)
WHOLE = Tried(
    "resnet18_torchscript_13", "resnet18", "TorchScript", 13, 13, 9.0,
    plans=(HEAD, LATE), exported=("output-frozen-sgd", "feature-block-sgd"), difference=1e-7, same=1.0,
)  # fmt: skip
ALIKE = [
    replace(
        WHOLE, name=f"resnet18_torchscript_{opset}", opset=opset, plans=(), as_file=WHOLE.name, difference=opset * 1e-7
    )
    for opset in (14, 15)
]
HEADS = Tried("resnet18_qdq_17", "resnet18", "QDQ", 17, 17, plans=(HEAD,), left_out={"full-batch-sgd": "of integers"})
REFUSED = Tried("resnet18_float16_17", "resnet18", "float16", 17, 17, refused="export: no")


def page(*tried: Tried) -> str:
    return written({each.name: each for each in tried})


def test_a_row_for_each_graph() -> None:
    """With the largest difference of all files that are read as it."""
    rows = [line for line in page(WHOLE, *ALIKE, HEADS).splitlines() if line.startswith("| resnet18 ")]
    assert rows == [
        "| resnet18 | TorchScript | 13 to 15 | 2 | 2e-06 | 2.50 → 2.25 | 2.50 → 2.00 | 3e-07 |",
        "| resnet18 | QDQ | 17 | 0 | 0 | 2.50 → 2.25 | no | 0 |",
    ]


def test_what_is_counted() -> None:
    text = page(WHOLE, *ALIKE, HEADS, REFUSED)
    assert "Of 5 files 4 train their head, 3 that and their last stage." in text
    assert "- resnet18_qdq_17, full-batch-sgd: of integers" in text
    assert "- resnet18_float16_17, everything: export: no" in text
    assert "## Not tried yet" in text


def test_opsets_with_a_gap() -> None:
    assert "| 13, 15 |" in page(WHOLE, ALIKE[1])


def test_results_stay_as_they_are(tmp_path: Path) -> None:
    for each in (WHOLE, HEADS):
        write(each, tmp_path)
    assert read(tmp_path) == {each.name: each for each in (HEADS, WHOLE)}


def test_names_of_files() -> None:
    """None twice, and each fit for a command line."""
    assert len(BY_NAME) == len(FILES)
    assert all(name.replace("_", "").isalnum() for name in BY_NAME)


def test_pictures(tmp_path: Path) -> None:
    """Bytes, and each class as often as others."""
    found = np.load(save(tmp_path / "some.npz", 20, 16, 0))
    assert found["images"].shape == (20, 16, 16, 3)
    assert found["images"].dtype == np.uint8
    assert np.bincount(found["labels"]).tolist() == [2] * 10
