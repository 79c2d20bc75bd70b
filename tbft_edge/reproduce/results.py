"""What a suite gives: its records, where they come from, and the file that keeps them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_edge.origin import Origin
from tbft_edge.reproduce.blocks import PaperBlock
from tbft_edge.reproduce.scenario import Scenario
from tbft_edge.reproduce.trial import Record

FORMAT = 1
# A hundred runs are some hundred kB.
LIMIT = 64 * MIB
# What `weights` begins with where the network was trained first.
TRAINED_ON = "trained on "


class CaseSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A drift of the suite, what the paper trains for it, and how many images its accuracies are fractions of.

    In a suite of scenarios also in which it stands.
    """

    name: str
    target: PaperBlock
    test_images: int
    scenario: Scenario | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Every number of a suite. `versions` are packages of both environments.

    `data` and `weights` are the words for the `Origin` of what it ran on; those of a network that was trained first
    are of its images, behind `TRAINED_ON`.

    `jobs` trials ran at a time, with `threads` threads each, on `machine`.
    """

    format: int
    suite: str
    preset: str
    data: str
    weights: str
    machine: str
    jobs: int
    threads: int
    meter: str
    versions: dict[str, str]
    cases: tuple[CaseSummary, ...]
    records: tuple[Record, ...]

    @property
    def data_file(self) -> str:
        """The name of the data, without the hash."""
        return Origin.read(self.data).name

    @property
    def trained_first(self) -> bool:
        """Whether the network was trained before, on images that are known."""
        return self.weights.startswith(TRAINED_ON)

    @property
    def network_file(self) -> str:
        """The name of the weights, or where they were trained first, of the images for that."""
        return Origin.read(self.weights.removeprefix(TRAINED_ON)).name


def write_results(results: Results, path: Path) -> None:
    """Write them as indented JSON, all or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_results(path: Path) -> Results:
    """Raises TbftError if `path` holds no results that this version reads."""
    try:
        content = read_at_most(path, LIMIT)
    except OSError as error:
        raise TbftError(f"results '{path}' cannot be read: {error.strerror}", "run 'tbft-edge reproduce'") from error
    results = decode(
        content, Results, LIMIT, failed=f"'{path}' holds no results", hint="run 'tbft-edge reproduce' again"
    )
    if results.format != FORMAT:
        raise TbftError(
            f"'{path}' has results of format {results.format}, and this version reads {FORMAT}",
            "run 'tbft-edge reproduce' again",
        )
    return results
