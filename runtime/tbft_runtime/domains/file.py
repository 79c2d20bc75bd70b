"""The file of a bank: what it says, and of each domain its statistics and the tensors that its run changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.stamp import Stamp
from tbft_artifacts.words import printable
from tbft_runtime.domains.record import FORMAT, BankRecord, BankSummary, DomainRecord, DomainSummary
from tbft_runtime.domains.statistics import Statistics
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import check_finite
from tbft_runtime.run.base import check_tensor

SUFFIX = ".bank"
# More domains than anybody tells apart, and more bytes than a board has room for.
MOST_DOMAINS, _LARGEST = 1000, 1 << 30
_METADATA, _METADATA_LIMIT = "bank", 16 * MIB
# As that of a run's state: in the metadata, JSON is a string of JSON.
_STAMP = Stamp(rb"{\"sha256\":\"", last=False)
_AGAIN = "copy the bank again, or make it again from its runs"
_MEAN, _COVARIANCE, _SCATTER, _CHANGED = "mean", "covariance", "scatter", "changed/"


class _Version(msgspec.Struct):
    """The one field that every format has."""

    format: int


@dataclass(frozen=True)
class Domain:
    """One of a bank's domains: what it looks like, and which of the bundle's tensors are others there."""

    record: DomainRecord
    statistics: Statistics
    changed: Tensors

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """All of it, as it is stored."""
        found = self.statistics
        return {
            _MEAN: found.mean.astype(np.float32),
            _COVARIANCE: found.covariance.astype(np.float32),
            _SCATTER: np.array([found.level, found.spread], np.float32),
            **{f"{_CHANGED}{name}": np.ascontiguousarray(value) for name, value in self.changed.items()},
        }


@dataclass(frozen=True)
class BankFile:
    """What is in the file at `path`; nothing of it was held against the bundle yet."""

    path: Path
    record: BankRecord
    tensors: Tensors

    @property
    def summary(self) -> BankSummary:
        """What is listed of it."""
        return BankSummary(
            bank=printable(self.path),
            bundle=self.record.bundle,
            bundle_id=self.record.bundle_id,
            domains=tuple(
                DomainSummary(
                    each.name,
                    each.plan,
                    each.images,
                    each.accuracy,
                    sum(value.nbytes for value in self._of(number).values()),
                )
                for number, each in enumerate(self.record.domains)
            ),
        )

    @property
    def plans(self) -> set[str]:
        """Those that its runs trained, by their ids."""
        return {domain.plan for domain in self.record.domains}

    def domains(self, own: Tensors, size: int) -> list[Domain]:
        """Each domain, whose statistics are of `size` numbers, and whose tensors have a place among the bundle's `own`.

        Raises TbftError for what has not.
        """
        return [self._domain(number, each, own, size) for number, each in enumerate(self.record.domains)]

    def _of(self, number: int) -> dict[str, np.ndarray]:
        prefix = f"{number}/"
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}

    def _domain(self, number: int, record: DomainRecord, own: Tensors, size: int) -> Domain:
        mine = self._of(number)
        for name, shape in ((_MEAN, (size,)), (_COVARIANCE, (size, size)), (_SCATTER, (2,))):
            if name not in mine or mine[name].shape != shape or mine[name].dtype != np.float32:
                raise damaged(self.path, f"domain '{record.name}' has no '{name}' of shape {shape}")
        mean, covariance, scatter = (mine.pop(name).astype(np.float64) for name in (_MEAN, _COVARIANCE, _SCATTER))
        changed = {name.removeprefix(_CHANGED): value for name, value in mine.items()}
        for name, value in changed.items():
            fault = check_tensor(name, value, own[name]) if name in own else f"'{name}', which the bundle lacks"
            if fault is not None:
                raise damaged(self.path, f"domain '{record.name}' has {fault}")
        try:
            statistics = Statistics(mean, covariance, record.images, *map(float, scatter))
        except np.linalg.LinAlgError as error:
            raise damaged(self.path, f"the covariance of domain '{record.name}' is none") from error
        if scatter.min() <= 0:
            raise damaged(self.path, f"distances in domain '{record.name}' do not scatter")
        return Domain(record, statistics, changed)


def read_bank(path: Path) -> BankFile:
    """Raises TbftError for a file that is none, was changed since it was written, or holds what are no numbers."""
    try:
        content = read_at_most(path, _LARGEST)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        tensors = load(content)
        said = _metadata(content)
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"'{path}' is no bank that can be read: {error}", _AGAIN) from error
    failed = f"'{path}' is no bank that can be read"
    version = decode(said, _Version, _METADATA_LIMIT, failed=failed, hint=_AGAIN).format
    if version > FORMAT:
        raise TbftError(f"bank '{path}' has format {version}, newer than {FORMAT}", "upgrade tbft-edge on this device")
    if not _STAMP.fits(BytesIO(content)):
        raise damaged(path, "its content is not what was written")
    record = decode(said, BankRecord, _METADATA_LIMIT, failed=failed, hint=_AGAIN)
    names = [domain.name for domain in record.domains]
    if len(set(names)) != len(names) or not 0 < len(names) <= MOST_DOMAINS:
        raise damaged(path, "its domains are none, too many, or not told apart by their names")
    check_finite(tensors, f"bank '{path}'", _AGAIN)
    return BankFile(path, record, tensors)


def write_bank(path: Path, bundle: str, bundle_id: str, domains: Mapping[str, Domain]) -> None:
    """Write it atomically. Raises TbftError where it cannot be written."""
    record = BankRecord(bundle=bundle, bundle_id=bundle_id, domains=tuple(each.record for each in domains.values()))
    tensors = {
        f"{number}/{name}": value
        for number, domain in enumerate(domains.values())
        for name, value in domain.tensors.items()
    }
    with atomic_file(path) as temporary:
        temporary.write_bytes(save(tensors, {_METADATA: msgspec.json.encode(record).decode()}))
        _STAMP.put(temporary)


def _metadata(content: bytes) -> str:
    """What stands beside the tensors of a safetensors file: its header's length (8 bytes), its header, its tensors."""
    length = int.from_bytes(content[:8], "little")
    return str(msgspec.json.decode(content[8 : 8 + length])["__metadata__"][_METADATA])


def damaged(path: Path, why: str) -> TbftError:
    """That the bank at `path` cannot be what was written."""
    return TbftError(f"bank '{path}' is damaged: {why}", _AGAIN)
