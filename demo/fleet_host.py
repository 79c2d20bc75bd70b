"""What the host of the fleet's demo does with releases, and what is measured beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from commands import DemoError, run, run_json, say
from fleet_ansible import Crew
from fleet_place import GARDEN, GROUPS, PORCH, Place

# The first bundle is a release for each group, so that one of them can go its own way later. That of the porch is the
# last of them: rounds ask the groups of the newest release.
FIRST = {GARDEN: 1, PORCH: 2}
BAD, LEARNED = 3, 4


def first_releases() -> dict[str, int]:
    """Of each board the release of its group that it runs at first."""
    return {board: FIRST[group] for board, group in GROUPS.items()}


def all_run(crew: Crew, releases: Mapping[str, int]) -> dict[str, int]:
    """Which release runs on each board. Raises DemoError if one runs another than these."""
    runs = crew.boards.runs()
    check(runs == releases, f"boards run {runs}, and not {releases}")
    return runs


def release(place: Place, bundle: Path, number: int, group: str | None = None) -> None:
    """Sign a bundle, for all groups or one. Raises DemoError if it is not the release with this number."""
    words = [place.tool, "fleet", "release", place.fleet, bundle, *(("--group", group) if group else ())]
    whom = f", for the {group}" if group else ""
    made = run_json(f"host: signs release {number}{whom}", words)
    check(made["number"] == number, f"the release has number {made['number']}, and not {number}")


def open_waves(place: Place, number: int) -> None:
    """For boards that pull by themselves, too: as far as those that took this release let it.

    Raises DemoError if not all of them did.
    """
    verdict = ""
    while verdict != "through":
        words = [place.tool, "fleet", "deploy", place.fleet, "--release", str(number)]
        (decided,) = run_json("host: opens it to boards that pull by themselves, too", words)["releases"]
        verdict = str(decided["verdict"])
        check(verdict in {"open", "through"}, f"the waves stopped: {verdict}")


def derive(place: Place, source: Path, out: Path) -> Path:
    """The bundle with weights that were learned."""
    words = [place.tool, "fleet", "derive", place.bundle, "--from", source, "--out", out]
    run("host: makes a bundle of what was learned", words)
    return out


def accuracy(place: Place, step: str, model: Path, data: Path, enter: tuple[str, ...] = ()) -> float:
    """Of images that the model was not trained on; `enter` begins a command that runs on a board."""
    words = [*enter, place.tool, "eval", model, "--data", data, "--threads", "1"]
    found = float(run_json(step, words)["accuracy"])
    say(f"  right: {found:.1%}")
    return found


def check(is_so: bool, otherwise: str) -> None:
    """Raises DemoError."""
    if not is_so:
        raise DemoError(otherwise)
