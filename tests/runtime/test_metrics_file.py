"""The Prometheus file of a run: true, whole at any moment, and nothing in it that is not known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.files import listing
from support.made_up_reports import made_up_epoch
from support.prometheus import samples, unheard, values
from support.runs import Recorder, fine_tune, state_of
from tbft_artifacts.errors import TbftError
from tbft_runtime import MetricsFile, Together, metrics_file
from tbft_runtime.energy.result import Vitals
from tbft_runtime.metrics_file import RunMetrics
from tbft_runtime.progress import Outline

OUTLINE = Outline(run="runs/a", plan="feature-frozen-sgd", drift="feature", epochs=4)
EPOCH = made_up_epoch(3, 1.5)
# Known of every run from its start.
ALWAYS = {
    "tbft_edge_info",
    "tbft_edge_running",
    "tbft_edge_epochs_planned",
    "tbft_edge_images_total",
    "tbft_edge_last_update_timestamp_seconds",
}


@contextmanager
def started(path: Path) -> Iterator[MetricsFile]:
    with MetricsFile(path, unheard) as metrics:
        metrics.started(OUTLINE)
        yield metrics


def test_a_run_ends_with_its_figures_in_the_file(tmp_path: Path, squares: Path) -> None:
    """Those of the last epoch and of the best one, every image in every epoch, and that it is over."""
    path, folder = tmp_path / "run.prom", tmp_path / "run"
    with MetricsFile(path, unheard) as metrics:
        result = fine_tune("feature-frozen", squares, folder, metrics, epochs=3)
    last = state_of(folder).epochs[-1]
    found = values(path)
    del found["last_update_timestamp_seconds"]
    assert found == {
        "info": 1,
        "running": 0,
        "epoch": 3,
        "epochs_planned": 3,
        "best_epoch": result.best_epoch,
        "images_total": 3 * result.train_images,
        "train_loss": last.train_loss,
        "train_accuracy_ratio": last.train_accuracy,
        "validation_loss": last.validation.loss,
        "validation_accuracy_ratio": last.validation.accuracy,
    }
    labels = {name: labels for name, (labels, _) in samples(path).items()}
    run = {"run": str(folder), "drift": "feature"}
    info = labels.pop("tbft_edge_info")
    assert info == run | {"plan": result.plan, "version": result.runtime["tbft-edge"]}
    assert all(each == run for each in labels.values())


def test_what_is_unknown_is_absent(tmp_path: Path) -> None:
    """At its start a run has no loss, no meter and no temperature; none of them reads 0."""
    path = tmp_path / "run.prom"
    with started(path) as metrics:
        assert samples(path).keys() == ALWAYS
        metrics.vitals(Vitals(celsius=61.5))
        metrics.resumed([], 0)
        assert samples(path).keys() == ALWAYS | {"tbft_edge_temperature_celsius"}


def test_vitals_have_units_and_a_source(tmp_path: Path) -> None:
    """Base units and counters by Prometheus' conventions, with the meter's name and whether it only estimates."""
    path = tmp_path / "run.prom"
    with started(path) as metrics:
        metrics.vitals(Vitals(watts=5.1, joules=12.5, celsius=61, throttled=(), meter="model:pi5", estimate=True))
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    assert {name for name, family in families.items() if family.type == "counter"} == {
        "tbft_edge_images",
        "tbft_edge_energy_joules",
    }
    assert all(family.documentation.endswith(".") for family in families.values())
    source = {"run": "runs/a", "drift": "feature", "meter": "model:pi5", "estimate": "true"}
    found = samples(path)
    assert found["tbft_edge_power_watts"] == (source, 5.1)
    assert found["tbft_edge_energy_joules_total"] == (source, 12.5)
    assert found["tbft_edge_throttled"][1] == 0


@pytest.mark.parametrize("throttled", [("under-voltage",), ("frequency capped", "soft temperature limit")])
def test_throttling_is_one_flag(throttled: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever the reason is."""
    path = tmp_path / "run.prom"
    with started(path) as metrics:
        metrics.vitals(Vitals(throttled=throttled))
    assert values(path)["throttled"] == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, TbftError("the disk is full", "free some space"), ValueError])
