"""A case: some input that was tampered with, a command that reads it, and what may come of that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A command line to run in the folder that holds its input; paths are relative to that."""

    what: str
    """What was done to the input, in words."""
    arguments: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    """Files and folders that the command may make or change."""
    may_be_slow: bool = False
    """Whether it may take longer than anyone waits, if signals end it."""
    must_refuse: bool = False
    """Whether no answer would be right: the input asks for what nobody may have."""
    pictures: int | None = None
    """How many images `predict` has to answer for or name as skipped; None: unknown."""
    as_if_whole: Path | None = None
    """What the undisturbed command wrote on stdout: whoever answers must answer just so."""
    state_as_if_whole: Path | None = None
    """The state of the undisturbed run: whoever ends well must end with these tensors, bit for bit."""
    learns_from: str | None = None
    """The bundle folder whose weights must have changed, if training ended well."""

    @property
    def command(self) -> str:
        """The sub-command."""
        return self.arguments[0]

    @property
    def in_json(self) -> bool:
        """Whether stdout is JSON."""
        return "--json" in self.arguments
