"""What an export wrote, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tbft_edge.console import quoted, say
from tbft_edge.figures import norms, percent, size
from tbft_edge.tables.plans import plan_table
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from tbft_artifacts.manifest import Manifest
    from tbft_artifacts.plan import Cost, Int8Prefix, Plan
    from tbft_artifacts.preprocessing import Noun
    from tbft_export import Exported, ExportOptions
    from tbft_export.check.result import SelfCheck


def export_result(exported: Exported, out: Path) -> dict[str, object]:
    """The result as data: of one plan its own, of several a list `plans`."""
    from tbft_export.write_bundle import bundle_bytes

    manifest = exported.manifest
    bundle: dict[str, object] = {
        "bundle": str(out),
        "bundle_id": manifest.bundle_id,
        "signed_by": exported.signed_by,
        "bytes": bundle_bytes(manifest),
        "preprocessing": manifest.preprocessing,
        "left_out": [each._asdict() for each in exported.left_out],
    }
    plans = [_plan(plan, check) for plan, check in zip(manifest.plans, exported.checks, strict=True)]
    return bundle | ({"plans": plans} if len(plans) > 1 else plans[0])


def _plan(plan: Plan, check: SelfCheck) -> dict[str, object]:
    return {
        "plan": plan.id,
        "method": plan.method,
        "blocks": plan.blocks,
        "batch_norm": plan.batch_norm,
        "statistics_part": plan.statistics_part,
        "optimizer": plan.optimizer.kind,
        "trainable_parameters": plan.cost.parameter_bytes // 4,
        "full_parameters": plan.full_cost.parameter_bytes // 4 if plan.full_cost else None,
        "cost": plan.cost,
        "full_cost": plan.full_cost,
        "int8": plan.int8,
        "check": {
            "trace": check.trace and check.trace.error,
            "formulas": check.formulas.error,
            "kernels": check.kernels.error,
            "worst_formula": check.formulas.name,
            "worst_kernel": check.kernels.name,
            "adopted_kinks": check.adopted,
        },
        "zero_gradients": check.zero_gradients,
    }


def print_export(exported: Exported, options: ExportOptions, out: Path) -> None:
    """Tables on stdout: of one plan its costs, of several a row each; and words on stderr."""
    manifest = exported.manifest
    show(plan_table(manifest.plans) if len(manifest.plans) > 1 else _costs(manifest.plans[0], manifest.noun))
    show(_files(exported))
    for plan in manifest.plans:
        if plan.int8 is not None:
            show(_int8(plan.id, plan.int8, manifest.noun))
    for plan, check in zip(manifest.plans, exported.checks, strict=True):
        say(f"{plan.id}: {_checked(check)}")
    normalize = manifest.normalization
    scaled = "numbers are" if manifest.noun == "window" else "pixels are scaled to [0, 1], then"
    say(f"{scaled} normalised with mean {_list(normalize.mean)}, std {_list(normalize.std)}")
    if exported.has_official and options.optimizer != "adamw":
        words = {"sgd": "plain SGD; momentum and weight decay", "adam": "AdamW; Adam"}[options.optimizer]
        say(f"ort_training/ has ORT's {words} exist only in the device graphs")
    say(f"wrote {out}")
    if exported.signed_by is not None:
        say(f"signed by key {exported.signed_by}")
    say(f"its id, for --expect-id on the device: {manifest.bundle_id}")
    say(f"next, on the device: {next_command(manifest, out)}")


def next_command(manifest: Manifest, bundle: Path) -> str:
    """How to train a bundle. Of several plans for drifts the device finds out which, of channels it chooses some."""
    choice = ""
    if len(manifest.plans) > 1 and not manifest.sparse_plans:
        choice = " --drift auto" if any(plan.drift is not None for plan in manifest.plans) else " --plan …"
    return f"tbft-edge train {quoted(bundle)} --data …{choice} --out run"


def _checked(check: SelfCheck) -> str:
    """What was compared, and how near it was."""
    zeros = len(check.zero_gradients)
    return (
        f"checked one train step: formulas within {check.formulas.error:.0e} of PyTorch in float64, "
        f"ONNX Runtime's float32 within {check.kernels.error:.2g} of what float32 may lose"
        + (f"; {zeros} gradient{'s are' if zeros > 1 else ' is'} zero" if zeros else "")
    )


def _costs(plan: Plan, noun: Noun) -> Table:
    said = norms(plan.batch_norm, plan.statistics_part)
    title = f"{plan.purpose}: trains {', '.join(plan.blocks)} (batch norms: {said})"
    return Table(title, ["", "this plan", "full fine-tuning", "share"], _cost_rows(plan, noun), numbers=True)


def _files(exported: Exported) -> Table:
    from tbft_export.write_bundle import bundle_bytes

    sizes = bundle_bytes(exported.manifest)
    rows = [["weights", size(sizes["weights"])], ["device graphs", size(sizes["graphs"])]]
    if sizes["kept"]:
        rows.append([f"kept source {exported.manifest.noun}s", size(sizes["kept"])])
    if sizes["ort_training"]:
        rows.append(["ort_training/ (only for devices with an ORT training build)", size(sizes["ort_training"])])
    return Table("Files", ["part", "size"], rows, numbers=True)


def _int8(plan_id: str, int8: Int8Prefix, noun: Noun) -> Table:
    lost = 100 * (int8.accuracy_float32 - int8.accuracy_int8)
    return Table(
        f"Frozen prefix in int8, calibrated with {int8.calibration_images} {noun}s, measured on {int8.measured_images} "
        f"({plan_id})",
        ["", "float32", "int8", "difference"],
        [
            ["accuracy", percent(int8.accuracy_float32), percent(int8.accuracy_int8), f"{-lost:+.2f} points"],
            ["boundary activation, relative error", "–", percent(int8.boundary_error), "–"],
        ],
        numbers=True,
    )


def _cost_rows(plan: Plan, noun: Noun) -> list[list[str]]:
    """What the plan costs, full fine-tuning beside it (dashes where the whole has no gradient), and the share."""
    lines: list[tuple[str, Callable[[Cost], int], Callable[[float], str]]] = [
        ("parameters trained", lambda cost: cost.parameter_bytes // 4, _count),
        (f"MFLOP per {noun}, first epoch", lambda cost: cost.step_flops, _mega),
    ]
    if plan.has_prefix and plan.prefix_is_fixed:
        # Full fine-tuning has no prefix, so its whole step counts.
        from_boundary = f"MFLOP per {noun} from the boundary on"
        lines.append((from_boundary, lambda cost: cost.step_flops - cost.prefix_flops, _mega))
    lines.append((f"activations kept per {noun}", lambda cost: cost.activation_bytes, size))
    rows = []
    for name, value, form in lines:
        part, whole = value(plan.cost), value(plan.full_cost) if plan.full_cost else None
        rows.append([name, form(part), form(whole) if whole else "–", percent(part / whole) if whole else "–"])
    return rows


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _mega(value: float) -> str:
    return f"{value / 1e6:,.1f}"


def _list(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
