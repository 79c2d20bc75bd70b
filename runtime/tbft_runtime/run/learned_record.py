"""What a head that was learned in one pass is, and how good it is on images that it was made without."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Count, Part, Rate, Sha256, Word


class HeadCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of head: the mean recall of classes (0 to 1) by images left out, and its standard error.

    None where nothing could be left out.
    """

    head: Word
    accuracy: Part | None
    standard_error: Rate | None


class ClassRecall(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a class's `images` are right without having been learned from, 0 to 1; None where nothing tells."""

    name: Word
    images: Count
    recall: Part | None


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A head made of labelled images in one pass over them."""

    head: Word
    """Its kind."""
    candidates: tuple[HeadCandidate, ...]
    """All that there could be, judged by the same images."""
    images: Count
    """Those that were learned from."""
    added: tuple[Word, ...]
    """Classes that the network did not have."""
    recalls: tuple[ClassRecall, ...]
    """Of each class; by local images left out, or those of `validation`."""
    kept_images: Count
    """Source images whose features the bundle keeps."""
    kept_before: Part | None
    """Mean recall of the bundle's own classes on these with the head before; None without any."""
    kept_after: Part | None
    """The same with the new head."""
    passes: Rate
    """Forward passes of the network per image that took part."""
    moments: Sha256 | None = None
    """Of the file `moments.safetensors` in the run's folder; None where nothing is known of the source."""
