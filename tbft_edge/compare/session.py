"""`compare`: from bundles and images to results, pages and run folders in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_edge.compare.entries import Entry, open_entries
from tbft_edge.compare.options import (
    ComparisonSettings,
    Options,
    check_settings,
    forget_settings,
    settings_of,
    write_settings,
)
from tbft_edge.compare.results import Results, write_results
from tbft_edge.compare.runs import Evaluated, RunEnded, before_training, run_all
from tbft_edge.compare.summary import summarize
from tbft_edge.console import say
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.meters.registry import choose
from tbft_runtime.run.folder import RunFolder

RESULTS = "comparison.json"


def compare_methods(
    bundles: Sequence[Path], options: Options, on_run: Callable[[RunEnded], None], expected: Sequence[str | None]
) -> Results:
    """Run what `options.out` does not hold yet, and write the results there.

    `expected` is the id that each bundle must have, or None. Raises TbftError for bad input, before anything is
    trained; for a folder that holds something else; and if no run ends well. What ended is kept.
    """
    entries = open_entries(bundles, expected, options.also)
    choose(options.meter, THIS_BOARD)
    settings = settings_of(options, entries)
    # Its lock keeps a second call out, as that of a run does.
    folder = RunFolder(options.out)
    if folder.is_run:
        raise TbftError(f"'{options.out}' is the folder of a run", "choose another --out")
    folder.create()
    with folder.lock(say):
        check_settings(settings, options.out)
        before = _before(options, settings, entries)
        write_settings(settings, options.out)
        runs = run_all(options, entries, on_run)
        if all(run.outcome.failed and not run.outcome.diverged for run in runs):
            forget_settings(options.out)
        results = summarize(options, settings, runs, before)
        write_results(results, options.out / RESULTS)
    return results


def _before(options: Options, settings: ComparisonSettings, entries: Sequence[Entry]) -> dict[str, Evaluated | None]:
    """Each bundle by its id as it is; None where accuracy is that of the run's own validation."""
    bundles = {entry.bundle_id: entry.bundle for entry in entries}
    if options.test is None:
        return dict.fromkeys(bundles, None)
    kept = options.out / "before"
    return {
        bundle_id: before_training(
            options, options.test, path, bundle_id, kept / f"{bundle_id[:16]}-{settings.test}.json"
        )
        for bundle_id, path in bundles.items()
    }
