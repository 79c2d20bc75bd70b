"""A fleet of three boards: a release in waves, a bad one that a canary stops, and two boards that learn together.

    python demo/fleet_run.py [--host .venv/host] [--device .venv/federated] [--out demo-fleet-output]

Each board is a folder and a network namespace of this machine with an sshd in it, or on loopback where there can be no
namespaces; Ansible, The Update Framework and Flower are real. Photos are real scans of digits, of which each board has
some of 5 of the 10 digits.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

from commands import DemoError, Json, run, run_json, say
from fleet_ansible import Crew, came_out
from fleet_host import BAD, FIRST, LEARNED, accuracy, all_run, check, derive, first_releases, open_waves, release
from fleet_learning import learn, learned_release
from fleet_network import Network, network
from fleet_place import BOARDS, DEMO, GROUPS, Place, prepare

from support.boards import Boards, boards

# A release that is right in fewer of a board's own photos goes back.
ACCURACY = 0.85
GATES = "\n[groups.{group}.gates]\ndoctor = false\naccuracy = {accuracy}\nrequired = ['accuracy']\n"


def chapters(place: Place) -> Generator[tuple[str, Callable[[], Json]]]:
    """What happens, in its order; each gives what came of it, and raises DemoError where that is not as it should."""
    yield "the host makes a fleet", lambda: make_fleet(place)
    with (
        network(BOARDS) as between,
        boards(place.boards.absolute(), place.device.absolute(), between.spots, GROUPS) as found,
    ):
        crew = Crew.of(place, between, found)
        say(f"\n{len(BOARDS)} boards: {_reached(between, found)}")
        yield "a good release goes out in waves", lambda: good_release(crew)
        yield "a bad release is stopped by its canary", lambda: bad_release(crew)
        yield "digits mean something else to two boards, which learn together", lambda: learn(crew, ACCURACY)
        yield "what they learned becomes a release for them", lambda: learned_release(crew)
        yield "what boards say", lambda: look(crew)


def make_fleet(place: Place) -> Json:
    """A network becomes a bundle, and a folder becomes a fleet with keys, waves and gates."""
    run("host: makes the photos of each board", [place.host / "bin" / "python", DEMO / "fleet_data.py", place.data])
    export: list[str | Path] = [place.host / "bin" / "tbft-edge", "export", "--model", "resnet26", "--drift", "output"]
    export += ["--weights", DEMO / "digits.safetensors", "--out", place.bundle]
    run("host: compiles a bundle that can train its last layer", export)
    groups = [word for group in FIRST for word in ("--group", group)]
    run("host: makes the fleet", [place.tool, "fleet", "init", place.fleet, *groups])
    settings = place.fleet / "fleet.toml"
    gates = [GATES.format(group=group, accuracy=ACCURACY) for group in FIRST]
    settings.write_text("".join([settings.read_text(encoding="utf-8"), *gates]), encoding="utf-8")
    say(f"  its gate: {ACCURACY:.0%} of a board's own photos have to be right")
    before = accuracy(place, "host: measures it on digits that no board has", place.bundle, place.held_out)
    return {"accuracy": before}


def good_release(crew: Crew) -> Json:
    """Boards join, and take it: a canary first."""
    for board in BOARDS:
        crew.place.give_photos(board, "photos")
    crew.play_well("boards join: each makes its key and says who it is, the host takes it in", "enrol")
    for group, number in FIRST.items():
        release(crew.place, crew.place.bundle, number, group)
    came_out(crew.deploy("each board takes that of its group, a canary first"))
    addresses = {board: spot.address for board, spot in crew.network.spots.items()}
    return {"namespaces": addresses, "why_not": crew.network.why_not, "runs": all_run(crew, first_releases())}


def bad_release(crew: Crew) -> Json:
    """Somebody's list of labels slipped by a line: the network that learned from it is signed like any other."""
    place, run_folder = crew.place, crew.place.out / "mixed-up"
    words: list[str | Path] = [
        place.tool,
        "train",
        place.bundle,
        "--data",
        place.data / "mixed-up.npz",
        "--out",
        run_folder,
    ]
    words += ["--epochs", "8", "--meter", "none"]
    run("host: trains on a list of labels that slipped by a line", words)
    bundle = derive(place, run_folder, place.out / "mixed-up.tar.gz")
    release(place, bundle, BAD)
    check(crew.deploy("it goes out like any other").code != 0, "the bad release was deployed")
    tried = {board: told for board in BOARDS if (told := crew.boards.last_update(board))["number"] == BAD}
    check(len(tried) == 1, f"{len(tried)} boards tried the bad release, and not one")
    runs = all_run(crew, first_releases())
    crew.take()
    ((canary, told),) = tried.items()
    say(f"  {canary} went back; {', '.join(board for board in BOARDS if board != canary)} never saw it")
    run("host: withdraws it, since a board failed", [place.tool, "fleet", "deploy", place.fleet, "--withdraw"])
    return {"canary": canary, "outcome": told, "runs": runs}


def look(crew: Crew) -> Json:
    """What the host knows, as a page."""
    crew.collect()
    place = crew.place
    open_waves(place, LEARNED)
    found = run_json("host: how is everybody?", [place.tool, "fleet", "status", place.fleet])
    run("host: the same as a page", [place.tool, "fleet", "status", place.fleet, "--html", place.page])
    devices = {each["name"]: each["release"] for each in found["devices"]}
    check(devices == crew.boards.runs(), f"the host believes that boards run {devices}")
    own = {each["name"]: each["accuracy_after"] for each in found["devices"]}
    return {"devices": devices, "own": own, "page": str(place.page)}


def _reached(between: Network, found: Boards) -> str:
    if between.spots:
        addresses = ", ".join(spot.address for spot in between.spots.values())
        return f"a network namespace each, with an sshd at {addresses}; their host is {between.host}"
    by = "an sshd each on loopback" if found.ports else "Ansible's local connection"
    return f"folders of this machine, reached by {by}; they have no network namespaces, since {between.why_not}"


def main() -> int:
    """Tell the story; the exit code is 1 if a chapter ends otherwise than it should."""
    # Whoever ends it leaves as little behind as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    place = Place.read("A fleet of three boards.", Path("demo-fleet-output"))
    start, told = time.monotonic(), list[Json]()
    try:
        prepare(place)
        with contextlib.closing(chapters(place)) as story:
            for number, (name, chapter) in enumerate(story, 1):
                say(f"\n== {number}. {name}")
                began = time.monotonic()
                told.append({"chapter": name, **chapter(), "seconds": round(time.monotonic() - began, 1)})
    except DemoError as error:
        say(f"\ndemo stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo ended")
        return 130
    say(f"\ndone in {time.monotonic() - start:.0f} s; the page of the fleet: {place.page}")
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
