"""The commands of `tbft-edge fleet`, in the order in which people need them."""

from __future__ import annotations

import typer

from tbft_edge.commands.fleet import (
    collect,
    deploy,
    derive,
    enrol,
    init,
    install,
    join,
    keys,
    merge,
    node,
    pull,
    release,
    report,
    revoke,
    rollback,
    rounds,
    services,
    status,
    superlink,
    task,
    train,
)

app = typer.Typer(
    help="Many devices: signed releases that roll back by themselves, signed results, merged rounds, one page.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("init")(init.command)
app.command("join")(join.command)
app.command("enrol")(enrol.command)
app.command("release")(release.command)
app.command("deploy")(deploy.command)
app.command("pull")(pull.command)
app.command("install")(install.install)
app.command("uninstall")(install.uninstall)
app.command("report")(report.command)
app.command("collect")(collect.command)
app.command("status")(status.command)
app.command("rollback")(rollback.command)
app.command("task")(task.command)
app.command("train")(train.command)
app.command("merge")(merge.command)
app.command("derive")(derive.command)
app.command("superlink")(superlink.command)
app.command("node")(node.command)
app.command("rounds")(rounds.command)
app.command("install-superlink")(services.install_superlink)
app.command("uninstall-superlink")(services.uninstall_superlink)
app.command("install-node")(services.install_node)
app.command("uninstall-node")(services.uninstall_node)
app.add_typer(keys.app, name="keys")
keys.app.command("revoke")(revoke.command)
