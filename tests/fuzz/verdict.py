"""Whether a command ended as it should, whatever its input was: an answer that makes sense, or one error line."""

from __future__ import annotations

import json
import math
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from fuzz import traces
from fuzz.case import Case
from support.commands import ERROR
from support.forked_command import Limits, Outcome, Room
from support.hostile import unseen

REFUSED, DIVERGED = 2, 3
_NO_NUMBER = re.compile(r"(?<![\w.\x27\x22])-?(nan|inf|infinity)\b", re.IGNORECASE)
# What people read in these is a document of another kind, with line ends of its own.
_OWN_LINE_ENDS = "\r\n"


def problems(case: Case, outcome: Outcome, before: traces.Listing, room: Room, limits: Limits) -> list[str]:
    """What is wrong with an ending, a line each; nothing if it is as it should be."""
    if case.may_be_slow and outcome.code in (-signal.SIGTERM, 128 + signal.SIGTERM):
        return []
    if outcome.stopped:
        return [outcome.stopped]
    if outcome.code < 0:
        return [f"ended by signal {-outcome.code}"]
    out, err = _text(outcome.out), _text(outcome.err)
    found = [] if outcome.peak_bytes <= limits.memory_bytes else [f"took {outcome.peak_bytes >> 20} MiB of memory"]
    if "Traceback (most recent call last)" in err:
        found.append(f"a traceback: {err.strip().splitlines()[-1][:200]}")
    if hidden := unseen((out + err).replace(_OWN_LINE_ENDS, "\n")):
        found.append(f"control characters on the terminal: {' '.join(sorted(set(hidden))[:8])}")
    if outcome.code == 0:
        found += _answer(case, out, err, room)
    elif outcome.code in (REFUSED, DIVERGED):
        found += _refusal(err)
    elif not found:
        found.append(f"exit code {outcome.code}")
    return found + traces.problems(case, before, room, ended_well=outcome.code == 0)


def _text(stream: bytes) -> str:
    return stream.decode("utf-8", "surrogateescape")


def _refusal(err: str) -> list[str]:
    """One error line and a hint, at the end, in words that do not blame the program for its input."""
    found = []
    if not ERROR.search(err):
        found.append(f"no error line and hint at the end, but {err[-200:]!r}")
    if err.count("error: ") > 1 and len(re.findall("^error: ", err, re.MULTILINE)) > 1:
        found.append("more than one error line")
    if "defect of" in err:
        found.append("calls bad input a defect of its own")
    return found


def _answer(case: Case, out: str, err: str, room: Room) -> list[str]:
    """What is wrong with an answer; most that is odd may also be right."""
    if case.must_refuse:
        return ["answered what it had to refuse"]
    found = []
    if re.search("^error: ", err, re.MULTILINE):
        found.append("an error line, and exit code 0")
    if word := _NO_NUMBER.search(out + err):
        found.append(f"'{word[0]}' where a number should be")
    if case.as_if_whole and out != case.as_if_whole.read_text():
        found.append("another answer than that of the whole input")
    if case.in_json:
        try:
            answer = json.loads(out, parse_constant=_no_constant)
        except ValueError as error:
            return [*found, f"no JSON: {error}"]
        found += _figures(case, answer, err)
    if case.state_as_if_whole or case.learns_from:
        found += _trained(case, room)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _figures(case: Case, answer: Any, err: str) -> list[str]:
    match case.command:
        case "predict":
            return _predictions(case, answer, err)
        case "eval":
            loss, accuracy = answer["loss"], answer["accuracy"]
            fits = loss is not None and loss >= 0 and 0 <= accuracy <= 1 and answer["images"] > 0
            return [] if fits else [f"loss {loss}, accuracy {accuracy} of {answer['images']} images"]
        case "train":
            losses = [answer["loss_after"]] if answer["validation_images"] else []
            fits = all(loss is not None and math.isfinite(loss) and loss > 0 for loss in losses)
            return [] if fits else [f"ended with loss {losses}"]
        case _:
            return []


def _predictions(case: Case, answer: list[dict[str, Any]], err: str) -> list[str]:
    found = [
        f"probability {each['probability']}"
        for each in answer
        if not isinstance(each["probability"], float) or not 0 < each["probability"] <= 1 + 1e-6
    ]
    skipped = err.count("skipped ")
    if case.pictures is not None and len(answer) + skipped != case.pictures:
        found.append(f"{len(answer)} answers and {skipped} skipped of {case.pictures} images")
    if not answer:
        found.append("no answer at all, and exit code 0")
    return found[:3]


def _trained(case: Case, room: Room) -> list[str]:
    """Whether the state is finite, and as it should be, or at least another than at the start."""
    state = room.work / case.outputs[0] / "state.safetensors"
    try:
        tensors = load_file(state)
    except (OSError, SafetensorError) as error:
        return [f"no state that can be read: {error}"]
    endless = [name for name, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if endless:
        return [f"not finite in the state: {', '.join(endless[:3])}"]
    if case.state_as_if_whole:
        return _differences(tensors, load_file(case.state_as_if_whole))
    return _learned(tensors, load_file(room.work / str(case.learns_from) / "weights.safetensors"))


def _differences(tensors: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    names = [
        name
        for name in tensors.keys() | expected.keys()
        if name not in tensors or name not in expected or tensors[name].tobytes() != expected[name].tobytes()
    ]
    return [f"another state than that of the undisturbed run: {', '.join(sorted(names)[:3])}"] if names else []


def _learned(tensors: dict[str, np.ndarray], base: dict[str, np.ndarray]) -> list[str]:
    pairs = [
        (value, base[name.removeprefix("current/")])
        for name, value in tensors.items()
        if name.removeprefix("current/") in base
    ]
    if pairs and all(value.tobytes() == before.tobytes() for value, before in pairs):
        return ["training ended well and trained nothing"]
    return []


def saved(path: Path, case: Case, found: list[str], outcome: Outcome) -> None:
    """Write what is wrong with a case beside its input."""
    words = [f"what: {case.what}", f"command: tbft-edge {' '.join(map(ascii, case.arguments))}", *found]
    ended = f"exit code {outcome.code} after {outcome.seconds:.1f} s, at most {outcome.peak_bytes >> 20} MiB"
    path.write_text("\n".join([*words, ended, ""]), encoding="utf-8", errors="backslashreplace")
