"""The demo's cases of few labels: a drift of the input without any, and a class that the network never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cases import CASES
from commands import run, run_json
from place import NEW_CLASS, NO_LABELS, Place
from rich import box
from rich.console import Console
from rich.table import Table

DEMO = Path(__file__).parent
NEW = "0"


@dataclass(frozen=True)
class FewLabels:
    """What was learned from how many labels, and accuracy (0 to 1) on `images` held-out images."""

    what: str
    labels: str
    images: int
    before: float
    after: float
    remark: str


def no_labels(place: Place) -> FewLabels:
    """A drift of the input, by images of which nobody says what they show; the bundle is that of the first case."""
    case, device = CASES[0], place.device / "bin" / "tbft-edge"
    folder, test = place.few_run(NO_LABELS), place.data / f"{NO_LABELS}_test.npz"
    command = [device, "train", place.bundle(case), "--data", place.data / f"{NO_LABELS}_train.npz", "--labels", "none"]
    run_json(
        "no labels: device adapts to the input drift without labels",
        [*command, "--meter", place.meter, "--out", folder],
    )
    before, after = (
        run_json(f"no labels: device measures {what} on held-out images", [device, "eval", model, "--data", test])
        for what, model in (("the model as it came", place.bundle(case)), ("the adapted model", folder))
    )
    return FewLabels(
        "input drift: dim light, noise", "none", after["images"], before["accuracy"], after["accuracy"], ""
    )


def new_class(place: Place) -> FewLabels:
    """A network of five digits learns a sixth from ten photos of it alone."""
    host, device = (folder / "bin" / "tbft-edge" for folder in (place.host, place.device))
    bundle, folder, test = place.few_bundle(NEW_CLASS), place.few_run(NEW_CLASS), _data(place, "test")
    export: list[str | Path] = [host, "export", "--model", "resnet26", "--drift", "output", "--out", bundle]
    export += ["--weights", DEMO / "digits_superclasses.safetensors", "--classes", "6,7,4,3,5"]
    run("new class: host describes what the five classes look like", [*export, "--source", _data(place, "source")])
    learn: list[str | Path] = [device, "learn", bundle, "--data", _data(place, "train"), "--add-class", NEW]
    learned = run_json(
        "new class: device learns a sixth class from ten photos of it",
        [*learn, "--meter", place.meter, "--out", folder],
    )["learned"]
    after = run_json("new class: device measures all six classes", [device, "eval", folder, "--data", test])
    recalls = after["accuracy_per_class"]
    old = sum(recall for name, recall in recalls.items() if name != NEW) / (len(recalls) - 1)
    return FewLabels(
        f"a new class: the digit {NEW}",
        f"{learned['images']} of the new class",
        after["images"],
        0.0,
        recalls[NEW],
        f"the five classes before: {old:.1%}",
    )


def _data(place: Place, part: str) -> Path:
    return place.data / f"{NEW_CLASS}_{part}.npz"


def print_few_labels(found: list[FewLabels]) -> None:
    """A row for each."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("few labels", "labels"):
        table.add_column(name)
    for name in ("held-out images", "accuracy"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in found:
        accuracy = f"{each.before:.1%} → {each.after:.1%}"
        table.add_row(each.what, each.labels, str(each.images), accuracy, each.remark)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(table)
