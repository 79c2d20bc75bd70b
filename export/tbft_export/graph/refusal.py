"""The error for a node that nothing can be trained through."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError


def refusal(node: ir.Node, what: str, hint: str) -> TbftError:
    """`what` is wrong with a node, in words behind its name; `hint` says how to write its layer otherwise."""
    return TbftError(f"operator {node.op_type} at node '{node.name}' {what}", f"{hint}, or train a block behind it")
