"""Which of the tensors in a checkpoint are a network's, and under which names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

# Where training scripts commonly put the state dict inside a checkpoint; averaged weights come last.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "params")
_AVERAGED = ("model_ema", "ema_state_dict", "state_dict_ema", "params_ema", "ema")
# What wrappers of modules put ahead of names: DataParallel, torch.compile, Lightning and averaged models.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "ema.", "ema_model.", "model_ema.")
COUNTER = "num_batches_tracked"
_DEEPEST = 4


@dataclass(frozen=True)
class Named:
    """Tensors by the names that a network may have for them, and where in a checkpoint they lie."""

    tensors: Mapping[str, Tensor]
    place: str
    is_average: bool

    def holds(self, expected: frozenset[str]) -> bool:
        """Whether every tensor that the network has is there; counters of batches are not needed."""
        return all(name in self.tensors for name in expected if not name.endswith(COUNTER))


def find_tensors(content: object, expected: frozenset[str]) -> tuple[Named | None, str]:
    """The tensors of a network whose state has the names `expected`, and a note where there are two sets of them.

    Names are tried as they are first, then without what wrappers put ahead of them, and weights as they were trained
    before averaged ones. None where nothing has all names; without `expected` the first that there is.
    """
    fitting = [named for state in _states(content) for named in _variants(state, expected) if named.holds(expected)]
    fitting.sort(key=lambda named: named.is_average)
    if not fitting:
        return None, ""
    taken = fitting[0]
    others = [named for named in fitting[1:] if named.is_average != taken.is_average]
    if not others:
        return taken, ""
    return taken, f"weights are those of {taken.place}; there are averaged ones, too, in {others[0].place}"


def first_tensors(content: object) -> Named | None:
    """The first tensors in a checkpoint, to say what does not fit: without what is ahead of all of their names."""
    states = sorted(_states(content), key=lambda named: named.is_average)
    if not states:
        return None
    tensors = states[0].tensors
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return Named(tensors, states[0].place, states[0].is_average)


def _states(content: object, place: str = "", depth: int = 0, *, is_average: bool = False) -> Iterator[Named]:
    """What holds tensors by name: inside wrappers first, as deep as those go."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    for key in (*_WRAPPERS, *_AVERAGED):
        inner = f"{place}['{key}']"
        yield from _states(content.get(key), inner, depth + 1, is_average=is_average or key in _AVERAGED)
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield Named(tensors, place or "the file", is_average)


def _variants(state: Named, expected: frozenset[str]) -> Iterator[Named]:
    """`state` as it is, then without each prefix that some of its names have; what lacks it is no part of it then."""
    waiting = [("", state)]
    while waiting:
        ahead, named = waiting.pop(0)
        yield named
        for prefix in _PREFIXES:
            inside = {
                name.removeprefix(prefix): tensor for name, tensor in named.tensors.items() if name.startswith(prefix)
            }
            if inside and len(inside) >= len(expected) / 2:  # Half may be counters.
                average = named.is_average or "ema" in prefix
                place = f"'{ahead}{prefix}…'" if state.place == "the file" else f"{state.place} '{ahead}{prefix}…'"
                waiting.append((f"{ahead}{prefix}", Named(inside, place, average)))


def common_prefix(tensors: Mapping[str, object], expected: frozenset[str]) -> str:
    """What all of `expected` have ahead of them among `tensors`; nothing where that does not make them fit."""
    if not expected:
        return ""
    first = min(expected)
    for name in tensors:
        prefix = name.removesuffix(first)
        if prefix and prefix != name and all(f"{prefix}{each}" in tensors for each in expected):
            return prefix
    return ""
