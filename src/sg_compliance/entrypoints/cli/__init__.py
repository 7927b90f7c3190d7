"""The command `sg-compliance`: one file a command. Heavy imports wait until a command runs.

Exit status: 0 clean; 1 findings at or above `--fail-on`; 2 could not do it, or not all of it.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from sg_compliance import __version__
from sg_compliance.entrypoints.cli import (
    apply,
    audit,
    backups,
    block,
    demo,
    exempt,
    explain,
    history,
    iam,
    mass_operations,
    pause,
    plan,
    policy,
    remediate,
    respond,
    rollback,
    scan,
    simulate,
    snapshot,
    unprotect,
)
from sg_compliance.errors import SgComplianceError

_TYPERS_STATUS_OF_CTRL_C: Final = 130

app = typer.Typer(
    name="sg-compliance",
    help="Find, explain and close what AWS security groups really open, in every account, from one policy.",
    epilog="Start with `sg-compliance demo`, or `sg-compliance scan --from groups.json`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=scan.EXAMPLES)(scan.scan)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=snapshot.EXAMPLES)(snapshot.snapshot)
app.command(epilog=plan.EXAMPLES)(plan.plan)
app.command(epilog=apply.EXAMPLES)(apply.apply)
app.command(epilog=remediate.EXAMPLES)(remediate.remediate)
app.command(epilog=rollback.EXAMPLES)(rollback.rollback)
app.command(epilog=simulate.EXAMPLES)(simulate.simulate)
app.command(epilog=respond.EXAMPLES)(respond.respond)
app.add_typer(backups.app, name="backups")
app.command(epilog=history.EXAMPLES)(history.history)
app.add_typer(exempt.app, name="exempt")
app.command(epilog=unprotect.EXAMPLES)(unprotect.unprotect)
app.command(epilog=pause.PAUSE_EXAMPLES)(pause.pause)
app.command(epilog=pause.RESUME_EXAMPLES)(pause.resume)
app.command(epilog=block.BLOCK_EXAMPLES)(block.block)
app.command(epilog=block.UNBLOCK_EXAMPLES)(block.unblock)
app.add_typer(block.app, name="blocks")
app.add_typer(mass_operations.app, name="mass-operations")
app.add_typer(audit.app, name="audit")
app.add_typer(policy.app, name="policy")
app.add_typer(iam.app, name="iam")
app.command(epilog=demo.EXAMPLES)(demo.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sg-compliance {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line, and turn what goes wrong into a message and an exit status."""
    from sg_compliance.entrypoints.cli.exit import COULD_NOT, survive_closed_pipe, write_in_any_encoding
    from sg_compliance.entrypoints.cli.streams import open_closed_streams

    open_closed_streams()
    write_in_any_encoding()
    try:
        with survive_closed_pipe(), _own_status_of_ctrl_c():
            app()
    except SgComplianceError as error:
        _show(error)
    except OSError as error:
        _show(_explained(error))
    except Exception:  # noqa: BLE001 - a bug is shown as one, and never with the exit status of findings
        sys.excepthook(*sys.exc_info())
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
    sys.exit(COULD_NOT)


@contextmanager
def _own_status_of_ctrl_c() -> Iterator[None]:
    """Typer ends in silence, with a status that we do not document."""
    try:
        yield
    except SystemExit as ended:
        if ended.code == _TYPERS_STATUS_OF_CTRL_C:
            raise KeyboardInterrupt from ended
        raise


def _show(error: SgComplianceError) -> None:
    from sg_compliance.entrypoints.cli.terminal import show_error

    show_error(error)


def _explained(error: OSError) -> SgComplianceError:
    """What nobody else has explained: most of all that the result cannot be written."""
    from sg_compliance.entrypoints.cli.exit import discard_output

    discard_output()
    if error.errno == errno.EBADF and not error.filename:
        message = "standard output is closed: the result cannot be written"
        return SgComplianceError(message, hint="leave it open, or send it to a file")
    message = f"{error.filename or 'output, or a temporary file'}: {error.strerror or error}"
    return SgComplianceError(message, hint="make room, or choose a place that can be written to")
