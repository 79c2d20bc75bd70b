"""An Einsum of one or two operands as a matrix product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.refusal import refusal

_OTHERWISE = "write it as a product of two matrices"
# An axis: its length, or None for the batch, which is not known.
Lengths = Mapping[str, int | None]


def einsum(emit: Emitter) -> None:
    """y = MatMul of the operands turned to (shared..., own, summed) and (shared..., summed, own), turned back.

    Letters of both operands and the result are shared, those of both alone are summed over, and the others are an
    operand's own; what stands in one operand and nowhere else is summed first. Refuses an ellipsis, a letter that
    stands twice in one operand, more than two operands, and axes of unknown length that would have to be joined.
    """
    equation = emit.node.attributes["equation"].as_string().replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    if not arrow:  # Then the result has what stands once, by the alphabet.
        result = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    if "." in equation or len(terms) > 2 or any(len(set(term)) < len(term) for term in terms):
        raise refusal(emit.node, f"computes '{equation}'", _OTHERWISE)
    operands = [
        _without(emit, value, term, result, other)
        for value, term, other in zip(emit.node.inputs, terms, reversed(terms) if len(terms) > 1 else [""], strict=True)
    ]
    if len(operands) == 1:
        value, term = operands[0]
        emit.replace(_turned(emit, value, term, result))
        return
    emit.replace(_product(emit, operands, result, _lengths(emit.node, terms)))


def _without(emit: Emitter, value: ir.Value | None, term: str, result: str, other: str) -> tuple[ir.Value | None, str]:
    """The operand summed over what stands nowhere else."""
    alone = [axis for axis, letter in enumerate(term) if letter not in result + other]
    if not alone:
        return value, term
    kept = "".join(letter for axis, letter in enumerate(term) if axis not in alone)
    return emit.op("ReduceSum", value, alone, keepdims=0), kept


def _product(emit: Emitter, operands: Sequence[tuple[ir.Value | None, str]], result: str, lengths: Lengths) -> ir.Value:
    (a, first), (b, second) = operands
    shared = [letter for letter in first if letter in second and letter in result]
    summed = [letter for letter in first if letter in second and letter not in result]
    rows = [letter for letter in first if letter not in second]
    columns = [letter for letter in second if letter not in first]
    kept = [0] * len(shared)
    if sum(lengths[letter] is None for letter in (*rows, *columns, *summed)) > 1:
        raise refusal(emit.node, "has several axes of unknown length", _OTHERWISE)
    a = _turned(emit, a, first, [*shared, *rows, *summed])
    b = _turned(emit, b, second, [*shared, *summed, *columns])
    a = emit.op("Reshape", a, [*kept, _joined(rows, lengths), _joined(summed, lengths)])
    b = emit.op("Reshape", b, [*kept, _joined(summed, lengths), _joined(columns, lengths)])
    sizes = [_joined([letter], lengths) for letter in (*rows, *columns)]
    y = emit.op("Reshape", emit.op("MatMul", a, b), [*kept, *sizes])
    return _turned(emit, y, [*shared, *rows, *columns], result)


def _turned(emit: Emitter, value: ir.Value | None, term: Sequence[str], wanted: Sequence[str]) -> ir.Value:
    return emit.op("Transpose", value, perm=[list(term).index(letter) for letter in wanted])


def _joined(letters: Sequence[str], lengths: Lengths) -> int:
    """The length of several axes made one; -1 where one of them is not known."""
    product = 1
    for letter in letters:
        length = lengths[letter]
        if length is None:
            return -1
        product *= length
    return product


def _lengths(node: ir.Node, terms: Sequence[str]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for value, term in zip(node.inputs, terms, strict=True):
        if value is None or value.shape is None or len(value.shape) != len(term):
            raise refusal(node, "reads a tensor of unknown size", _OTHERWISE)
        for letter, length in zip(term, value.shape, strict=True):
            if isinstance(length, int) or letter not in found:
                found[letter] = length if isinstance(length, int) else None
    return found
