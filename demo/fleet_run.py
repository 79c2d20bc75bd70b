"""A fleet of three boards: a release in waves, a bad one that a canary stops, and boards that learn together.

    python demo/fleet_run.py [--host .venv/host] [--device .venv/federated] [--out demo-fleet-output]

Boards are folders of this machine, each behind an sshd of its own on loopback; Ansible, The Update Framework and Flower
are real. Photos are real scans of digits, of which each board has some of 4 of the 10 digits.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from commands import DemoError, Json, run, run_json, say
from fleet_ansible import Crew
from fleet_place import BOARDS, DEMO, GROUP, Place, prepare
from fleet_rounds import EPOCHS, ROUNDS, rounds

from support.boards import boards

# A release that is right in fewer of a board's own photos goes back.
ACCURACY = 0.85
GATES = f"\n[groups.{GROUP}.gates]\ndoctor = false\naccuracy = {ACCURACY}\nrequired = ['accuracy']\n"
GOOD, BAD, LEARNED = 1, 2, 3


def chapters(place: Place) -> Iterator[tuple[str, Callable[[], Json]]]:
    """What happens, in its order; each gives what came of it, and raises DemoError where that is not as it should."""
    yield "the host makes a fleet", lambda: make_fleet(place)
    with boards(place.boards.absolute(), place.device.absolute()) as found:
        crew = Crew.of(place, found)
        by = "an sshd each on loopback" if found.ports else "Ansible's local connection, since no sshd is installed"
        say(f"\n{len(BOARDS)} boards, folders of this machine, reached by {by}")
        yield "a good release goes out in waves", lambda: good_release(crew)
        yield "a bad release is stopped by its canary", lambda: bad_release(crew)
        yield "digits mean something else, and boards learn together", lambda: learn(crew)
        yield "what they learned becomes a release", lambda: learned_release(crew)
        yield "what boards say", lambda: look(crew)


def make_fleet(place: Place) -> Json:
    """A network becomes a bundle, and a folder becomes a fleet with keys, waves and gates."""
    run("host: makes the photos of each board", [place.host / "bin" / "python", DEMO / "fleet_data.py", place.data])
    export: list[str | Path] = [place.host / "bin" / "tbft-edge", "export", "--model", "resnet26", "--drift", "output"]
    export += ["--weights", DEMO / "digits.safetensors", "--out", place.bundle]
    run("host: compiles a bundle that can train its last layer", export)
    run("host: makes the fleet", [place.tool, "fleet", "init", place.fleet, "--group", GROUP])
    settings = place.fleet / "fleet.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + GATES, encoding="utf-8")
    say(f"  its gate: {ACCURACY:.0%} of a board's own photos have to be right")
    before = accuracy(place, "host: measures it on digits that no board has", place.bundle, place.held_out)
    return {"accuracy": before}


def good_release(crew: Crew) -> Json:
    """Boards join, and take it one after the other: a canary first."""
    place = crew.place
    give_photos(place, "photos")
    crew.play_well("boards join: each makes its key and says who it is, the host takes it in", "enrol")
    release(crew, place.bundle, GOOD)
    crew.play_well("the release goes out in waves, a canary first", "deploy")
    runs = all_run(crew, GOOD)
    crew.collect()
    return {"runs": runs}


def bad_release(crew: Crew) -> Json:
    """Somebody's list of labels slipped by a line: the network that learned from it is signed like any other."""
    place, run_folder = crew.place, crew.place.out / "mixed-up"
    words = [place.tool, "train", place.bundle, "--data", place.data / "mixed-up.npz", "--out", run_folder]
    run("host: trains on a list of labels that slipped by a line", [*words, "--epochs", "8", "--meter", "none"])
    bundle = derive(place, run_folder, place.out / "mixed-up.tar.gz")
    release(crew, bundle, BAD)
    played = crew.play("it goes out like any other", "deploy")
    check(played.code != 0, "the bad release was deployed")
    tried = {board: told for board in BOARDS if (told := crew.boards.last_update(board))["number"] == BAD}
    check(len(tried) == 1, f"{len(tried)} boards tried the bad release, and not one")
    runs = all_run(crew, GOOD)
    crew.take()
    ((canary, told),) = tried.items()
    say(f"  {canary} went back; {', '.join(board for board in BOARDS if board != canary)} never saw it")
    run("host: withdraws it, since a board failed", [place.tool, "fleet", "deploy", place.fleet, "--withdraw"])
    return {"canary": canary, "outcome": told, "runs": runs}


