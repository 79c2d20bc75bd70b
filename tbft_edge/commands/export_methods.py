"""Methods that `tbft-edge export` knows, those that other packages add, and the options of each."""

from __future__ import annotations

from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError

METHODS = ("tbft", "last-layer", "bn-only", "bias-only", "full", "mobiletl", "tinytrain", "persephonee")
METHOD_HELP = f"How to choose what is trained: tbft (by --drift), {', '.join(METHODS[1:-1])} or {METHODS[-1]}."
MethodOption = Annotated[str, typer.Option(help=METHOD_HELP)]
TopBlocksOption = Annotated[
    int | None, typer.Option(min=1, help="How many residual blocks are trained, from the last one.")
]
ExitsOption = Annotated[
    int | None,
    typer.Option(min=2, help="For persephonee: how many classifiers may answer, the last included. Default 4."),
]


def check_method(name: str) -> None:
    """Raises TbftError for a method that there is not."""
    from tbft_artifacts.plugins import plugin_names

    known = sorted({*METHODS, *plugin_names("method", METHODS)})
    if name not in known:
        raise TbftError(f"there is no method '{name}'", f"methods: {', '.join(known)}")


def foreign_methods() -> str:
    """What the help says of other packages' methods; nothing where there are none."""
    from tbft_artifacts.plugins import find_plugins

    usable, broken = [], []
    for plugin in find_plugins("method", METHODS):
        if plugin.fault is None:
            usable.append(f"{plugin.name} ({plugin.origin})")
        else:
            broken.append(f"{plugin.name} ({plugin.origin}: {plugin.fault})")
    found = f" From other packages: {', '.join(usable)}." if usable else ""
    return found + (f" Left out: {', '.join(broken)}." if broken else "")
