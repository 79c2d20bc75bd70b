"""`base`: what a new run begins with, from an earlier run or a file, and what a run goes on with that began so."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.stored_paths import stored as stored_path
from tbft_runtime.progress import Progress
from tbft_runtime.run.base import continued, keep_base
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import differs
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.training.begun import begun_from


def going_on(
    bundle: Bundle, options: TrainOptions, folder: RunFolder, stored: RunFile | None, progress: Progress
) -> tuple[Bundle, Base | None]:
    """The bundle with the weights that a run begins with, and where they came from; None if they are its own.

    Of a new run they are written into its folder; one that goes on (`stored`) needs nothing but that file. Raises
    TbftError as `begun_from` does, and if `options` name another base than the run began with.
    """
    if stored is not None:
        source = None if stored.base is None else stored.base.source
        given = None if options.base is None else stored_path(Path(options.base).resolve())
        if given not in (None, source):
            raise differs("base", given, "the bundle's own weights" if source is None else source, options)
        return continued(bundle.with_classes(stored.added), folder, stored), stored.base
    if options.base is None:
        # Of a start that came to nothing.
        folder.base_file.unlink(missing_ok=True)
        return bundle, None
    begun = begun_from(bundle, Path(options.base))
    base = begun.base(keep_base(begun.bundle.changed, folder))
    progress.note(_told(base, begun.bundle))
    return begun.bundle, base


def _told(base: Base, begun: Bundle) -> str:
    """A line about it."""
    known = [] if base.plan is None else [f"plan {base.plan}"]
    known += [] if base.accuracy is None else [f"accuracy {base.accuracy:.1%}"]
    of_run = f" ({', '.join(known)})" if known else ""
    changed = len(begun.changed)
    tensors = "1 tensor is" if changed == 1 else f"{changed} tensors are"
    return f"goes on from '{base.shown}'{of_run}: {tensors} not the bundle's own"
