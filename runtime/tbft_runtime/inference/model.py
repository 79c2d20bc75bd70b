"""A model to predict with: a bundle, a run, or a finalized `.onnx` file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from msgspec import UNSET

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.model_card import METADATA, STAMP, ModelCard, decode_card
from tbft_artifacts.plan import PREDICT, Plan
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.exits.policy import NEVER
from tbft_runtime.exits.record import calibration_of
from tbft_runtime.exits.staged import Answers, StagedModel
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import GraphFile, bundle_graph, model_file
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Graph, Tensors, load_graph
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.heads.source_domain import load_source
from tbft_runtime.heads.stored import head_of
from tbft_runtime.heads.unknown import unknown_threshold
from tbft_runtime.inference.batches import images_per_batch
from tbft_runtime.logits import check_logits
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged


@dataclass(frozen=True)
class Model:
    """A loaded classifier with one exit, and how to feed it.

    `unknown_above` is the score (`heads.unknown`) above which an image is of no class; None where nothing tells.
    """

    graph: Graph
    classes: Sequence[str]
    preprocessing: Preprocessing
    unknown_above: float | None = None

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """(N, H, W, C) uint8 prepared pixels -> (N, classes), all finite. Raises TbftError for other answers."""
        return check_logits(self.graph.answer(self.preprocessing.normalize(pixels)))

    def answers(self, pixels: np.ndarray) -> Answers:
        """The same, as of a model that has more exits."""
        return Answers(self.logits(pixels), [None] * len(pixels))


def open_model(path: Path, threads: int, expect_id: str | None = None) -> Model | StagedModel:
    """Load the model at `path`: a bundle folder or `.tar.gz`, a run folder (its best state), or a finalized file.

    A run that trained several exits answers at the first one that is sure enough. Raises TbftError if it is none
    of these, or not of the bundle whose id is expected.
    """
    if RunFolder(path).is_run:
        with open_trained(path, expect_id=expect_id) as (bundle, run, state):
            plan = bundle.plan(run.settings.plan)
            if plan.exits:
                return _staged(bundle, plan, run.settings, state, threads)
    return open_whole(path, threads, expect_id)


def open_whole(path: Path, threads: int, expect_id: str | None = None) -> Model:
    """The same, but that every image goes to the last exit."""
    if path.suffix == ".onnx":
        if expect_id is not None:
            # The file says itself what it was made from, and whoever makes another says the same.
            raise TbftError(
                f"'{path}' is a finalized model, which has no id of a bundle that could be verified",
                "leave `expect_id` out, and compare the file with 'sha256sum'",
            )
        return _from_file(path, threads)
    if RunFolder(path).is_run:
        with open_trained(path, expect_id=expect_id) as (bundle, run, state):
            plan = bundle.plan(run.settings.plan)
            weights = merged(plan, load_weights(bundle), state.best)
            return model_of(bundle, plan.predict, weights, threads, state.best)
    with opened(path, expect_id) as bundle:
        plans = bundle.manifest.plans
        # Several plans may have prefixes of several kinds; the whole model in float32 stands for all.
        return model_of(bundle, plans[0].predict if len(plans) == 1 else PREDICT, load_weights(bundle), threads)


def _staged(bundle: Bundle, plan: Plan, settings: Settings, state: TrainingState, threads: int) -> StagedModel:
    found = calibration_of(plan, settings, state)
    weights = merged(plan, load_weights(bundle), state.best)
    manifest = bundle.manifest
    return StagedModel(
        stages=[
            load_graph(
                bundle_graph(bundle, plan.stage(number)),
                weights,
                threads,
                signature=roles.stage(plan, number, len(manifest.classes)),
                room=Room(images_per_batch(manifest.shape), manifest.shape),
            )
            for number in range(len(plan.exits))
        ],
        exits=plan.exits,
        # Where no validation image has a label, nothing says how sure is sure enough.
        threshold=NEVER if found is None else found.early.threshold,
        classes=manifest.classes,
        preprocessing=Preprocessing(manifest.preprocessing, manifest.shape),
    )


def whole_model(file: GraphFile, weights: Tensors, threads: int, said: Manifest | ModelCard) -> Model:
    """The model whose graph is in `file`, fed and named as is `said` of it. Raises TbftError as `load_graph`."""
    graph = load_graph(
        file,
        weights,
        threads,
        signature=roles.whole_model(len(said.classes)),
        room=Room(images_per_batch(said.shape), said.shape),
    )
    above = said.unknown_above if isinstance(said, ModelCard) and said.unknown_above is not UNSET else None
    return Model(graph, said.classes, Preprocessing(said.preprocessing, said.shape), above)


def model_of(bundle: Bundle, name: str, weights: Tensors, threads: int, trained: Collection[str] = ()) -> Model:
    """The whole model in graph `name` of the bundle, with these weights, of which some were `trained`."""
    model = whole_model(bundle_graph(bundle, name), weights, threads, bundle.manifest)
    return replace(model, unknown_above=unknown_above(bundle, weights, trained))


def unknown_above(bundle: Bundle, weights: Tensors, trained: Collection[str]) -> float | None:
    """The score that few source images exceed with these weights, of which some were `trained`.

    None where nothing tells: of a bundle that keeps no features of source images, and where features became others.
    """
    source, head = load_source(bundle, {*bundle.changed, *trained}), bundle.manifest.head or None
    if source is None or source.kept is None or head is None or head.bias is None:
        return None
    return unknown_threshold(head_of(weights, head).logits(source.kept.features))


def _from_file(path: Path, threads: int) -> Model:
    if not path.exists():
        raise TbftError(f"model '{path}' does not exist", "make it with 'tbft-edge finalize'")
    file = model_file(path, partial(_check_stamp, path))
    if file.checked.external:
        raise TbftError(
            f"'{path}' keeps the values of '{file.checked.external[0]}' in another file",
            "save the model as one file, with its weights inside",
        )
    if METADATA not in file.checked.metadata:
        raise TbftError(f"'{path}' does not say how it is fed", "give a file made by 'tbft-edge finalize'")
    return whole_model(file, {}, threads, decode_card(file.checked.metadata[METADATA], str(path)))


def _check_stamp(path: Path, content: bytes) -> None:
    """Raises TbftError if the file is not as it was finalized; files from before there was a checksum have none."""
    if STAMP.fits(BytesIO(content)) is False:
        raise TbftError(
            f"model '{path}' is not as it was finalized: it is damaged, or another program changed it",
            "copy it again, or make it again with 'tbft-edge finalize'",
        )
