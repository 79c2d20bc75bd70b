"""Where results come from: a file or folder, and a hash of what it held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The name, without its folder, and the hash; where results came from no file, the words for it and no hash.

    Files of results hold it in words, `photos.npz (0123456789abcdef)`.
    """

    name: str
    digest: str = ""

    @classmethod
    def of(cls, path: Path, digest: str) -> Origin:
        """That of a file or folder whose content has this hash."""
        return cls(path.resolve().name, digest)

    @classmethod
    def read(cls, words: str) -> Origin:
        """What `str` made words of. A name may hold brackets, a hash none."""
        name, opening, digest = words.rpartition(" (")
        return cls(name, digest.removesuffix(")")) if opening and digest.endswith(")") else cls(words)

    def __str__(self) -> str:
        return f"{self.name} ({self.digest})" if self.digest else self.name
