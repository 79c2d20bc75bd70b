"""A disagreement with PyTorch: whether the compiler's or that of the graph which PyTorch's exporter wrote."""

from __future__ import annotations

from collections.abc import Callable

from tbft_artifacts.errors import TbftError
from tbft_export.check.step import DisagreementError, SelfCheck
from tbft_export.graph.forward import ForwardModel
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference


def check_and_blame(check: Callable[[Reference], SelfCheck], reference: Reference, forward: ForwardModel) -> SelfCheck:
    """`check` against `reference`.

    Where the two disagree, the nodes of the traced `forward` graph decide, computed one by one in PyTorch: what agrees
    with those was compiled as it should be, and the module does what no graph says. Raises TbftError that says which.
    """
    try:
        return check(reference)
    except DisagreementError as error:
        if isinstance(reference, OnnxReference) or not _passes(check, OnnxReference(forward)):
            raise
        raise TbftError(
            f"the module computes something else than the graph that PyTorch's exporter wrote of it ({error.message})",
            "its forward branches on values of images, or its backward is its own (detach, autograd.Function): "
            "leave that out, or train a block behind it",
        ) from error


def _passes(check: Callable[[Reference], SelfCheck], reference: Reference) -> bool:
    try:
        return check(reference).passed
    except TbftError:  # Of an operator, too, that cannot be computed so: then nobody knows.
        return False
