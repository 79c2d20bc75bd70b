"""What a run knows of the features of all its classes: the source's moments, and those of what was learned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors.numpy import save

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_runtime.heads.source_domain import SourceDomain, stored_source
from tbft_runtime.run.folder import RunFolder

# Ten thousand classes of 4,096 features have less.
_LIMIT = 512 * MIB


def keep_moments(domain: SourceDomain, folder: RunFolder) -> str:
    """Write them into the run's folder; the sha256 (hex) of the file. Raises TbftError if the disk is full."""
    content = save(dict(sorted(stored_source(domain).items())))
    with atomic_file(folder.moments_file, mode=folder.mode) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def moments_of(run: Path | None) -> bytes | None:
    """What the run in that folder keeps, if it learned a head in one pass. Raises TbftError for a damaged file."""
    if run is None or not run.is_dir():
        return None
    folder = RunFolder(run)
    stored = folder.read_run()
    known = None if stored is None or stored.learned is None else stored.learned.moments
    if known is None:
        return None
    path = folder.moments_file
    try:
        content = read_at_most(path, _LIMIT)
    except OSError as error:
        raise TbftError(f"'{path}' cannot be read: {error.strerror}", "put it back, or learn without `base`") from error
    if hashlib.sha256(content).hexdigest() != known:
        raise TbftError(f"'{path}' is damaged: its content is not what was written", "put it back, or learn again")
    return content