def learn(crew: Crew) -> Json:
    """Labels change; each board alone, and all together."""
    place = crew.place
    give_photos(place, "renamed")
    say("digits mean something else from now on: y is 9 - y")
    state = {board: crew.boards.state(board) for board in BOARDS}
    bundle = state[BOARDS[0]] / "releases" / "current-bundle"
    before = accuracy(place, "the release that runs, on digits that no board has", bundle, place.held_out_renamed)
    options = ["--epochs", str(ROUNDS * EPOCHS), "--patience", str(ROUNDS * EPOCHS), "--threads", "1"]
    options += ["--meter", "none", "--starting-head", "kept"]
    crew.play_well("each board learns alone", "train", device_task="alone", device_train_options=options)
    crew.take()
    alone = {
        board: accuracy(place, f"{board}, alone", state[board] / "runs" / "alone", place.held_out_renamed)
        for board in BOARDS
    }
    held = rounds(crew)
    check(len(held) == ROUNDS, f"{len(held)} rounds were held, and not {ROUNDS}")
    for each in held:
        check({part["device"] for part in each["parts"]} == {*BOARDS}, f"not all boards took part: {each['parts']}")
        say(f"  round {each['number']}: {each['bytes']:,} bytes to and from each board, of {each['model_bytes']:,}")
    return {"before": before, "alone": alone, "bytes": held[-1]["bytes"], "model_bytes": held[-1]["model_bytes"]}


def learned_release(crew: Crew) -> Json:
    """Merged weights go the way of every release: signed, in waves, behind the gates of each board."""
    place = crew.place
    merge = sorted(place.fleet.glob("merges/*/merge.safetensors"))[-1]
    bundle = derive(place, merge, place.out / "renamed.tar.gz")
    release(crew, bundle, LEARNED)
    delta = next((place.fleet / "repository" / "targets").glob(f"*release-{LEARNED:06}.delta-*"))
    size = delta.stat().st_size
    say(f"  {size:,} bytes of it are new to a board, of {bundle.stat().st_size:,}")
    crew.play_well("the release goes out in waves, a canary first", "deploy")
    runs = all_run(crew, LEARNED)
    current = crew.boards.state(BOARDS[0]) / "releases" / "current-bundle"
    after = accuracy(place, "what runs now, on digits that no board has", current, place.held_out_renamed)
    return {"after": after, "delta_bytes": size, "bundle_bytes": bundle.stat().st_size, "runs": runs}


def look(crew: Crew) -> Json:
    """What the host knows, as a page."""
    crew.collect()
    place = crew.place
    open_waves(place)
    found = run_json("host: how is everybody?", [place.tool, "fleet", "status", place.fleet])
    run("host: the same as a page", [place.tool, "fleet", "status", place.fleet, "--html", place.page])
    devices = {each["name"]: each["release"] for each in found["devices"]}
    check(devices == dict.fromkeys(BOARDS, LEARNED), f"the host believes that boards run {devices}")
    return {"devices": devices, "page": str(place.page)}


def open_waves(place: Place) -> None:
    """For boards that pull by themselves, too: as far as those that took the newest release let it.

    Raises DemoError if not all of them did.
    """
    verdict = ""
    while verdict != "through":
        words = [place.tool, "fleet", "deploy", place.fleet]
        (decided,) = run_json("host: opens it to boards that pull by themselves, too", words)["releases"]
        verdict = str(decided["verdict"])
        check(verdict in {"open", "through"}, f"the waves stopped: {verdict}")


def give_photos(place: Place, meaning: str) -> None:
    """Put each board's own photos onto it."""
    for board in BOARDS:
        shutil.copy(place.data / meaning / f"{board}.npz", place.photos(board))


def all_run(crew: Crew, number: int) -> dict[str, int]:
    """Which release runs on each board. Raises DemoError if one runs another than this."""
    runs = crew.boards.runs()
    check(runs == dict.fromkeys(BOARDS, number), f"not all boards run release {number}: {runs}")
    return runs


def release(crew: Crew, bundle: Path, number: int) -> None:
    """Sign a bundle. Raises DemoError if it is not the release with this number."""
    made = run_json(f"host: signs release {number}", [crew.place.tool, "fleet", "release", crew.place.fleet, bundle])
    check(made["number"] == number, f"the release has number {made['number']}, and not {number}")


def derive(place: Place, source: Path, out: Path) -> Path:
    """The bundle with weights that were learned."""
    words = [place.tool, "fleet", "derive", place.bundle, "--from", source, "--out", out]
    run("host: makes a bundle of what was learned", words)
    return out


def accuracy(place: Place, step: str, model: Path, data: Path) -> float:
    """Of images that no board trains on."""
    found = float(run_json(step, [place.tool, "eval", model, "--data", data, "--threads", "1"])["accuracy"])
    say(f"  right: {found:.1%}")
    return found


def check(is_so: bool, otherwise: str) -> None:
    """Raises DemoError."""
    if not is_so:
        raise DemoError(otherwise)


def main() -> int:
    """Tell the story; the exit code is 1 if a chapter ends otherwise than it should."""
    place = Place.read("A fleet of three boards.", Path("demo-fleet-output"))
    start, told = time.monotonic(), list[Json]()
    try:
        prepare(place)
        for number, (name, chapter) in enumerate(chapters(place), 1):
            say(f"\n== {number}. {name}")
            began = time.monotonic()
            told.append({"chapter": name, **chapter(), "seconds": round(time.monotonic() - began, 1)})
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    say(f"\ndone in {time.monotonic() - start:.0f} s; the page of the fleet: {place.page}")
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
