"""`tbft-edge fleet keys`: a pair of keys that signs bundles, and those of a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet import role_keys
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say

app = typer.Typer(help="Keys that sign bundles and releases.", no_args_is_help=True, rich_markup_mode=None)


class MadeKey(msgspec.Struct, frozen=True):
    """Where both halves of a new key lie, and its id."""

    private: str
    public: str
    id: str


@app.command("new")
def new(
    private: Annotated[Path, typer.Argument(help="The new file for the private half, such as release.pem.")],
    json: JsonOption = False,
) -> None:
    """Make an Ed25519 key: the private half, which signs, and beside it the public one, which devices trust."""
    from tbft_artifacts.atomic import atomic_file, check_place
    from tbft_artifacts.signing.keys import new_key, public_pem

    if not private.name:
        raise TbftError(
            f"'{private}' is no name of a file", "give the new file for the private half, such as release.pem"
        )
    public = private.with_name(f"{private.name}.pub")
    check_place(public)
    made = new_key(private).public_key
    with atomic_file(public) as temporary:
        temporary.write_text(public_pem(made), encoding="ascii")
    if json:
        print_json(MadeKey(str(private), str(public), made.keyid))
        return
    print_line(str(public))
    say(f"{quoted(private)} signs: keep it to yourself; {quoted(public)} is for whoever checks")


app.command("list")(role_keys.list_keys)
app.command("rotate")(role_keys.rotate_key)
app.command("renew")(role_keys.renew)
