"""A forward graph that has no room for a batch computes it in parts, and one that has none for an image says so."""

from __future__ import annotations

import numpy as np
import pytest

from support.bundles import COMPILED
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT
from tbft_runtime.boundary.prefix import Prefix
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Graph, load_graph
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.run.division import Division

MOTION = open_bundle(COMPILED / "motion")
WINDOWS = np.random.default_rng(0).standard_normal((4096, *MOTION.manifest.shape), np.float32)


def loaded(most: int) -> Graph:
    """The whole model, in so many bytes."""
    room = Room(1, MOTION.manifest.shape)
    signature = roles.whole_model(len(MOTION.manifest.classes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Room, "bytes", lambda *_: most)
        return load_graph(bundle_graph(MOTION, PREDICT), load_weights(MOTION), 1, signature=signature, room=room)


@pytest.mark.parametrize("count", [0, 1, 7, 4096])
def test_the_answers_are_the_same(count: int) -> None:
    """Attention over a long window takes the square of it: 32 of these are more than any usual network takes."""
    values = WINDOWS[:count]
    tight, roomy = loaded(2 << 20), loaded(1 << 30)
    for _ in range(2):
        np.testing.assert_array_equal(tight.answer(values), roomy.answer(values))


def test_a_fixed_prefix_is_computed_in_parts() -> None:
    """One with the statistics of the batch needs it whole."""
    values, tight = WINDOWS, loaded(2 << 20)
    np.testing.assert_array_equal(
        Prefix(tight, Division(most=4096), ()).run(values)["logits"], loaded(1 << 30).answer(values)
    )
    with pytest.raises(TbftError, match="asks for more memory"):
        Prefix(loaded(2 << 20), Division(), ()).run(values)


def test_a_batch_without_room_is_refused_where_nothing_divides_it() -> None:
    """So that the test above takes parts at all."""
    with pytest.raises(TbftError, match="asks for more memory"):
        loaded(2 << 20).run({"images": WINDOWS})


def test_an_image_without_room_is_refused() -> None:
    with pytest.raises(TbftError, match="asks for more memory"):
        loaded(1 << 16).answer(WINDOWS[:4])
