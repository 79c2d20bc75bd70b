"""Reports of networks with many blocks, whose names are as long as those of mobile networks are."""

from __future__ import annotations

from msgspec.structs import replace

from support.made_up_reports import made_up_report
from support.made_up_selections import made_up_selection
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.reporting.report import BlockRecord, Report
from tbft_runtime.run.diagnosis_record import Candidate, Diagnosis
from tbft_runtime.run.selection_record import Selection

PARTS = ("_expand_conv", "_depthwise_conv", "_project_conv")
LAYERS = ("_conv_stem", *(f"_blocks.{block}.{part}" for block in range(16) for part in PARTS), "_conv_head", "_fc")
# Torchvision numbers all parts of a network.
NUMBERED = ("features.0.0", *(f"features.{block}.conv.{block % 3}.0" for block in range(1, 18)), "features.18.0")


def deep_reports() -> dict[str, Report]:
    """By what is deep about each."""
    return {
        "deep": _deep(LAYERS, ("_blocks.15._depthwise_conv", "_blocks.15._project_conv", "_conv_head", "_fc")),
        "deep-whole": replace(_deep(NUMBERED, NUMBERED), profile=None),
    }


def _deep(layers: tuple[str, ...], trained: tuple[str, ...]) -> Report:
    report = made_up_report()
    plan = f"feature-{trained[0]}-frozen-sgd"
    classes = ("American_Staffordshire_terrier", "soft-coated_Wheaten_terrier", "Chesapeake_Bay_retriever", "a.b_c.d")
    return replace(
        report,
        model="efficientnet_lite0_pytorch.EfficientNet.from_pretrained",
        result=replace(report.result, blocks=trained, plan=plan, selection=_selection(layers)),
        blocks=tuple(
            BlockRecord(name=name, parameters=432 * (index + 1) ** 2, trained=name in trained)
            for index, name in enumerate(layers)
        ),
        classes=classes,
        per_class=tuple(replace(record, name=classes[index]) for index, record in enumerate(report.per_class)),
        profile=_profile(layers),
        diagnosis=_diagnosis(plan, trained),
    )


def _selection(layers: tuple[str, ...]) -> Selection:
    made_up = made_up_selection()
    named = zip(made_up.layers, layers[-len(made_up.layers) :], strict=True)
    return replace(made_up, layers=tuple(replace(layer, weight=f"{name}.weight") for layer, name in named))


def _profile(layers: tuple[str, ...]) -> Profile:
    operators = tuple(
        Slice(name=name, milliseconds=9.0 / (index + 1), calls=30)
        for index, name in enumerate(("QLinearGlobalAveragePool", "ReorderInput", "FusedConv", "BatchNormalization"))
    )
    slices = tuple(
        Slice(name=f"{name} (backward)", milliseconds=4.0 / (index + 1), calls=1)
        for index, name in enumerate(reversed(layers))
    )
    graph = GraphProfile(graph="gradient", wall_ms=1234.5, kernel_ms=2345.6, operators=operators, layers=slices)
    return Profile(steps=5, batch_size=32, graphs=(replace(graph, graph="prefix"), graph))


def _diagnosis(plan: str, trained: tuple[str, ...]) -> Diagnosis:
    candidates = tuple(
        Candidate(
            plan=f"feature-{name}-frozen-sgd",
            drift="feature",
            blocks=(name, *trained[-2:]),
            norm=f"{name.removesuffix('conv')}bn0.running_mean",
            shift=1.25,
            noise=0.25,
            raced=None,
        )
        for name in trained
    )
    return Diagnosis(
        bundle_id="b" * 64,
        plan=plan,
        drift="feature",
        blocks=trained,
        reasons=(f"the inputs of {trained[0]} moved most, by 1.25 σ at {candidates[0].norm}",),
        candidates=candidates,
        norms=(),
        labels=None,
        samples=128,
        seed=0,
        seconds=1.5,
        share=0.01,
        train_images=320,
        epochs=5,
    )
