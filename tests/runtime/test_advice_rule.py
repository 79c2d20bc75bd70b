"""The rule that goes from what drifted to a way of adapting: what a bundle cannot do is never advised."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import ALL_DRIFTS, ALL_PLAIN, FRONT, HEAD, LAST, compiled, compiled_copy
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.diagnosis.advise import (
    CHECKS,
    FAINT,
    LEFT,
    MOST,
    UNSEEN,
    WORTH,
    WORTH_OF_FEATURES,
    AtHand,
    advise,
)
from tbft_runtime.diagnosis.advise import HEAD as HEAD_LABELS
from tbft_runtime.diagnosis.decide import DOUBT, SURE
from tbft_runtime.diagnosis.placement import candidates
from tbft_runtime.heads.head_plan import head_plan
from tbft_runtime.run.diagnosis_record import Advice, Diagnosis, LabelEvidence, NormShift
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve

BUNDLE = open_bundle(compiled(ALL_DRIFTS))
CLASSES = len(BUNDLE.manifest.classes)
WRONG = LabelEvidence(
    accuracy=0.3,
    confidence=0.9,
    adapted_accuracy=None,
    means_accuracy=0.5,
    fitted_accuracy=0.5,
    gain=1.0,
    scatter=0.0,
    passes=1,
    samples=128,
)
RIGHT = msgspec.structs.replace(WRONG, accuracy=0.9)
FEW = AtHand(images=1000, labelled=20)


def shifted(shift: float, noise: float = 0.01) -> list[NormShift]:
    return [NormShift(norm="bn1", plan=FRONT, shift=shift, noise=noise)]


def advised(
    plan: str, labels: LabelEvidence | None = WRONG, at_hand: AtHand = FEW, bundle: Bundle = BUNDLE, shift: float = 1.0
) -> Advice:
    return advise(bundle, bundle.plan(plan), shifted(shift), labels, at_hand)


def without(plan: str, **changes: object) -> Bundle:
    """The bundle with one plan changed: nothing of it is loaded here."""
    manifest = BUNDLE.manifest
    plans = tuple(msgspec.structs.replace(each, **changes) if each.id == plan else each for each in manifest.plans)
    return with_manifest(plans=plans)


def with_manifest(**changes: object) -> Bundle:
    return dataclasses.replace(BUNDLE, manifest=msgspec.structs.replace(BUNDLE.manifest, **changes))


def test_each_drift_has_its_way() -> None:
    """No label for the input, few for the output, many for features."""
    assert (advised(FRONT).way, advised(FRONT).labels) == ("unlabelled", 0)
    assert (advised(HEAD).way, advised(HEAD).labels) == ("learn", HEAD_LABELS)
    assert (advised(LAST).way, advised(LAST).labels) == ("train", MOST)
    assert advised(LAST).at_hand == FEW.labelled // CLASSES


def test_labels_of_an_input_that_drifted_are_used_where_they_teach_more() -> None:
    """Than all images would without them."""
    for labelled, way in ((100, "unlabelled"), (101, "train")):
        assert advised(FRONT, at_hand=AtHand(100 * WORTH, labelled)).way == way


def test_features_go_without_labels_only_where_some_check() -> None:
    """Else nobody would see that new kinds were taken for the wrong ones."""
    assert advised(LAST, at_hand=AtHand(1000, CHECKS)).way == "unlabelled"
    assert advised(LAST, at_hand=AtHand(1000, CHECKS)).check == CHECKS
    assert advised(LAST, at_hand=AtHand(1000, CHECKS - 1)).way == "train"
    for labelled, way in ((100, "unlabelled"), (101, "train")):
        assert advised(LAST, at_hand=AtHand(100 * WORTH_OF_FEATURES, labelled)).way == way


def test_labels_that_can_be_spared_check() -> None:
    """As many as tell something, and only where enough images are left to train on."""
    images = (1 + LEFT) * CHECKS
    assert advised(FRONT, at_hand=AtHand(images, CHECKS)).check == CHECKS
    assert advised(FRONT, at_hand=AtHand(images, CHECKS - 1)).check == 0
    assert advised(FRONT, at_hand=AtHand(images - 1, CHECKS)).check == 0
    assert advised(HEAD, at_hand=AtHand(images, CHECKS)).check == 0


def test_what_is_in_order_is_left_alone() -> None:
    """A model that is as right as it is sure, unless a head would be better, or statistics moved far."""
    assert advised(FRONT, RIGHT, shift=FAINT - 0.01).way == "nothing"
    assert advised(FRONT, RIGHT, shift=FAINT).way == "unlabelled"
    assert advised(FRONT, msgspec.structs.replace(RIGHT, gain=SURE), shift=0.1).way == "unlabelled"
    assert advised(LAST, msgspec.structs.replace(RIGHT, scatter=DOUBT), shift=0.1).way == "train"
    assert advised(FRONT, WRONG, shift=0.1).way == "unlabelled"


def test_without_labels_statistics_alone_tell() -> None:
    """Less of them than where a label says that the model is right; without a plan for the head nobody knows."""
    unseen = AtHand(1000, 0, labels=False)
    assert advised(FRONT, None, unseen, shift=UNSEEN - 0.01).way == "nothing"
    assert advised(FRONT, None, unseen, shift=UNSEEN).way == "unlabelled"
    assert advised(LAST, None, unseen, shift=UNSEEN).way == "train"
    assert advised(LAST, None, FEW, shift=0.0).way == "train"


def test_a_fresh_head_is_learned_first(tmp_path: Path) -> None:
    """Whatever else drifted, and also where no label was looked at."""
    fresh = open_bundle(compiled_copy(ALL_DRIFTS, tmp_path / "fresh", fresh=("fc.weight", "fc.bias")))
    for plan in (FRONT, HEAD):
        for labels in (WRONG, RIGHT, None):
            assert advised(plan, labels, bundle=fresh).way == "learn"


@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        (without(FRONT, targets_memory=None), "`labels` none"),
        (without(FRONT, batch_norm="frozen", batch_statistics=()), "keeps statistics"),
        (with_manifest(batch_norms=()), "no batch norms"),
    ],
    ids=["no targets", "frozen norms", "no norms"],
)
def test_what_cannot_do_without_labels_trains_on_them(bundle: Bundle, why: str) -> None:
    """And says what is in the way."""
    found = advised(FRONT, bundle=bundle)
    assert (found.way, found.labels) == ("train", MOST)
    assert any(why in reason for reason in found.reasons)


def test_an_int8_prefix_keeps_its_statistics() -> None:
    """As `train` refuses it."""
    bundle = open_bundle(compiled("feature-int8"))
    (plan,) = bundle.manifest.plans
    front = msgspec.structs.replace(plan, drift="input")
    assert advise(bundle, front, shifted(1.0), WRONG, FEW).way == "train"


def test_what_has_no_linear_head_trains() -> None:
    """With many labels: nothing is known in closed form."""
    found = advised(HEAD, bundle=with_manifest(head=msgspec.UNSET))
    assert (found.way, found.labels) == ("train", MOST)
    assert "its last layer" in found.reasons[-1]


@pytest.mark.parametrize("name", [ALL_DRIFTS, ALL_PLAIN, "feature-int8", "feature-frozen", "input-batch"])
@given(data=st.data())
def test_what_a_bundle_cannot_do_is_never_advised(name: str, data: st.DataObject) -> None:
    """Whatever was seen: what is advised is what the commands take."""
    bundle = open_bundle(compiled(name))
    plan: Plan = data.draw(st.sampled_from(candidates(bundle.manifest)))
    parts, numbers = st.floats(0, 1), st.floats(-9, 9)
    labels = data.draw(
        st.none()
        | st.builds(
            LabelEvidence,
            accuracy=parts,
            confidence=parts,
            adapted_accuracy=st.none() | parts,
            means_accuracy=parts,
            fitted_accuracy=parts,
            gain=numbers,
            scatter=numbers,
            passes=st.just(1),
            samples=st.just(128),
        )
    )
    images = data.draw(st.integers(20, 10_000))
    at_hand = AtHand(images, data.draw(st.integers(0, images)), labels is not None)
    found = advise(bundle, plan, shifted(data.draw(st.floats(0, 5))), labels, at_hand)
    assert all(found.reasons)
    if found.way == "unlabelled":
        assert resolve(TrainOptions("", "", labels="none"), plan, bundle).reestimates
        assert found.check <= at_hand.labelled
    if found.way == "learn":
        assert head_plan(bundle)


def test_records_of_before_are_read() -> None:
    """They have no advice, and their images had labels."""
    old = (
        b'{"bundle_id": "0", "plan": "p", "drift": "output", "blocks": ["fc"], "reasons": ["so"], "candidates": [],'
        b'"norms": [], "labels": null, "samples": 128, "seed": 0, "seconds": 1.5, "share": null, "train_images": 900,'
        b'"epochs": 10}'
    )
    read = msgspec.json.decode(old, type=Diagnosis)
    assert (read.advice, read.labelled) == (None, True)
    new = msgspec.structs.replace(read, advice=advised(FRONT))
    assert msgspec.json.decode(msgspec.json.encode(new), type=Diagnosis) == new
