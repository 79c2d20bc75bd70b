"""What is signed: an in-toto Statement, which names files by their content and says something of them.

in-toto Attestation Framework, Statement v1: https://github.com/in-toto/attestation
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from tbft_artifacts.structs import Sha256, Word

TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
# A run has a dozen files, a bundle one that lists the others.
_MOST_SUBJECTS = 1000


class Digest(msgspec.Struct, frozen=True):
    """Of a file's content."""

    sha256: Sha256


class Subject(msgspec.Struct, frozen=True):
    """A file that the statement is about."""

    name: Word
    digest: Digest


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """`predicate` is JSON of the type that `predicate_type` names."""

    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type", default=TYPE)
    subject: Annotated[tuple[Subject, ...], Meta(max_length=_MOST_SUBJECTS)]
    predicate_type: Word = msgspec.field(name="predicateType")
    predicate: Raw
