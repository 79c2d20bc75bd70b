"""The rule that goes from evidence to a plan, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from support import bundles
from support.bundles import ALL_DRIFTS, compiled
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.diagnosis.decide import DOUBT, STANDS_OUT, SURE, decide
from tbft_runtime.diagnosis.placement import candidates
from tbft_runtime.run.diagnosis_record import Candidate, LabelEvidence, NormShift

PLANS = candidates(open_bundle(compiled(ALL_DRIFTS)).manifest)
_BY_ID = {plan.id: plan for plan in PLANS}
FRONT, MIDDLE, LAST, HEAD = (_BY_ID[name] for name in (bundles.FRONT, bundles.MIDDLE, bundles.LAST, bundles.HEAD))
FEATURES = LabelEvidence(
    accuracy=0.5,
    confidence=0.9,
    adapted_accuracy=None,
    means_accuracy=0.6,
    fitted_accuracy=0.6,
    gain=1.0,
    scatter=0.0,
    passes=1,
    samples=128,
)
MOVED_LABELS = msgspec.structs.replace(FEATURES, accuracy=0.1, means_accuracy=0.8, gain=2 * SURE)


def norms(*shifts: float, noise: float = 0.05) -> list[NormShift]:
    """Two norms for each of front, middle and last."""
    owners = [plan for plan in PLANS[:3] for _ in range(2)]
    return [
        NormShift(norm=f"bn{index}", plan=plan.id, shift=shift, noise=noise)
        for index, (plan, shift) in enumerate(zip(owners, shifts, strict=True))
    ]


def chosen(seen: Sequence[NormShift], labels: LabelEvidence | None = FEATURES) -> Plan:
    return decide(PLANS, seen, labels)[0]


def test_the_drift_begins_where_statistics_first_move() -> None:
    """A norm that is small beside a later one is no beginning; a half as large in square is."""
    assert chosen(norms(1.0, 0.5, 0.3, 0.3, 0.2, 0.2)) is FRONT
    assert chosen(norms(0.4, 0.1, 2.0, 1.6, 1.2, 0.3)) is MIDDLE
    assert chosen(norms(0.4, 0.1, 0.1, 0.1, 0.3, 2.0)) is LAST
    assert chosen(norms(0.8, 0.1, 1.0, 0.1, 0.1, 0.1)) is FRONT


def test_labels_that_moved_are_the_heads() -> None:
    """Whatever norms say, unless features lie in several clouds, or the gain may be chance."""
    moved = norms(0.5, 0.1, 0.1, 0.1, 0.1, 0.2)
    assert chosen(moved, MOVED_LABELS) is HEAD
    assert chosen(moved, msgspec.structs.replace(MOVED_LABELS, scatter=DOUBT)) is FRONT
    assert chosen(moved, msgspec.structs.replace(MOVED_LABELS, gain=SURE - 0.1)) is FRONT
    assert chosen(moved, msgspec.structs.replace(MOVED_LABELS, means_accuracy=0.3)) is FRONT
    assert chosen(moved, msgspec.structs.replace(MOVED_LABELS, adapted_accuracy=0.75)) is FRONT


def test_without_any_shift() -> None:
    """Labels even where features are not that tidy; else features that statistics do not show."""
    quiet = norms(*[STANDS_OUT * 0.05 - 0.01] * 6)
    assert chosen(quiet, msgspec.structs.replace(MOVED_LABELS, scatter=2 * DOUBT)) is HEAD
    assert chosen(quiet) is LAST
    assert chosen(quiet, None) is LAST


def test_it_says_where_nothing_seems_to_have_drifted() -> None:
    """A model that is as often right as it is sure; the decision stands."""
    moved = norms(0.5, 0.1, 0.1, 0.1, 0.1, 0.2)
    fine = msgspec.structs.replace(FEATURES, accuracy=0.89)
    plan, reasons = decide(PLANS, moved, fine)
    assert plan is FRONT
    assert "perhaps nothing drifted" in reasons[-1]
    assert not any("perhaps" in reason for reason in decide(PLANS, moved, FEATURES)[1])


def test_a_race_decides_where_there_are_no_norms() -> None:
    """The most accurate; of equals the cheapest."""

    def raced(*accuracies: float) -> list[Candidate]:
        return [
            Candidate(
                plan=plan.id, drift=plan.drift, blocks=plan.blocks, norm=None, shift=None, noise=None, raced=accuracy
            )
            for plan, accuracy in zip(PLANS, accuracies, strict=True)
        ]

    assert decide(PLANS, (), MOVED_LABELS, raced(0.2, 0.5, 0.4, 0.1))[0] is MIDDLE
    assert decide(PLANS, (), None, raced(0.5, 0.5, 0.5, 0.4))[0] is LAST
    assert decide(PLANS, (), None, raced(0.0, 0.0, 0.0, 0.0))[0] is HEAD


@given(
    st.lists(st.floats(0, 50), min_size=6, max_size=6),
    st.floats(0, 1),
    st.floats(-12, 12),
    st.floats(-12, 12),
    st.integers(1, 4),
)
def test_it_always_decides(shifts: list[float], noise: float, gain: float, scatter: float, count: int) -> None:
    """One of the plans that there are, with a reason, whatever was seen."""
    plans = PLANS[:count]
    known = {plan.id for plan in plans}
    seen = [
        msgspec.structs.replace(norm, plan=norm.plan if norm.plan in known else None)
        for norm in norms(*shifts, noise=noise)
    ]
    labels = msgspec.structs.replace(FEATURES, gain=gain, scatter=scatter)
    plan, reasons = decide(plans, seen, labels)
    assert plan in plans
    assert all(reasons)
