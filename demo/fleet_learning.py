"""What digits mean changes for two boards of three: these learn together, and the third is left alone."""

from __future__ import annotations

from commands import Json, say
from fleet_ansible import Crew, came_out
from fleet_host import LEARNED, accuracy, all_run, check, derive, first_releases, release
from fleet_place import BOARDS, GROUPS, PORCH
from fleet_rounds import EPOCHS, ROUNDS, rounds, superlink


def learn(crew: Crew, enough: float) -> Json:
    """Labels change at the porch; each of its boards alone, and both together. `enough` is what the gate wants."""
    place = crew.place
    porch = [board for board in BOARDS if GROUPS[board] == PORCH]
    for board in porch:
        place.give_photos(board, "renamed")
    say("at the porch digits mean something else from now on, y is 9 - y; in the garden they are what they were")
    state = {board: crew.boards.state(board) for board in BOARDS}
    runs = {board: state[board] / "releases" / "current-bundle" for board in BOARDS}
    own = {
        board: accuracy(place, f"{board}: its own photos", runs[board], place.photos(board), crew.network.enter(board))
        for board in BOARDS
    }
    drifted = [board for board in BOARDS if own[board] < enough]
    check(drifted == porch, f"{drifted} drifted, and not {porch}")
    say(f"  {' and '.join(drifted)} are below {enough:.0%}: only they learn")
    before = accuracy(place, "what they run, on digits that no board has", runs[drifted[0]], place.held_out_renamed)
    options = ["--epochs", str(ROUNDS * EPOCHS), "--patience", str(ROUNDS * EPOCHS), "--threads", "1"]
    options += ["--meter", "none", "--starting-head", "kept"]
    with superlink(crew) as port:
        chosen = {"fleet_hosts": ",".join(drifted), "device_task": "alone", "device_train_options": options}
        crew.play_well("each of them learns alone", "train", **chosen)
        crew.take()
        alone = {
            board: accuracy(place, f"{board}, alone", state[board] / "runs" / "alone", place.held_out_renamed)
            for board in drifted
        }
        held = rounds(place, port)
    check(len(held) == ROUNDS, f"{len(held)} rounds were held, and not {ROUNDS}")
    for each in held:
        took_part = sorted(part["device"] for part in each["parts"])
        check(took_part == each["asked"] == drifted, f"{each['asked']} were asked, and {took_part} took part")
        say(f"  round {each['number']} of {' and '.join(took_part)}: {_carried(each)}")
    return {
        "own": own,
        "drifted": drifted,
        "before": before,
        "alone": alone,
        "took_part": [each["asked"] for each in held],
        "bytes": held[-1]["bytes"],
        "model_bytes": held[-1]["model_bytes"],
    }


def learned_release(crew: Crew) -> Json:
    """Merged weights go the way of every release: signed, in waves, behind the gates of each board, to one group."""
    place = crew.place
    merge = sorted(place.fleet.glob("merges/*/merge.safetensors"))[-1]
    bundle = derive(place, merge, place.out / "renamed.tar.gz")
    release(place, bundle, LEARNED, PORCH)
    delta = next((place.fleet / "repository" / "targets").glob(f"*release-{LEARNED:06}.delta-*"))
    size, whole = delta.stat().st_size, bundle.stat().st_size
    say(f"  {size:,} bytes of it are new to a board, of {whole:,}")
    came_out(crew.deploy("the release is offered to all, a canary first"))
    runs = all_run(crew, first_releases() | {board: LEARNED for board, group in GROUPS.items() if group == PORCH})
    say(f"  {', '.join(f'{board} runs release {number}' for board, number in runs.items())}")
    current = crew.boards.state(BOARDS[0]) / "releases" / "current-bundle"
    after = accuracy(place, "what the porch runs now, on digits that no board has", current, place.held_out_renamed)
    return {"after": after, "delta_bytes": size, "bundle_bytes": whole, "runs": runs}


def _carried(held: Json) -> str:
    return f"{held['bytes']:,} bytes to and from each, of {held['model_bytes']:,}"
