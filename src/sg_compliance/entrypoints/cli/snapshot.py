"""`snapshot`: write down what a scan would read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options

EXAMPLES: Final = """Examples:

sg-compliance snapshot --org --external-id ID --output organisation.jsonl

sg-compliance scan --from organisation.jsonl --policy strict

sg-compliance snapshot --from organisation.jsonl --output organisation.parquet"""


def snapshot(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to: JSON Lines, or Parquet as NAME.parquet; standard output if not given, or -.",
        ),
    ] = None,
    rule_ids: Annotated[bool, typer.Option("--rule-ids", help="Ask for rule ids (sgr-…) too: more calls.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    sources: options.From = None,
    accounts: options.Accounts = None,
    organization: options.Organization = False,
    units: options.Units = None,
    excluded: options.Excluded = None,
    regions: options.Regions = None,
    role_name: options.RoleName = options.ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    policy: options.Policy = None,
    quiet: options.Quiet = False,
) -> None:
    """Write what a scan would read to a file (JSON Lines or Parquet), to be judged again offline with --from.

    The policy says only where to look: its accounts_config names regions, roles, and accounts to leave out.
    """
    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.exit import COULD_NOT, survive_closed_pipe
    from sg_compliance.entrypoints.cli.terminal import ScanProgress, count, talk
    from sg_compliance.reports.text import skipped_lines
    from sg_compliance.workflows.snapshot import take_snapshot

    place = options.where(
        sources=sources,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=organization,
        units=units,
        excluded=excluded,
        regions=regions,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
    )
    parsed = bootstrap.load_policy(policy)
    with (
        survive_closed_pipe(),
        bootstrap.inventory(place, parsed) as inventory,
        bootstrap.snapshot_file(output, replace=force) as sink,
        ScanProgress(quiet=quiet, judging=False) as progress,
    ):
        taken = take_snapshot(inventory, sink, progress, rule_ids=rule_ids, workers=bootstrap.workers(place))
    console = talk()
    for skipped in taken.skipped:
        for line in skipped_lines(skipped):
            console.print(line)
    if not quiet:
        console.print(f"{count(taken.groups, 'group')} written to {output or 'standard output'}")
    raise typer.Exit(COULD_NOT if any(skipped.wanted for skipped in taken.skipped) else 0)
