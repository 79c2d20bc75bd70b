"""`tbft-edge train`: fine-tune a bundle, on the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tbft_artifacts.manifest import BatchNormPolicy
from tbft_edge.console import JsonOption, ThreadsOption, extra, memory_size, percent, print_json, print_table, say, size

if TYPE_CHECKING:
    from tbft_runtime import Progress, TrainResult
    from tbft_runtime.timing import Latency
    from tbft_runtime.training.boundary import CacheResult

CacheChoice = Literal["auto", "fp32", "fp16", "off"]
PlaceChoice = Literal["auto", "disk", "ram"]
_WHERE = {"disk": "on the disk", "ram": "in memory"}


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, made by 'tbft-edge export'.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Training images: an .npz with images (N, H, W, 3) uint8 and labels (-1: none), or a folder with a "
            "folder of JPEG or PNG files per class, and perhaps one named 'unlabelled'."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run: its state after each epoch, and its result.")],
    val: Annotated[Path | None, typer.Option(help="Validation images; otherwise a part of --data is held out.")] = None,
    val_fraction: Annotated[float | None, typer.Option(help="Part of --data to validate on. Default: 0.15.")] = None,
    plan: Annotated[str | None, typer.Option(help="Which plan, if the bundle has several.")] = None,
    bn: Annotated[
        BatchNormPolicy | None,
        typer.Option(help="Batch norms; adapt re-estimates their statistics first, and needs no labels."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=0, help="How many at most. Default: 10. 0 with --bn adapt trains nothing.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; the bundle's by default.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum, or beta1; the bundle's by default.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay; the bundle's by default.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step; the bundle's by default.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many epochs without a better one. Default: 5.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides split and order of the images. Default: 0.")] = None,
    threads: ThreadsOption = None,
    cache: Annotated[
        CacheChoice,
        typer.Option(
            help="Keep the activations before the first trained layer: exactly (fp32), in half the space (fp16), or "
            "compute them again each epoch (off). auto: fp32."
        ),
    ] = "auto",
    cache_in: Annotated[
        PlaceChoice,
        typer.Option(help="Where: in the run folder or in memory, at most a quarter of what is free. auto: disk."),
    ] = "auto",
    memory_budget: Annotated[
        str | None,
        typer.Option(
            help="Stay within this much memory, such as 256MB: chooses images per pass, threads and place of the cache."
        ),
    ] = None,
    metrics_file: Annotated[
        Path | None,
        typer.Option(help="Keep the run's figures in this .prom file, for a Prometheus node exporter's text files."),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Run some more steps afterwards and report the time per operator and layer."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out after its last whole epoch, if there is one.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fine-tune the trainable block on local images, keep the best validation state, and report.

    The state is saved after each epoch; a run that was interrupted in any way continues with --resume.
    """
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime import Together, TrainOptions, train

        options = TrainOptions(
            data=data,
            out=out,
            validation=val,
            val_fraction=val_fraction,
            plan=plan,
            batch_norm=bn,
            epochs=epochs,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
            threads=threads,
            cache=None if cache == "auto" else cache,
            cache_in=None if cache_in == "auto" else cache_in,
            memory_budget=None if memory_budget is None else memory_size(memory_budget, "--memory-budget"),
            profile=profile,
            resume=resume,
        )
        try:
            with ConsoleProgress() as console, _metrics(metrics_file, console.note) as metrics:
                result = train(bundle, options, Together(console, metrics))
        except KeyboardInterrupt:
            say(f"interrupted; '{out}' keeps every whole epoch. Continue with the same command and --resume")
            raise
    if json:
        print_json(result)
    else:
        _print(result)
        if profile:
            _print_profile(out)


def _metrics(path: Path | None, note: Callable[[str], None]) -> AbstractContextManager[Progress]:
    """What keeps the file, if one is asked for; the package that writes it is loaded only then."""
    if path is None:
        from tbft_runtime import Silent

        return nullcontext(Silent())
    from tbft_runtime import MetricsFile

    return MetricsFile(path, note)


def _print(result: TrainResult) -> None:
    trained = ", ".join(result.blocks) or "nothing (batch-norm statistics re-estimated)"
    print_table(
        f"{result.drift} drift: trained {trained}",
        ["", "before", "after"],
        [
            ["validation accuracy", percent(result.accuracy_before), percent(result.accuracy_after)],
            ["validation loss", _number(result.loss_before, ".4f"), _number(result.loss_after, ".4f")],
        ],
        numbers=True,
    )
    rows = [
        ["best epoch", f"{result.best_epoch} of {result.epochs} (stopped: {result.stopped})"],
        [
            "images",
            f"{result.train_images} trained, {result.validation_images} validated, "
            f"{result.unlabelled_images} unlabelled, {len(result.skipped_images)} unreadable",
        ],
        ["time in epochs", f"{result.train_seconds:.1f} s"],
        *([name, _latency(latency)] for name, latency in result.latency.items()),
        ["throughput", f"{_number(result.images_per_second, '.0f')} images/s on {result.threads} threads"],
        ["computed with", _execution(result)],
        ["activation cache", _cache(result.cache)],
        ["peak memory", f"{size(result.peak_memory_bytes)} ({size(result.memory.total)} predicted)"],
        ["energy", "unavailable (no meter)"],
    ]
    print_table("Run", ["", "value"], rows)
    if result.is_worse:
        say("the best state is worse than the base model; 'finalize' will refuse it without --allow-worse")
    say(f"next: tbft-edge finalize {result.run} --out model.onnx")


def _print_profile(run: Path) -> None:
    """The report has one unless a note said why not."""
    from tbft_edge.profile_tables import print_profile
    from tbft_runtime.reporting.read import read_report

    found = read_report(run).profile
    if found is not None:
        print_profile(found)


def _execution(result: TrainResult) -> str:
    execution = result.execution
    parts = [f"{execution.gradient_form} gradients"]
    if result.batch_norm != "batch":
        parts.append(f"{execution.micro_batch} images at once per thread")
    if execution.prefix_form is not None:
        parts.append(f"{execution.prefix_form} frozen part")
    return f"{', '.join(parts)} ({'as measured by tune' if result.tuned else 'default'})"


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms"


def _cache(cache: CacheResult) -> str:
    if cache.place is None:
        return f"off: {cache.reason}"
    return (
        f"{cache.cached_images:,} of {cache.images:,} images, {cache.format} {_WHERE[cache.place]}, {size(cache.bytes)}"
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
