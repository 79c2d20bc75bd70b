"""Nodes of any opset from 9 to 25, written as those of the compiler's.

ONNX's own version converter stops at axes that are no initializers, drops names, and knows no way down for most of
what came after opset 17. Few operators changed: they are in two tables, and all others are the same.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.forward import OPSET
from tbft_export.sources.onnx.newer_operators import NEWER
from tbft_export.sources.onnx.older_operators import OLDER

OLDEST, NEWEST = 9, 25


def check_opset(model: ir.Model, name: str) -> None:
    """Raises TbftError for an opset outside of `OLDEST` to `NEWEST`, and for operators that are not ONNX's own."""
    version = _version(model)
    if not OLDEST <= version <= NEWEST:
        raise TbftError(
            f"'{name}' is of opset {version}, and those from {OLDEST} to {NEWEST} are read",
            f"export the model again with opset {OPSET}",
        )
    for node in model.graph:
        if node.domain not in ("", "ai.onnx"):
            raise TbftError(
                f"'{name}' has an operator of another tool: {node.domain}::{node.op_type} at node '{node.name}'",
                "give the file as it was before that tool changed it, with operators of ONNX alone",
            )


def _version(model: ir.Model) -> int:
    """Of ONNX's own operators, whose domain has two names."""
    return next((model.opset_imports[domain] for domain in ("", "ai.onnx") if domain in model.opset_imports), OPSET)


def convert_opset(model: ir.Model, name: str) -> None:
    """Let `model` be of the compiler's opset; it computes the same.

    Raises TbftError for a node that has no like in the compiler's.
    """
    version = _version(model)
    if version != OPSET:
        # Branches, too: the one that is taken becomes part of the graph later.
        for node in list(model.graph.all_nodes()):
            _convert(node, version, name)
    # Files name the domains of what is in them no more, and of what quantisers only might have used.
    for imports in (model.opset_imports, model.graph.opset_imports):
        imports.clear()
        imports[""] = OPSET


def _convert(node: ir.Node, version: int, name: str) -> None:
    change = OLDER.get(node.op_type) if version < OPSET else NEWER.get(node.op_type)
    reaches = change is not None and (version < change.opset if version < OPSET else version >= change.opset)
    if change is not None and reaches:
        emit = Emitter(node)
        change.rewrite(emit)
        if node.graph is None:  # It was replaced.
            return
    _leave_defaults(node, version, name)


def _leave_defaults(node: ir.Node, version: int, name: str) -> None:
    """Drop attributes that the compiler's opset does not know, where they say what goes without saying."""
    try:
        schema = onnx.defs.get_schema(node.op_type, OPSET, "")
        known = onnx.defs.get_schema(node.op_type, version, "").attributes
    except onnx.defs.SchemaError as error:
        raise _no_like(node, version, name) from error
    for key in [key for key in node.attributes if key not in schema.attributes]:
        default = known[key].default_value if key in known else None
        if default is None or onnx.helper.get_attribute_value(default) != _plain(node.attributes[key]):
            raise _no_like(node, version, name, key)
        node.attributes.pop(key)
    if len(node.inputs) > schema.max_input:
        raise _no_like(node, version, name)


def _plain(attribute: ir.Attr) -> object:
    return attribute.value.encode() if isinstance(attribute.value, str) else attribute.value


def _no_like(node: ir.Node, version: int, name: str, attribute: str = "") -> TbftError:
    what = f" with '{attribute}'" if attribute else ""
    return TbftError(
        f"'{name}' cannot be converted from opset {version} to {OPSET}: {node.op_type}{what} at node '{node.name}'",
        f"export the model again with opset {OPSET}, or write that layer with other operators",
    )
