"""Modules that hold exactly some parameters: how people speak of a part of a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import is_inside


def modules_around(name: str) -> list[str]:
    """The modules that a parameter is in, from the outermost to the parameter itself."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


class Modules:
    """The modules that the names of all parameters of a network spell."""

    def __init__(self, parameters: Sequence[str]) -> None:
        self._parameters = parameters
        self._held = Counter(module for name in parameters for module in modules_around(name))

    def spell(self, parameters: Collection[str]) -> tuple[str, ...]:
        """The fewest modules that hold exactly these parameters, in the order of the graph.

        A parameter whose modules hold others, too, stands for itself.
        """
        chosen = frozenset(parameters)
        inside = Counter(module for name in chosen for module in modules_around(name))
        return tuple(
            dict.fromkeys(
                next(module for module in modules_around(name) if inside[module] == self._held[module])
                for name in self._parameters
                if name in chosen
            )
        )

    def block(self, parameters: Collection[str]) -> str | None:
        """The module that holds exactly these parameters, None where none does.

        Of several the outermost that is numbered, or in a list of lists the one inside (`blocks.0.0`).
        """
        spelt = self.spell(parameters)
        if len(spelt) != 1:
            return None
        name = next(name for name in self._parameters if name in parameters)
        exact = [module for module in modules_around(name) if self._held[module] == len(set(parameters))]
        numbered = [module.rpartition(".")[2].isdecimal() for module in exact]
        if True not in numbered:
            return exact[0]
        first = numbered.index(True)
        return exact[[*numbered, False].index(False, first) - 1]

    def shared(self, before: Collection[str], behind: Collection[str]) -> int:
        """How deep the innermost module lies that has parameters on both sides; 0 where none has."""
        shared = {module for name in before for module in modules_around(name)[:-1]}
        shared &= {module for name in behind for module in modules_around(name)[:-1]}
        return max((module.count(".") + 1 for module in shared), default=0)


def outermost(parameters: Sequence[str]) -> tuple[str, ...]:
    """The outermost modules that do not hold every parameter."""
    whole = {module for name in parameters[:1] for module in modules_around(name)[:-1]}
    whole = {module for module in whole if all(is_inside(name, module) for name in parameters)}
    return tuple(
        dict.fromkeys(next(module for module in modules_around(name) if module not in whole) for name in parameters)
    )


def select(parameters: Sequence[str], blocks: Sequence[str], known: Sequence[str]) -> list[str]:
    """The parameters inside `blocks`, in the order of `parameters`.

    Raises TbftError for a block that holds none; `known` are the names to offer.
    """
    for block in blocks:
        if not any(is_inside(name, block) for name in parameters):
            raise TbftError(f"the model has no block '{block}'", f"blocks: {', '.join(known)}")
    return [name for name in parameters if any(is_inside(name, block) for block in blocks)]
