"""Command lines of cases: short ones, and each prints what can be checked."""

from __future__ import annotations

from random import Random

from fuzz.case import Case
from fuzz.desk import EPOCHS, PICTURES, Desk

_ONE_THREAD = ("--threads", "1")


def inspect(what: str, bundle: str) -> Case:
    return Case(what, ("inspect", bundle))


def predict(what: str, desk: Desk, model: str) -> Case:
    arguments = ("predict", model, str(desk.photos), *_ONE_THREAD, "--json")
    return Case(what, arguments, pictures=PICTURES)


def predict_aloud(what: str, desk: Desk, model: str) -> Case:
    """In words, for people."""
    return Case(what, ("predict", model, str(desk.photos), *_ONE_THREAD))


def evaluate(what: str, desk: Desk, model: str) -> Case:
    return Case(what, ("eval", model, "--data", str(desk.data), *_ONE_THREAD, "--json"))


def train(what: str, desk: Desk, bundle: str, *options: str, data: str | None = None) -> Case:
    """One epoch, a new run."""
    arguments = ("train", bundle, "--data", data or str(desk.data), "--out", "run", "--epochs", "1", *_ONE_THREAD)
    return Case(what, (*arguments, *options, "--json"), outputs=("run",))


def resume(what: str, desk: Desk, run: str = "run") -> Case:
    """Go on with a run that is a copy of the half one."""
    arguments = ("train", str(desk.bundle()), "--data", str(desk.data), "--out", run, "--epochs", str(EPOCHS))
    return Case(what, (*arguments, *_ONE_THREAD, "--resume", "--json"), outputs=(run,))


def any_of_bundle(what: str, desk: Desk, bundle: str, rng: Random) -> Case:
    """One of the commands that read a bundle; most often those that read most of it."""
    match rng.randrange(10):
        case 0 | 1:
            return inspect(what, bundle)
        case 2 | 3:
            return predict(what, desk, bundle)
        case 4:
            return predict_aloud(what, desk, bundle)
        case 5:
            return evaluate(what, desk, bundle)
        case 6:
            arguments = ("diagnose", bundle, "--data", str(desk.data), "--samples", "20", *_ONE_THREAD, "--json")
            return Case(what, arguments)
        case _:
            return train(what, desk, bundle)


def any_of_model(what: str, desk: Desk, model: str, rng: Random) -> Case:
    """`predict` or `eval`."""
    return rng.choice((predict, predict, predict_aloud, evaluate))(what, desk, model)
