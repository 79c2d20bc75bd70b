"""Entry point: the command's name, its sub-commands, and how errors end."""

from __future__ import annotations

import errno
import sys
from importlib.metadata import version
from typing import Annotated

import click
import typer
import typer.core

from tbft_artifacts.atomic import NO_SPACE
from tbft_artifacts.errors import NO_MEMORY, TbftError
from tbft_artifacts.regular import LIMITS
from tbft_edge import signals, streams
from tbft_edge.commands import (
    agent,
    bank,
    bench,
    compare,
    corrupt,
    diagnose,
    doctor,
    evaluate,
    export,
    finalize,
    inspect,
    learn,
    ops,
    predict,
    report,
    reproduce,
    train,
    tune,
)
from tbft_edge.commands.fleet import app as fleet
from tbft_edge.console import print_line, say
from tbft_edge.flags import with_flags

BROKEN_EXIT_CODE = 1
INTERRUPTED_EXIT_CODE = 130
# Of a program whose reader went away, as a shell says it of one that SIGPIPE ended.
UNREAD_EXIT_CODE = 141
_DISK = NO_SPACE | {errno.EIO, errno.EROFS}
_NO_MEMORY = TbftError(
    NO_MEMORY,
    "close other programs, raise the limit of this one (ulimit -v), or train within a `memory_budget`",
)
_WORDS_OF_NO_MEMORY = (
    *("failed to map segment from shared object", "cannot allocate memory", "Cannot allocate memory"),
    *("can't start new thread", "std::bad_alloc", "bad allocation", "Unable to allocate"),
)

# Plain help is quicker on a Pi and reads the same everywhere. Where rich is installed, typer escapes
# "[required]" for it even when its markup is off.
typer.core.HAS_RICH = False

app = typer.Typer(
    name="tbft-edge",
    help="Fine-tune only the block of a network that the drift calls for, on a small device.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("export", cls=export.ExportCommand)(export.command)
app.command("diagnose")(diagnose.command)
app.command("tune")(tune.command)
app.command("train")(train.command)
app.command("learn")(learn.command)
app.command("eval")(evaluate.command)
app.command("predict")(predict.command)
app.command("bank")(bank.command)
app.add_typer(agent.app, name="agent")
app.add_typer(fleet.app, name="fleet")
app.command("corrupt")(corrupt.command)
app.command("finalize")(finalize.command)
app.command("report")(report.command)
app.command("compare")(compare.command)
app.command("inspect")(inspect.command)
app.command("doctor")(doctor.command)
app.command("reproduce")(reproduce.command)
app.command("bench")(bench.command)
app.command("ops")(ops.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(version("tbft-edge"))
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=lambda value: _print_version(value)
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; an error is one line and a hint on stderr, and an exit code."""
    streams.prepare()
    with signals.heard():
        try:
            command = typer.main.get_command(app)
            # Errors end in it, when the context of what ran is gone: their words name options of all commands.
            with click.Context(command):
                _run(command)
        except KeyboardInterrupt:  # While the end was told already.
            sys.exit(signals.exit_code() or INTERRUPTED_EXIT_CODE)
        finally:
            streams.abandon()


def _run(command: click.Command) -> None:
    try:
        # Not click's own ending: it would turn Ctrl-C into exit code 1.
        code = command(standalone_mode=False)
        streams.finish()
        # typer makes 130 of every interruption.
        sys.exit(signals.exit_code() or code)
    except TbftError as error:
        fail(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        asked = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "tbft-edge"
        fail(TbftError(error.format_message().rstrip("."), f"see {asked} --help"))
    except BrokenPipeError:
        # As `head` wants it: it has read enough.
        sys.exit(UNREAD_EXIT_CODE)
    except SystemExit as ended:
        # click ends so where nobody reads on.
        sys.exit(UNREAD_EXIT_CODE if isinstance(ended.__context__, BrokenPipeError) else ended.code)
    except OSError as error:
        fail(of_the_system(error))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(signals.exit_code() or INTERRUPTED_EXIT_CODE)
    except Exception as error:
        if isinstance(error, UnicodeEncodeError) and _is_name(error):
            fail(TbftError(f"the name '{error.object}' is no UTF-8, which files of results are", "rename it"))
        if isinstance(error, MemoryError) or _lacks_memory(error):
            fail(_NO_MEMORY)
        _say_what_broke()
        sys.exit(BROKEN_EXIT_CODE)


def _is_name(error: UnicodeEncodeError) -> bool:
    """Whether it is about bytes of a name that are no UTF-8, which Python keeps as surrogates."""
    return all("\ud800" <= letter <= "\udfff" for letter in error.object[error.start : error.end])


def _lacks_memory(error: Exception) -> bool:
    """Whether a library says in its own way that it got no memory: of its own code, for a thread, or for data."""
    return any(words in str(error) for words in _WORDS_OF_NO_MEMORY)


def _say_what_broke() -> None:
    """A mistake of ours as Python tells it, but that its words may be a stranger's."""
    import traceback

    for line in traceback.format_exc().splitlines():
        say(line)


def of_the_system(error: OSError) -> TbftError:
    """What the system refused, where, and what may help: a disk, a path, memory and a program want different things."""
    place = f"'{error.filename}': " if error.filename else ""
    words = error.strerror or str(error) or type(error).__name__
    if error.errno in _DISK:
        return TbftError(f"{place}{words}", "free some space, or check the disk")
    if error.errno in LIMITS:
        return TbftError(f"{place}{words}", "close other programs, or raise the limits of this one (ulimit -a)")
    if error.errno == errno.ENOEXEC:
        return TbftError(f"{place}cannot be started: {words}", "it is no program for this machine's processor")
    if error.filename:
        return TbftError(f"{place}{words}", "check the path and its permissions")
    return TbftError(f"the system refused what was asked of it: {words}", "see what this process may do and reach")


def fail(error: TbftError) -> None:
    """Print what is wrong and what to do about it, and exit."""
    for line in (f"error: {error.message}", "", f"hint: {error.hint}"):
        say(with_flags(line))
    # What fails while a command cleans up does not change why it ends.
    sys.exit(signals.exit_code() or error.exit_code)
