"""`mass-operations`: who changed how much of late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

if TYPE_CHECKING:
    from sg_compliance.realtime.activity import Activity

SHOW_EXAMPLES: Final = """Examples:

sg-compliance mass-operations show

sg-compliance mass-operations show --account 111122223333 --principal "*:user/ada" --json"""

app = upkeep.commands("Who changed how much of late, and whether that was too much.")


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    accounts: options.Accounts = None,
    principal: Annotated[
        str | None,
        typer.Option("--principal", metavar="TEXT", help="Only those whose ARN has this in it; * is any text."),
    ] = None,
    policy: options.Policy = None,
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Show each principal's operations of the last hours: the densest minute and hour, groups, regions, failures.

    With the thresholds that apply to it by the policy, and what was told of it.
    """
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.containing import operation_windows
    from sg_compliance.bootstrap.upkeep import journal_kept
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.mass_operations import activity_lines, activity_record
    from sg_compliance.workflows.watching import Wanted, activities

    wanted = Wanted(frozenset(accounts or ()), upkeep.named(principal, "--principal"))
    kept, place = options.state(state, table), Where(profile=profile, endpoint_url=endpoint_url)
    document = bootstrap.load_policy(policy).document
    found: list[Activity] = []
    there = journal_kept(kept)
    if there:
        with operation_windows(kept, place, reading=True) as windows:
            found = activities(windows, document, wanted, bootstrap.now())
    if json_:
        upkeep.write_json([activity_record(each) for each in found])
    if not there:
        upkeep.write_no_journal(kept, "of operations", as_json=json_)
    elif not json_:
        write(activity_lines(found))
