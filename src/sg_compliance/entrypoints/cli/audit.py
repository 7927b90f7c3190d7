"""`audit`: read the log of changes, and check that nothing in it is missing or changed."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

SHOW_EXAMPLES: Final = """Examples:

sg-compliance audit show --since 7d

sg-compliance audit show --group sg-0123456789abcdef0 --json"""
VERIFY_EXAMPLES: Final = """Examples:

sg-compliance audit verify

sg-compliance audit verify --expect-head 12:HASH

Exit status: 0 the log is whole, 2 something is missing or changed, or there is no log."""

app = upkeep.commands("Read and check the log of changes.")


@app.command(epilog=SHOW_EXAMPLES)
def show(
    group: Annotated[str | None, typer.Option("--group", metavar="SG", help="Only about this group (sg-…).")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only of this run.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only since then: a time (RFC 3339), or how long ago (24h).")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="The lines as they are kept.")] = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Show what was changed, by whom and why: one line an event, oldest first."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import existing
    from sg_compliance.entrypoints.cli.terminal import talk, write, write_text
    from sg_compliance.reports.audit_log import event_line, unreadable_line
    from sg_compliance.workflows.auditing import Asked, events

    place = options.state(state, table)
    from_time = options.moment(since, bootstrap.now()) if since is not None else None
    asked = Asked(upkeep.named(group, "--group"), upkeep.named(run, "--run"), from_time)
    shown = unreadable = 0
    with existing(place, Where(profile=profile, endpoint_url=endpoint_url)) as stores:
        for line in events(stores.audit, asked) if stores else ():
            shown += line.event is not None
            if line.event is None:
                unreadable += 1
            elif json_:
                write_text([line.text, "\n"])
            else:
                write([event_line(line.event)])
    if unreadable:
        talk().print(unreadable_line(unreadable))
    if stores is None:
        upkeep.write_nothing_kept(place, as_json=json_)
    elif not shown:
        talk().print("the log holds no such event")


@app.command(epilog=VERIFY_EXAMPLES)
def verify(
    expect_head: Annotated[
        str | None,
        typer.Option(metavar="HEAD", help="A head that was noted before, SEQUENCE:HASH: it must still be there."),
    ] = None,
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Check every line of the log, and print its head: note it elsewhere, and a log cut short is found out too."""
    from sg_compliance.bootstrap.enforcement import stores
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.audit_log import check_lines, check_record
    from sg_compliance.workflows.auditing import check

    if expect_head is not None and not expect_head.strip():
        raise typer.BadParameter("an empty value; leave it out to expect none", param_hint="--expect-head")
    place = upkeep.there(options.state(state, table))
    with stores(place, Where(profile=profile, endpoint_url=endpoint_url), reading=True) as kept:
        report = check(kept, expect_head or "")
    if not report.entries and not report.problems:
        raise upkeep.nothing_kept(place, "no audit log")
    if json_:
        upkeep.write_json(check_record(report))
    else:
        write(check_lines(report))
    raise typer.Exit(0 if report.intact else COULD_NOT)
