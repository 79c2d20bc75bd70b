"""The base of what the manifest holds, and the ranges of its numbers and words.

Whatever reads them may count with them: sizes can be multiplied, and a range or a list as long as a count be made.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

# No network takes larger pictures.
LARGEST_IMAGE = 4096
# More images than a step, or a graph on one thread, takes at once anywhere.
LARGEST_BATCH = 1 << 16
# Images through the frozen part at once on each thread.
LARGEST_PREFIX_IMAGES = 1 << 12
# No machine has more cores.
MOST_THREADS = 1 << 10
# A run of so many epochs takes years.
MOST_EPOCHS = 1_000_000
# Bytes of memory; a double counts them exactly.
LARGEST_BUDGET = 2**53
# A learning rate and its like: what float32 has room for, with which training diverges and says so.
LARGEST_RATE = 3.4e38

# How many there are of something.
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Some = Annotated[int, Meta(ge=1, lt=2**31)]
# FLOPs and bytes of files: a double counts them exactly.
Large = Annotated[int, Meta(ge=0, lt=2**53)]
# Bytes of values in memory: of 64 GiB for each image, even a sum over all threads has less than 64 bits.
Memory = Annotated[int, Meta(ge=0, le=2**36)]
Pixels = Annotated[int, Meta(ge=1, le=LARGEST_IMAGE)]
Images = Annotated[int, Meta(ge=1, le=LARGEST_BATCH)]
PrefixImages = Annotated[int, Meta(ge=1, le=LARGEST_PREFIX_IMAGES)]
Threads = Annotated[int, Meta(ge=1, le=MOST_THREADS)]
Epochs = Annotated[int, Meta(ge=0, le=MOST_EPOCHS)]
Patience = Annotated[int, Meta(ge=1, le=MOST_EPOCHS)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Rate = Annotated[float, Meta(ge=0, le=LARGEST_RATE)]
# What is measured of a run: longer than any takes, and more joules, watts or degrees than there are. Sums of these,
# and products of two, are finite, however many there are.
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Milliseconds = Annotated[float, Meta(ge=0, le=1e12)]
Measured = Annotated[float, Meta(ge=-1e18, le=1e18)]
# A mean cross-entropy, of logits as large as float32 takes them.
Loss = Annotated[float, Meta(ge=-1e100, le=1e100)]
# A log-likelihood of logits as large as float32 takes them.
Score = Annotated[float, Meta(ge=-1e100, le=1e100)]
# Between nothing and all of something.
Part = Annotated[float, Meta(ge=0, le=1)]
# A name or an id, and a path: neither may be endless, nor end early for the system.
Word = Annotated[str, Meta(max_length=1000)]
Place = Annotated[str, Meta(min_length=1, max_length=3 * 4096, pattern=r"^[^\x00]*\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Dimensions of a tensor; their product is checked where it is taken.
Shape = Annotated[tuple[Annotated[int, Meta(ge=0, lt=2**31)], ...], Meta(max_length=8)]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what the manifest holds."""
