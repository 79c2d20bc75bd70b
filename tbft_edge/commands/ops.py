"""`tbft-edge ops`: which training operators can be lowered."""

from __future__ import annotations

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json
from tbft_edge.tables.table import Table, show


def command(json: JsonOption = False) -> None:
    """List the training operators that are written with standard ONNX operators, and how."""
    with extra("export", "tbft_export.lowerings.registry"):
        from tbft_export.lowerings.registry import all_lowerings

        lowerings = all_lowerings()
    if json:
        print_json([{"operator": lowering.operator, "formula": lowering.summary} for lowering in lowerings])
        return
    rows = [[lowering.operator, lowering.summary] for lowering in lowerings]
    show(Table("Lowerings", ["operator", "formula"], rows))