def test_a_run_that_fails_is_not_running(error: BaseException | type[BaseException], tmp_path: Path) -> None:
    """Its last figures stay."""
    path = tmp_path / "run.prom"

    def fail() -> None:
        with started(path) as metrics:
            metrics.epoch(EPOCH, 4, True)
            assert values(path)["running"] == 1
            raise error

    with pytest.raises(BaseException):  # noqa: B017, PT011  (every kind of it)
        fail()
    assert (values(path)["running"], values(path)["validation_loss"]) == (0, 0.25)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, squares: Path) -> None:
    """After Ctrl-C in epoch 3 and --resume the file begins with epoch 2, not with an empty history."""
    path, folder = tmp_path / "run.prom", tmp_path / "run"

    def interrupted() -> None:
        with MetricsFile(path, unheard) as metrics:
            both = Together(metrics, Recorder(interrupt_epoch=3, interrupt_after=1))
            fine_tune("output-frozen", squares, folder, both, epochs=3)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (values(path)["running"], values(path)["epoch"]) == (0, 2)

    resumed = tmp_path / "resumed.prom"
    with MetricsFile(resumed, unheard) as metrics:
        metrics.started(OUTLINE)
        metrics.resumed(state_of(folder).epochs, 1)
        assert (values(resumed)["epoch"], values(resumed)["best_epoch"]) == (2, 1)
    with MetricsFile(path, unheard) as metrics:
        fine_tune("output-frozen", squares, folder, metrics, epochs=3, resume=True)
    assert (values(path)["running"], values(path)["epoch"]) == (0, 3)


def test_the_best_epoch_may_be_the_base_model(tmp_path: Path) -> None:
    """An epoch that is not better leaves the best as it was: 0 if there was none."""
    path = tmp_path / "run.prom"
    found = []
    with started(path) as metrics:
        for best in (False, True, False):
            metrics.epoch(EPOCH, 4, best)
            found.append(values(path)["best_epoch"])
    assert found == [0, 3, 3]


def test_writes_are_seldom_between_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps write when the time has come, and an epoch at once: a card wears out, and writing takes time."""
    path = tmp_path / "run.prom"
    with started(path) as metrics:
        path.unlink()
        for _ in range(100):
            metrics.advance(1)
            metrics.training(1, 0.5, 0.5)
            metrics.vitals(Vitals(watts=1))
        assert not path.exists()
        metrics.epoch(EPOCH, 4, True)
        assert values(path)["images_total"] == 100
        path.unlink()
        monkeypatch.setattr(metrics_file, "SECONDS_BETWEEN_WRITES", 0)
        metrics.advance(1)
        assert path.exists()


def test_readers_never_see_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While steps write and a meter reports, each reading is complete, with watts and joules of one moment."""
    monkeypatch.setattr(metrics_file, "SECONDS_BETWEEN_WRITES", 0)
    path = tmp_path / "run.prom"
    over = threading.Event()

    def meter(metrics: MetricsFile) -> None:
        number = 0
        while not over.wait(0.0005):
            number += 1
            metrics.vitals(Vitals(watts=number, joules=number, meter="pmic"))

    def read() -> None:
        while not over.is_set():
            readings.append(values(path))

    readings: list[dict[str, float]] = []
    with started(path) as metrics:
        metrics.vitals(Vitals(watts=0, joules=0, meter="pmic"))
        metrics.epoch(EPOCH, 4, True)
        threads = [threading.Thread(target=meter, args=(metrics,)), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        for _ in range(300):
            metrics.advance(1)
            metrics.training(1, 0.5, 0.5)
        over.set()
        for thread in threads:
            thread.join()
    assert len(readings) > 10
    assert {frozenset(reading) for reading in readings} == {frozenset(values(path))}
    assert all(reading["power_watts"] == reading["energy_joules_total"] for reading in readings)
    assert values(path)["images_total"] == 300
    assert listing(tmp_path).keys() == {"run.prom"}


def test_another_user_may_read_it(tmp_path: Path) -> None:
    """A node exporter is one; a private temporary file under the same name would be of no use."""
    other = tmp_path / "other"
    other.touch()
    with started(tmp_path / "run.prom"):
        assert (tmp_path / "run.prom").stat().st_mode == other.stat().st_mode


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_folder_name_is_a_label(name: str) -> None:
    """Quotes, backslashes and line breaks included."""
    registry = CollectorRegistry()
    registry.register(RunMetrics(Outline(run=name, plan="p", drift="input", epochs=1)))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    assert {sample.labels["run"] for family in families for sample in family.samples} == {name}
