"""What a comparison is asked to do, and the file that keeps a second call to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_edge import fingerprint
from tbft_edge.compare.entries import Also, Entry
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.board.watch import identify

_FILE = "settings.json"


@dataclass(frozen=True)
class Options:
    """Every entry is trained on `data` with seeds `seed` to `seed + repeats - 1`, for `epochs` at most.

    `test` are the images that accuracy is measured on; None: those that `train` holds out of `data`. Ways asked for
    `also` stand beside the plans.
    """

    data: Path
    test: Path | None
    out: Path
    repeats: int
    seed: int
    epochs: int
    threads: int
    val_fraction: float
    meter: str
    also: tuple[Also, ...] = ()

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.repeats)


class ComparisonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what the runs in a folder give: bundles by id, data by hash, the board by its key."""

    bundles: tuple[str, ...]
    data: str
    test: str | None
    board: str
    seed: int
    epochs: int
    threads: int
    val_fraction: float
    meter: str
    also: tuple[Also, ...] = ()


def settings_of(options: Options, entries: Sequence[Entry]) -> ComparisonSettings:
    """Raises TbftError for data that cannot be read."""
    return ComparisonSettings(
        bundles=tuple(dict.fromkeys(entry.bundle_id for entry in entries)),
        data=fingerprint.of_data(options.data),
        test=None if options.test is None else fingerprint.of_data(options.test),
        board=identify(THIS_BOARD).key,
        seed=options.seed,
        epochs=options.epochs,
        threads=options.threads,
        val_fraction=options.val_fraction,
        meter=options.meter,
        also=options.also,
    )


def check_settings(settings: ComparisonSettings, out: Path) -> None:
    """Raises TbftError if the folder holds a comparison with other ones.

    More repeats are no other comparison: the runs that are there stay what they are.
    """
    file = out / _FILE
    failed, hint = f"'{file}' cannot be read", "compare again with another --out"
    try:
        content = read_at_most(file, MIB)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TbftError(f"{failed}: {error.strerror}", hint) from error
    before = decode(content, ComparisonSettings, MIB, failed=failed, hint=hint)
    for name in ComparisonSettings.__struct_fields__:
        if getattr(settings, name) != getattr(before, name):
            raise TbftError(_another(name, before, settings, out), "give the same options, or choose another --out")


def write_settings(settings: ComparisonSettings, out: Path) -> None:
    """From here on the folder belongs to a comparison with these."""
    with atomic_file(out / _FILE) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1))


def forget_settings(out: Path) -> None:
    """Let the next call have other ones, where nothing came of these."""
    (out / _FILE).unlink(missing_ok=True)


def _another(name: str, before: ComparisonSettings, now: ComparisonSettings, out: Path) -> str:
    if name == "board":
        return f"the comparison in '{out}' was begun on another board"
    if name == "bundles":
        return f"the comparison in '{out}' is of other bundles, or of the same in another order"
    option = f"--{name.replace('_', '-')}"
    if name in ("data", "test"):
        return f"{option} is not what it was for the comparison in '{out}'"
    return f"{option} {getattr(now, name)} differs from the comparison in '{out}', which has {getattr(before, name)}"
